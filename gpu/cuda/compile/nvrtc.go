//go:build cgo && linux

// Compile makes the PTX that package cuda embeds: each kernels/*.cu once for each
// storage type, with NVIDIA's run-time compiler, which is one shared library.
//
//	NVRTC=/path/to/libnvrtc.so.11.2 go run ./gpu/cuda/compile
//
// Without NVRTC it looks for libnvrtc.so where the system's linker does. The
// committed files are by CUDA 11.8, whose PTX 7.8 every driver from 520 on takes.
package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

// What is used of NVRTC, whose calls all return 0 if they succeed.
static void *library;
typedef int (*create_fn)(void **, const char *, const char *, int, const char *const *, const char *const *);
typedef int (*compile_fn)(void *, int, const char *const *);
typedef int (*size_fn)(void *, size_t *);
typedef int (*text_fn)(void *, char *);
typedef int (*destroy_fn)(void **);
typedef int (*version_fn)(int *, int *);

static int nvrtc_open(const char *name) { return (library = dlopen(name, RTLD_NOW)) ? 0 : -1; }
static int nvrtc_version(int *major, int *minor) { return ((version_fn)dlsym(library, "nvrtcVersion"))(major, minor); }
static int nvrtc_create(void **p, const char *text, const char *name) {
	return ((create_fn)dlsym(library, "nvrtcCreateProgram"))(p, text, name, 0, 0, 0);
}
static int nvrtc_compile(void *p, int n, const char *const *options) {
	return ((compile_fn)dlsym(library, "nvrtcCompileProgram"))(p, n, options);
}
static int nvrtc_size(void *p, int log, size_t *n) {
	return ((size_fn)dlsym(library, log ? "nvrtcGetProgramLogSize" : "nvrtcGetPTXSize"))(p, n);
}
static int nvrtc_text(void *p, int log, char *to) {
	return ((text_fn)dlsym(library, log ? "nvrtcGetProgramLog" : "nvrtcGetPTX"))(p, to);
}
static void nvrtc_destroy(void **p) { ((destroy_fn)dlsym(library, "nvrtcDestroyProgram"))(p); }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"unsafe"
)

var errNoCompiler = errors.New("NVRTC is not found: set NVRTC to the path of libnvrtc.so")

// open loads the compiler and gives its version.
func open() (major, minor int, err error) {
	names := []string{"libnvrtc.so", "libnvrtc.so.11.2", "libnvrtc.so.12", "libnvrtc.so.13"}
	if name := os.Getenv("NVRTC"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		s := C.CString(name)
		defer C.free(unsafe.Pointer(s))
		if C.nvrtc_open(s) != 0 {
			continue
		}
		var a, b C.int
		if C.nvrtc_version(&a, &b) != 0 {
			return 0, 0, fmt.Errorf("%s does not tell its version", name)
		}
		return int(a), int(b), nil
	}
	return 0, 0, errNoCompiler
}

// compile translates a program to PTX.
func compile(name, text string, options ...string) (string, error) {
	var program unsafe.Pointer
	cname, ctext := C.CString(name), C.CString(text)
	defer C.free(unsafe.Pointer(cname))
	defer C.free(unsafe.Pointer(ctext))
	if r := C.nvrtc_create(&program, ctext, cname); r != 0 {
		return "", fmt.Errorf("%s: NVRTC error %d", name, int(r))
	}
	defer C.nvrtc_destroy(&program)
	copts := make([]*C.char, len(options))
	for i, o := range options {
		copts[i] = C.CString(o)
		defer C.free(unsafe.Pointer(copts[i]))
	}
	if C.nvrtc_compile(program, C.int(len(copts)), &copts[0]) != 0 {
		return "", fmt.Errorf("%s: %s", name, read(program, 1))
	}
	return read(program, 0), nil
}

func read(program unsafe.Pointer, log C.int) string {
	var n C.size_t
	if C.nvrtc_size(program, log, &n) != 0 || n < 2 {
		return ""
	}
	b := make([]byte, n)
	C.nvrtc_text(program, log, (*C.char)(unsafe.Pointer(&b[0])))
	return string(b[:n-1])
}
