//go:build cgo

package host

/*
#include "memory.h"
#include "op.h"
#include "parts.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"latent/gpu"
)

// op is a convolution or matrix product of one shape.
type op struct {
	c       *C.host_op
	layout  int // of packed weights: an index into backend.layouts; −1 for plain
	packed  int // bytes of packed weights
	scratch int // bytes
}

// maxOps bounds the cache of operations: a program that runs through many
// picture sizes starts it afresh now and then.
const maxOps = 2048

func (b *backend) op(name string, spec C.host_spec) *op {
	spec.own = C.int32_t(flag(b.own))
	if o, ok := b.ops[spec]; ok {
		return o
	}
	return b.newOp(name, spec)
}

func (b *backend) newOp(name string, spec C.host_spec) *op {
	if len(b.ops) >= maxOps {
		b.dropOps()
	}
	c := C.host_op_new(&spec)
	if c == nil {
		fail(name, fmt.Errorf("there is no operation for %+v", spec))
	}
	o := &op{
		c:       c,
		layout:  -1,
		packed:  int(C.host_packed_bytes(c)),
		scratch: int(C.host_scratch_bytes(c)),
	}
	if o.packed > 0 {
		o.layout = b.layout(o)
	}
	b.ops[spec] = o
	return o
}

// run executes o on packed weights; see host_op_run.
func (o *op) run(name string, x, w, bias, y, scratch unsafe.Pointer) {
	status(name, C.host_op_run(o.c, x, w, bias, y, scratch))
}

// parts is a gradient that each thread computes for its own images.
type parts struct {
	c    *C.host_parts // nil where it must be done whole
	work int           // bytes
}

func (b *backend) partsOf(spec C.host_spec) parts {
	if p, ok := b.parts[spec]; ok {
		return p
	}
	return b.newParts(spec)
}

func (b *backend) newParts(spec C.host_spec) parts {
	const maxWork = 256 << 20 // bytes: every thread has a dw of its own
	var p parts
	if n := b.info.Threads; n > 1 && int(spec.n) >= n {
		p.c = C.host_parts_new(&spec, C.int(n))
	}
	if p.c != nil {
		p.work = int(C.host_parts_work(p.c))
		if p.work > maxWork {
			C.host_parts_free(p.c)
			p = parts{}
		}
	}
	b.parts[spec] = p
	return p
}

// layout numbers the distinct layouts of packed weights, so that operations
// that agree (with and without residual, at other batch sizes) share a copy.
func (b *backend) layout(o *op) int {
	for i, other := range b.layouts {
		if C.host_same_packing(o.c, other.c) != 0 {
			return i
		}
	}
	b.layouts = append(b.layouts, o)
	return len(b.layouts) - 1
}

// dropOps forgets all operations. Packed weights stay valid as memory but are
// numbered anew: epoch tells old numbers from new ones.
func (b *backend) dropOps() {
	for buf := range b.buffers {
		buf.restore(nil)
	}
	for _, o := range b.ops {
		C.host_op_free(o.c)
	}
	clear(b.ops)
	for _, p := range b.parts {
		C.host_parts_free(p.c)
	}
	clear(b.parts)
	b.layouts = nil
	b.epoch++
}

// packed is a copy of weights in the layout an operation prefers.
type packed struct {
	p       unsafe.Pointer
	size    int
	epoch   int
	layout  int
	offset  int
	storage any
	version uint64
}

// weights returns w as o wants it.
func (b *backend) weights(name string, o *op, w *gpu.Tensor) unsafe.Pointer {
	if o.packed == 0 {
		return ptr(w)
	}
	if p := w.Buffer().(*buffer).inPlace(name, o, w); p != nil {
		return p
	}
	return b.copyOf(name, w, o.layout, o.packed, func(to unsafe.Pointer) { status(name, C.host_pack(o.c, ptr(w), to)) })
}

// copyOf returns a copy of w of so many bytes in a layout: packed at its first use and
// again when w's version has changed, into the same memory. The copies belong to w's
// buffer, which the device may hand on to another tensor: the copies of other storages
// are dropped then.
func (b *backend) copyOf(name string, w *gpu.Tensor, layout, bytes int, pack func(to unsafe.Pointer)) unsafe.Pointer {
	buf := w.Buffer().(*buffer)
	var found *packed
	for _, p := range buf.packed {
		if p.layout == layout && p.epoch == b.epoch && p.offset == w.Offset() {
			found = p
			break
		}
	}
	if found == nil {
		found = &packed{p: alloc(name, bytes), size: bytes, epoch: b.epoch, layout: layout, offset: w.Offset()}
		buf.packed = append(buf.packed, found)
	} else if found.storage == w.Storage() && found.version == w.Version() {
		return found.p
	}
	found.storage, found.version = w.Storage(), w.Version()
	buf.dropOthers(found, b.epoch)
	pack(found.p)
	return found.p
}

// dropOthers frees the copies that belong to another storage than keep's or to
// an earlier epoch.
func (buf *buffer) dropOthers(keep *packed, epoch int) {
	kept := buf.packed[:0]
	for _, p := range buf.packed {
		if p.storage == keep.storage && p.epoch == epoch {
			kept = append(kept, p)
		} else {
			C.host_free(p.p)
		}
	}
	clear(buf.packed[len(kept):])
	buf.packed = kept
}

// scratch is working memory shared by all operations of a device.
type scratch struct {
	p    unsafe.Pointer
	size int
}

func (s *scratch) grow(name string, n int) unsafe.Pointer {
	if n > s.size {
		s.free()
		s.p, s.size = alloc(name, n), n
	}
	return s.p
}

func (s *scratch) free() {
	C.host_free(s.p)
	*s = scratch{}
}

func alloc(name string, n int) unsafe.Pointer {
	p := C.host_alloc(C.size_t(n))
	if p == nil {
		fail(name, fmt.Errorf("cannot get %d MiB of working memory", n>>20))
	}
	return p
}

func status(name string, s C.int) {
	if s != 0 {
		fail(name, fmt.Errorf("oneDNN failed with status %d", int(s)))
	}
}

func fail(name string, err error) { panic(&gpu.Error{Op: name, Err: err}) }

// optional is the address of a tensor that may be nil.
func optional(t *gpu.Tensor) unsafe.Pointer {
	if t == nil {
		return nil
	}
	return ptr(t)
}
