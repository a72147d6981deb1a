//go:build cgo

package host

/*
#cgo CFLAGS: -std=gnu11 -O3 -fopenmp -Wall
#cgo LDFLAGS: -fopenmp -lm
#include <omp.h>
#include "memory.h"
#include "op.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"latent/gpu"
)

func init() { gpu.Register("host", open) }

// backend is the state behind one open device.
type backend struct {
	info    gpu.Info
	isa     int  // as host_isa tells
	own     bool // products by the own kernels
	ops     map[C.host_spec]*op
	parts   map[C.host_spec]parts
	layouts []*op // one for each layout of packed weights
	epoch   int   // counts the times ops was emptied
	buffers map[*buffer]struct{}
	scratch scratch
}

// start prepares oneDNN for the process.
var start = sync.OnceValue(func() error {
	C.host_memory_start()
	if s := C.host_onednn_start(); s != 0 {
		return fmt.Errorf("oneDNN does not start (status %d)", int(s))
	}
	return nil
})

// open takes "own" for products by the own kernels though there is oneDNN.
//
// It locks the goroutine to its thread: OpenMP keeps a pool of workers per calling
// thread, and one pool shall serve.
func open(arg string) (gpu.Backend, error) {
	if arg != "" && arg != "own" {
		return nil, fmt.Errorf("the host device takes no argument but own, got %q", arg)
	}
	if err := start(); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	threads := int(C.omp_get_max_threads())
	b := &backend{ops: map[C.host_spec]*op{}, parts: map[C.host_spec]parts{}, buffers: map[*buffer]struct{}{}}
	name, detail := "host", "own kernels, "+isa()
	if b.own = arg == "own" || C.host_onednn == nil; b.own {
		b.isa = C.HOST_ISA_BASE
	} else {
		b.isa, detail = int(C.host_isa()), C.GoString(C.host_isa_name())
	}
	if arg != "" {
		name += ":" + arg
	}
	b.info = gpu.Info{
		Name:    name,
		Detail:  fmt.Sprintf("%s, %d threads", detail, threads),
		Compute: gpu.Float32,
		Threads: threads,
	}
	if b.isa == C.HOST_ISA_BF16 {
		b.info.Compute = gpu.BFloat16
	}
	return b, nil
}

func (b *backend) Info() gpu.Info { return b.info }

// Close frees everything, the memory of tensors that still exist included.
func (b *backend) Close() {
	for buf := range b.buffers {
		b.Free(buf)
	}
	b.dropOps()
	b.scratch.free()
	runtime.UnlockOSThread()
}

// buffer is a block of C memory, with the packed copies of the weights in it.
type buffer struct {
	p      unsafe.Pointer
	size   int
	packed []*packed
	turned turned
}

func (b *buffer) Size() int { return b.size }

// ptr is the address of a tensor's first element.
func ptr(t *gpu.Tensor) unsafe.Pointer {
	buf := t.Buffer().(*buffer)
	if buf.turned.op != nil {
		buf.restore(t)
	}
	return unsafe.Add(buf.p, t.Offset())
}

// bytes are a tensor's elements in place.
func bytes(t *gpu.Tensor) []byte { return unsafe.Slice((*byte)(ptr(t)), t.Bytes()) }

func (b *backend) Alloc(n int) (gpu.Buffer, error) {
	p := C.host_alloc(C.size_t(n))
	if p == nil {
		return nil, fmt.Errorf("out of memory")
	}
	buf := &buffer{p: p, size: n}
	b.buffers[buf] = struct{}{}
	return buf, nil
}

func (b *backend) Free(buf gpu.Buffer) {
	h := buf.(*buffer)
	for _, p := range h.packed {
		C.host_free(p.p)
	}
	C.host_free(h.p)
	delete(b.buffers, h)
}

func (b *backend) Write(dst *gpu.Tensor, src []byte) { copy(bytes(dst), src) }

func (b *backend) Read(dst []byte, src *gpu.Tensor) { copy(dst, bytes(src)) }
