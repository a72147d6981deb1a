// Package standin builds a driver library without a GPU for tests: host memory for
// the device's, and the kernels of package cuda compiled as ordinary C++, with the
// matrix and copy instructions of the GPU acted out as NVIDIA describes them.
//
// Faults are ordered by environment variables of the process, which the library
// reads at each call:
//
//	STANDIN_INIT         what cuInit gives
//	STANDIN_MEMORY       bytes of device memory
//	STANDIN_CAPABILITY   compute capability, 86 for 8.6
//	STANDIN_PROCESSORS   number of multiprocessors
//	STANDIN_SHARED       KiB of shared memory of a multiprocessor
//	STANDIN_FAIL_LAUNCH  the launch from which on the device is lost
package standin

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Use makes package cuda load the stand-in instead of NVIDIA's driver, unless
// LATENT_TEST_GPU is set: then the tests run on the GPU there is. A library that
// LATENT_CUDA_DRIVER names stays. It must be called before a device is opened, by a
// test whose folder is inside the module.
func Use() error {
	if os.Getenv("LATENT_TEST_GPU") != "" || os.Getenv("LATENT_CUDA_DRIVER") != "" {
		return nil
	}
	path, err := Build()
	if err != nil {
		return err
	}
	return os.Setenv("LATENT_CUDA_DRIVER", path)
}

// Build compiles the library, or finds it as compiled before, and gives its path. CXX
// is the compiler, with options if need be: "x86_64-w64-mingw32-g++ -static" for Windows.
func Build() (string, error) {
	root, err := folder()
	if err != nil {
		return "", err
	}
	kernels, err := filepath.Glob(filepath.Join(root, "kernels", "*.cu"))
	if err != nil || len(kernels) == 0 {
		return "", fmt.Errorf("no kernels in %s", root)
	}
	sources, _ := filepath.Glob(filepath.Join(root, "standin", "library", "*.cpp"))
	headers, _ := filepath.Glob(filepath.Join(root, "kernels", "*.h"))
	more, _ := filepath.Glob(filepath.Join(root, "standin", "library", "*.h"))
	hash := sha256.New()
	for _, name := range slices.Concat(kernels, sources, headers, more) {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", filepath.Base(name), len(text), text)
	}
	cxx := strings.Fields(cmp.Or(os.Getenv("CXX"), "g++"))
	fmt.Fprint(hash, cxx, flags)
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "latent-standin")
	library := filepath.Join(dir, fmt.Sprintf("libcuda-%s-%x.so", runtime.GOARCH, hash.Sum(nil)[:8]))
	if _, err := os.Stat(library); err == nil {
		return library, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(dir, "build")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)

	var jobs [][]string // command lines
	var objects []string
	job := func(args ...string) {
		o := filepath.Join(work, fmt.Sprintf("%d.o", len(objects)))
		objects = append(objects, o)
		jobs = append(jobs, slices.Concat(cxx, flags, args, []string{"-o", o}))
	}
	for _, dtype := range []string{"bf16", "f16", "f32"} {
		for _, k := range kernels {
			job("-DDTYPE_"+dtype, "-x", "c++", "-c", k)
		}
	}
	for _, s := range sources {
		job("-c", s)
	}
	if err := compile(jobs); err != nil {
		return "", err
	}
	built := filepath.Join(work, "libcuda.so")
	if err := compile([][]string{slices.Concat(cxx, objects, []string{"-shared", "-o", built})}); err != nil {
		return "", err
	}
	return library, os.Rename(built, library)
}

var flags = []string{"-std=c++17", "-O2", "-fPIC", "-fno-strict-aliasing", "-ffp-contract=off", "-Wno-unknown-pragmas", "-Wno-unused-function"}

// folder is gpu/cuda in the module that the working directory is in.
func folder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "gpu", "cuda"), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("the working directory is in no module")
		}
		dir = up
	}
}

// compile runs each command line, as many at once as there are processors.
func compile(jobs [][]string) error {
	errs := make([]error, len(jobs))
	limit := make(chan struct{}, runtime.NumCPU())
	var wg sync.WaitGroup
	for i, args := range jobs {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				errs[i] = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
