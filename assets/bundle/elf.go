package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// system are the libraries that each desktop has: the C library, the compiler's two
// that Mesa's drivers bring, which must be no older than those want, X11 and OpenGL.
var system = []string{
	"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1",
	"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
	"libgcc_s.so.1", "libstdc++.so.6",
	"libX11.so.6", "libGL.so.1",
}

// needed are the libraries that an ELF file is linked with, and where it has them
// looked for first.
func needed(path string) (names, paths []string, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	names, err = f.ImportedLibraries()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	// Unlike a run path the older kind holds for the libraries' own libraries too.
	paths, err = f.DynString(elf.DT_RPATH)
	return names, paths, err
}

// collect copies into dir what program needs beyond system, and what that needs. It
// returns where the libraries came from.
func collect(program, dir string, find func(name string) (string, error)) (from []string, err error) {
	todo, have := []string{program}, map[string]bool{}
	for len(todo) > 0 {
		names, _, err := needed(todo[0])
		if err != nil {
			return nil, err
		}
		todo = todo[1:]
		for _, name := range names {
			if have[name] || slices.Contains(system, name) {
				continue
			}
			have[name] = true
			path, err := find(name)
			if err != nil {
				return nil, err
			}
			if err := copyFile(filepath.Join(dir, name), path); err != nil {
				return nil, err
			}
			from, todo = append(from, path), append(todo, path)
		}
	}
	return from, nil
}

// find asks the C compiler for a library.
func find(name string) (string, error) {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc"
	}
	out, err := exec.Command(cc, "-print-file-name="+name).Output()
	path := strings.TrimSpace(string(out))
	if err != nil || !filepath.IsAbs(path) { // without an answer it repeats the name
		return "", fmt.Errorf("%s does not know where %s is", cc, name)
	}
	return filepath.EvalSymlinks(path)
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// check tells why the program would not start on a desktop without other packages,
// or the oldest C and C++ library that it and its libraries run with.
func check(program, dir string) (needs string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return "", err
	}
	newest := map[string]string{}
	for _, path := range append([]string{program}, files...) {
		names, paths, err := needed(path)
		if err != nil {
			return "", err
		}
		if path == program && len(files) > 0 && !slices.Contains(paths, runPath) {
			return "", fmt.Errorf("%s does not look for libraries in %s (DT_RPATH is %q)", program, runPath, paths)
		}
		for _, name := range names {
			if slices.Contains(system, name) {
				continue
			}
			if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("%s needs %s, which is not in the package and not on every desktop", path, name)
			} else if err != nil {
				return "", err
			}
		}
		if err := versions(path, newest); err != nil {
			return "", err
		}
	}
	for _, set := range slices.Sorted(maps.Keys(newest)) {
		if needs != "" {
			needs += ", "
		}
		needs += set + " " + newest[set]
	}
	return needs, nil
}

// versions raises newest to what a file wants of the system's C and C++ library.
func versions(path string, newest map[string]string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	all, err := f.DynamicVersionNeeds()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, library := range all {
		for _, n := range library.Needs {
			set, version, ok := strings.Cut(n.Dep, "_")
			if ok && (set == "GLIBC" || set == "GLIBCXX") && older(newest[set], version) {
				newest[set] = version
			}
		}
	}
	return nil
}

// older compares versions such as 2.4 and 2.34.
func older(a, b string) bool { return slices.Compare(numbers(a), numbers(b)) < 0 }

func numbers(version string) (out []int) {
	for _, s := range strings.Split(version, ".") {
		n, _ := strconv.Atoi(s)
		out = append(out, n)
	}
	return out
}
