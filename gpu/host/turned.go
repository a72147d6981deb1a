//go:build cgo

package host

/*
#include "memory.h"
#include "op.h"
*/
import "C"

import (
	"unsafe"

	"latent/gpu"
)

// turned tells that a buffer holds a weight in the layout that op wants, in the
// place of the plain one: large weights, which nothing changes, need no second
// copy. Whoever wants the plain ones (ptr) gets them turned back. restored counts
// how often that was: a weight in training is better copied.
type turned struct {
	op       *op // nil: plain
	storage  any
	bytes    int
	restored int
}

const (
	minTurned   = 256 << 10 // bytes; less is not worth it
	maxRestored = 3
)

// inPlace returns w as o wants it where that can lie in w's own memory, else nil.
func (buf *buffer) inPlace(name string, o *op, w *gpu.Tensor) unsafe.Pointer {
	t, n := &buf.turned, w.Bytes()
	if n < minTurned {
		return nil
	}
	if t.storage != w.Storage() {
		*t = turned{storage: w.Storage()}
		for _, p := range buf.packed { // of a tensor that is no more
			C.host_free(p.p)
		}
		buf.packed = nil
	}
	if t.op != nil && t.op.layout == o.layout {
		return buf.p
	}
	if o.packed != n || w.Offset() != 0 || t.restored >= maxRestored || len(buf.packed) > 0 {
		return nil
	}
	plain := ptr(w)
	space := alloc(name, n)
	defer C.host_free(space)
	status(name, C.host_pack(o.c, plain, space))
	copy(unsafe.Slice((*byte)(plain), n), unsafe.Slice((*byte)(space), n))
	t.op, t.bytes = o, n
	return plain
}

// restore makes the weights plain again if t, or anything where t is nil, may want
// them: what another storage left in the buffer is of no use.
func (buf *buffer) restore(t *gpu.Tensor) {
	o := buf.turned.op
	buf.turned.op = nil
	if o == nil || t != nil && t.Storage() != buf.turned.storage {
		return
	}
	const name = "weights"
	n := buf.turned.bytes
	space := alloc(name, n)
	defer C.host_free(space)
	status(name, C.host_restore(o.c, buf.p, space))
	copy(unsafe.Slice((*byte)(buf.p), n), unsafe.Slice((*byte)(space), n))
	buf.turned.restored++
}
