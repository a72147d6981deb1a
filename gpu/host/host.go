//go:build cgo && !nodnnl

package host

/*
#cgo CFLAGS: -std=gnu11 -O3 -fopenmp -Wall
#cgo LDFLAGS: -fopenmp -lm
#include <omp.h>
#include "memory.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	"latent/gpu"
)

func init() { gpu.Register("host", open) }

// backend is the state behind one open device.
type backend struct {
	gpu.Backend // until every method is in
	info        gpu.Info
}

// open locks the goroutine to its thread: OpenMP keeps a pool of workers per
// calling thread, and one pool shall serve.
func open(arg string) (gpu.Backend, error) {
	if arg != "" {
		return nil, fmt.Errorf("the host device takes no argument, got %q", arg)
	}
	runtime.LockOSThread()
	return &backend{info: gpu.Info{Name: "host", Compute: gpu.Float32, Threads: int(C.omp_get_max_threads())}}, nil
}

func (b *backend) Info() gpu.Info { return b.info }

func (b *backend) Close() { runtime.UnlockOSThread() }

// buffer is a block of C memory.
type buffer struct {
	p    unsafe.Pointer
	size int
}

func (b *buffer) Size() int { return b.size }

// ptr is the address of a tensor's first element.
func ptr(t *gpu.Tensor) unsafe.Pointer {
	return unsafe.Add(t.Buffer().(*buffer).p, t.Offset())
}

// bytes are a tensor's elements in place.
func bytes(t *gpu.Tensor) []byte { return unsafe.Slice((*byte)(ptr(t)), t.Bytes()) }

func (b *backend) Alloc(n int) (gpu.Buffer, error) {
	p := C.host_alloc(C.size_t(n))
	if p == nil {
		return nil, fmt.Errorf("out of memory")
	}
	return &buffer{p: p, size: n}, nil
}

func (b *backend) Free(buf gpu.Buffer) {
	C.host_free(buf.(*buffer).p)
}

func (b *backend) Write(dst *gpu.Tensor, src []byte) { copy(bytes(dst), src) }

func (b *backend) Read(dst []byte, src *gpu.Tensor) { copy(dst, bytes(src)) }
