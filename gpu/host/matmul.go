//go:build cgo

package host

/*
#cgo noescape host_im2col
#cgo nocallback host_im2col
#include "im2col.h"
#include "op.h"
#include "parts.h"
*/
import "C"

import (
	"unsafe"

	"latent/gpu"
)

// native tells whether products are computed in dtype on this processor; other types
// are widened to Float32 and back.
func (b *backend) native(t gpu.DType) bool {
	return t == gpu.Float32 || t == gpu.BFloat16 && b.isa >= C.HOST_ISA_AVX512
}

// widen runs f with the 16-bit tensors among ts replaced by Float32 ones; the
// first outputs of them are results, the others are read.
func (b *backend) widen(outputs int, ts []*gpu.Tensor, f func(ts []*gpu.Tensor)) {
	wide := make([]*gpu.Tensor, len(ts))
	copy(wide, ts)
	for i, t := range ts {
		if t == nil || t.DType() == gpu.Float32 {
			continue
		}
		wide[i] = t.Device().Empty(gpu.Float32, t.Shape()...)
		defer wide[i].Free()
		if i >= outputs {
			b.Cast(wide[i], t)
		}
	}
	f(wide)
	for i := range outputs {
		if wide[i] != ts[i] {
			b.Cast(ts[i], wide[i])
		}
	}
}

func convSpec(kind C.int32_t, x, w, y *gpu.Tensor, c gpu.Conv) C.host_spec {
	i32 := func(v int) C.int32_t { return C.int32_t(v) }
	if w.Dim(1) == 1 && w.Dim(2) == 1 && c == (gpu.Conv{Stride: 1}) {
		return linearSpec(kind, x, w, y) // a 1×1 convolution, pixel by pixel
	}
	return C.host_spec{
		kind: kind, dtype: dtype(x),
		n: i32(x.Dim(0)), h: i32(x.Dim(1)), w: i32(x.Dim(2)), c: i32(x.Dim(3)),
		o: i32(w.Dim(0)), kh: i32(w.Dim(1)), kw: i32(w.Dim(2)),
		p: i32(y.Dim(1)), q: i32(y.Dim(2)),
		stride: i32(c.Stride), top: i32(c.Top), bottom: i32(c.Bottom), left: i32(c.Left), right: i32(c.Right),
	}
}

func linearSpec(kind C.int32_t, x, w, y *gpu.Tensor) C.host_spec {
	return C.host_spec{
		kind: kind, dtype: dtype(x),
		n: C.int32_t(x.Len() / x.Dim(-1)), c: C.int32_t(x.Dim(-1)), o: C.int32_t(w.Dim(0)),
	}
}

func dtype(t *gpu.Tensor) C.int32_t {
	if t.DType() == gpu.BFloat16 {
		return C.HOST_BF16
	}
	return C.HOST_F32
}

// forward runs y = x∗w + bias + res.
func (b *backend) forward(name string, spec C.host_spec, y, x, w, bias, res *gpu.Tensor) {
	if bias != nil {
		spec.bias = 1
	}
	if res != nil {
		spec.residual = 1
		b.Cast(y, res)
	}
	o := b.op(name, spec)
	work := b.scratch.grow(name, o.scratch)
	o.run(name, ptr(x), b.weights(name, o, w), optional(bias), ptr(y), work)
}

func (b *backend) gradInput(name string, spec C.host_spec, dx, dy, w *gpu.Tensor) {
	o := b.op(name, spec)
	work := b.scratch.grow(name, o.scratch)
	o.run(name, ptr(dx), b.weights(name, o, w), nil, ptr(dy), work)
}

// gradWeight computes dw in the operation's own layout, which lies behind the
// operation's scratch, and unpacks it. The patches of an unfolded convolution
// lie there too.
func (b *backend) gradWeight(name string, spec C.host_spec, dw, db, x, dy *gpu.Tensor) {
	if db != nil {
		spec.bias = 1
	}
	run, patches := spec, 0
	if !b.own && unfolds(&spec) {
		rows := unfolded(&spec)
		if n := int(rows.n) * int(rows.c) * x.DType().Size(); n <= maxPatches {
			run, patches = rows, n
		}
	}
	if !b.own && patches == 0 && spec.kh > 0 {
		if p := b.partsOf(spec); p.c != nil {
			work := b.scratch.grow(name, p.work)
			status(name, C.host_parts_run(p.c, ptr(dw), optional(db), ptr(x), ptr(dy), work))
			return
		}
	}
	o := b.op(name, run)
	const line = 64
	offset := (o.scratch + line - 1) &^ (line - 1)
	work := b.scratch.grow(name, offset+max(o.packed, patches))
	in, out := ptr(x), ptr(dw)
	if patches > 0 {
		in = unsafe.Add(work, offset)
		C.host_im2col(&spec, ptr(x), in)
	}
	if o.packed > 0 {
		out = unsafe.Add(work, offset)
	}
	o.run(name, in, out, optional(db), ptr(dy), work)
	if o.packed > 0 {
		status(name, C.host_unpack(o.c, out, ptr(dw)))
	}
}

// maxPatches bounds the working memory of an unfolded convolution in bytes.
const maxPatches = 256 << 20

// unfolds tells where patches and one matrix product beat oneDNN's direct
// kernel for dw, by measurement. That kernel lays the pixels of a line along
// the processor's tiles: short lines leave them empty, a stride scatters them.
func unfolds(s *C.host_spec) bool {
	const wide, deep = 64, 512
	return s.kh > 0 && min(s.c, s.o) >= wide && (s.stride > 1 || s.q <= 4 || s.q <= 16 && s.c >= deep)
}

// unfolded is the linear layer over the patches of s.
func unfolded(s *C.host_spec) C.host_spec {
	return C.host_spec{
		kind: s.kind, dtype: s.dtype, bias: s.bias,
		n: s.n * s.p * s.q, c: s.c * s.kh * s.kw, o: s.o,
	}
}

func (b *backend) Conv2d(y, x, w, bias, res *gpu.Tensor, c gpu.Conv) {
	if !b.native(x.DType()) {
		b.widen(1, []*gpu.Tensor{y, x, w, res}, func(t []*gpu.Tensor) { b.Conv2d(t[0], t[1], t[2], bias, t[3], c) })
		return
	}
	if suitsWinograd(x, w, c) {
		if res != nil {
			b.Cast(y, res)
		}
		b.winograd(y, x, w, bias, res != nil, false)
		return
	}
	b.forward("conv2d", convSpec(C.HOST_FORWARD, x, w, y, c), y, x, w, bias, res)
}

func (b *backend) Conv2dGradInput(dx, dy, w *gpu.Tensor, c gpu.Conv) {
	if !b.native(dx.DType()) {
		b.widen(1, []*gpu.Tensor{dx, dy, w}, func(t []*gpu.Tensor) { b.Conv2dGradInput(t[0], t[1], t[2], c) })
		return
	}
	if suitsWinograd(dy, w, c) {
		b.winograd(dx, dy, w, nil, false, true)
		return
	}
	b.gradInput("conv2d gradient", convSpec(C.HOST_GRAD_INPUT, dx, w, dy, c), dx, dy, w)
}

func (b *backend) Conv2dGradWeight(dw, db, x, dy *gpu.Tensor, c gpu.Conv) {
	if !b.native(x.DType()) {
		b.widen(0, []*gpu.Tensor{x, dy}, func(t []*gpu.Tensor) { b.Conv2dGradWeight(dw, db, t[0], t[1], c) })
		return
	}
	b.gradWeight("conv2d gradient", convSpec(C.HOST_GRAD_WEIGHT, x, dw, dy, c), dw, db, x, dy)
}

func (b *backend) Linear(y, x, w, bias, res *gpu.Tensor) {
	if !b.native(x.DType()) {
		b.widen(1, []*gpu.Tensor{y, x, w, res}, func(t []*gpu.Tensor) { b.Linear(t[0], t[1], t[2], bias, t[3]) })
		return
	}
	b.forward("linear", linearSpec(C.HOST_FORWARD, x, w, y), y, x, w, bias, res)
}

func (b *backend) LinearGradInput(dx, dy, w *gpu.Tensor) {
	if !b.native(dx.DType()) {
		b.widen(1, []*gpu.Tensor{dx, dy, w}, func(t []*gpu.Tensor) { b.LinearGradInput(t[0], t[1], t[2]) })
		return
	}
	b.gradInput("linear gradient", linearSpec(C.HOST_GRAD_INPUT, dx, w, dy), dx, dy, w)
}

func (b *backend) LinearGradWeight(dw, db, x, dy *gpu.Tensor) {
	if !b.native(x.DType()) {
		b.widen(0, []*gpu.Tensor{x, dy}, func(t []*gpu.Tensor) { b.LinearGradWeight(dw, db, t[0], t[1]) })
		return
	}
	b.gradWeight("linear gradient", linearSpec(C.HOST_GRAD_WEIGHT, x, dw, dy), dw, db, x, dy)
}
