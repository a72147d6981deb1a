//go:build cgo

package host

// #include "kernels.h"
import "C"

import (
	"unsafe"

	"latent/gpu"
)

// suitsWinograd tells whether Winograd's algorithm does a convolution of x, or its
// gradient by x, in less time: with 3×3 weights, of pixels enough and channels by the
// vector. It does not ask for the number of pictures, lest a picture depend on those
// beside it. bf16 is for processors that multiply pairs of it and have no matrix unit,
// which would be faster still.
func suitsWinograd(x, w *gpu.Tensor, c gpu.Conv) bool {
	const (
		pixels   = 8 * 8
		channels = 32
		bytes    = 48 << 20 // of packed weights, which lie beside the plain ones
	)
	o, in := w.Dim(0), w.Dim(3)
	return w.Dim(1) == 3 && w.Dim(2) == 3 && c == gpu.Conv{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1} &&
		o%channels == 0 && in%channels == 0 &&
		x.Dim(1)*x.Dim(2) >= pixels && winogradBytes(w, false) <= bytes &&
		(x.DType() == gpu.Float32 || isa() == "avx512bf16")
}

// winogradBytes is the size of packed weights: 16 products for 9 weights, with as many
// columns as panels of floats have.
func winogradBytes(w *gpu.Tensor, turned bool) int {
	const panel = 48
	results, terms := w.Dim(0), w.Dim(3)
	if turned {
		results, terms = terms, results
	}
	return 16 * ((results + panel - 1) / panel * panel) * terms * w.DType().Size()
}

// Numbers of its weights' layouts among those of packed ones.
const (
	layoutWinograd = -2 - iota
	layoutWinogradTurned
)

// winograd is y (+)= x∗w + bias, or, turned, the gradient of that by x: y is dx and x dy.
func (b *backend) winograd(y, x, w, bias *gpu.Tensor, add, turned bool) {
	layout := layoutWinograd
	if turned {
		layout = layoutWinogradTurned
	}
	packed := b.copyOf("conv2d", w, layout, winogradBytes(w, turned), func(to unsafe.Pointer) {
		C.kernel_winograd_pack(kind(w), to, ptr(w), size(w.Dim(0)), size(w.Dim(3)), flag(turned))
	})
	C.kernel_winograd(kind(y), ptr(y), ptr(x), packed, floats(bias), flag(add),
		size(x.Dim(0)), size(x.Dim(1)), size(x.Dim(2)), size(x.Dim(3)), size(y.Dim(3)))
}
