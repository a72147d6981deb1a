//go:build cuda

package cuda

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"strings"
	"unsafe"

	"gorgonia.org/cu"

	"latent/gpu"
	"latent/gpu/cuda/driver"
)

// The PTX of each kernels/*.cu for each dtype, made by go run ./gpu/cuda/compile.
//
//go:embed kernels/*.ptx.gz
var images embed.FS

// function names a kernel: file_dtype is its module.
type function struct {
	file, name string
	dtype      gpu.DType
}

func (f function) String() string { return fmt.Sprintf("%s_%v", f.name, f.dtype) }

type kernel struct {
	cu.Function
	shared int // bytes of dynamic shared memory that are allowed
}

// kernel finds a kernel; its module is loaded when the first one of it is wanted.
func (b *backend) kernel(f function) (kernel, error) {
	if k, ok := b.functions[f]; ok {
		return k, nil
	}
	m, err := b.module(fmt.Sprintf("%s_%v", f.file, f.dtype))
	if err != nil {
		return kernel{}, err
	}
	fn, err := m.Function(f.String())
	if err != nil {
		return kernel{}, fmt.Errorf("kernel %v: %w", f, err)
	}
	k := kernel{fn, 47 << 10} // and a KiB of its own variables: 48 are allowed without asking
	b.functions[f] = k
	return k, nil
}

// module has the driver compile a module, or finds it in the driver's cache.
func (b *backend) module(name string) (cu.Module, error) {
	if m, ok := b.modules[name]; ok {
		return m, nil
	}
	text, err := image(name)
	if err != nil {
		return cu.Module{}, err
	}
	m, err := cu.LoadData(text)
	if err != nil {
		return m, fmt.Errorf("the driver does not take the kernels of %s: %w; a newer driver may", name, err)
	}
	b.modules[name] = m
	return m, nil
}

// modules lists those there are.
func modules() (names []string) {
	files, _ := images.ReadDir("kernels")
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".ptx.gz"))
	}
	return names
}

// image is the PTX of a module.
func image(module string) (string, error) {
	packed, err := images.ReadFile("kernels/" + module + ".ptx.gz")
	if err != nil {
		return "", err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

// grid is how many blocks of how many threads with how much shared memory.
type grid struct {
	x, y, z, threads, shared int
}

// told, set by tests, hears of each launch, and says whether it is left out.
var told func(function) bool

// launch starts a kernel with its struct of arguments.
func launch[A any](b *backend, f function, g grid, args A) {
	if g.x == 0 {
		return
	}
	k, ok := b.functions[f]
	if !ok || g.shared > k.shared {
		k = b.prepare(f, g.shared)
	}
	if told != nil && told(f) {
		return
	}
	l := driver.Launch{
		Context: handle(b.context), Function: handle(k.Function), Stream: handle(b.stream),
		Grid:    [3]uint32{uint32(g.x), uint32(max(g.y, 1)), uint32(max(g.z, 1))},
		Threads: uint32(g.threads), Shared: uint32(g.shared),
	}
	if err := l.Run(unsafe.Pointer(&args), unsafe.Sizeof(args)); err != nil {
		fail(f.name, fmt.Errorf("the GPU failed: %w", err))
	}
}

func (b *backend) prepare(f function, shared int) kernel {
	defer b.enter()()
	k, err := b.kernel(f)
	if err != nil {
		fail(f.name, err)
	}
	// All that use it wish for the same, so that as many blocks are on a processor as
	// was reckoned with, and none has to be emptied to divide its memory anew.
	if shared > 0 {
		driver.PreferShared(handle(k.Function))
	}
	if shared > k.shared {
		must(f.name, driver.AllowShared(handle(k.Function), shared))
		k.shared = shared
		b.functions[f] = k
	}
	return k
}

// flat is a grid for n independent elements, which kernels count with 32 bits:
// the last index of a thread must not pass the end of those either.
func (b *backend) flat(n int) grid {
	const threads = 256
	if n > 1<<31 {
		fail("launch", fmt.Errorf("a tensor of %d elements is too large for the GPU's kernels", n))
	}
	return grid{x: min((n+threads-1)/threads, 32*b.processors), threads: threads}
}
