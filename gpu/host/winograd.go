//go:build cgo && !nodnnl

package host

// #include "kernels.h"
import "C"

import (
	"unsafe"

	"latent/gpu"
)

// suitsWinograd tells whether Winograd's algorithm does a convolution in fewer products
// than it costs: of 3×3 pixels, over many pixels and channels. It does not ask for the
// number of pictures, lest a picture depend on those beside it.
func (b *backend) suitsWinograd(x, w *gpu.Tensor, c gpu.Conv) bool {
	const (
		pixels = 32 * 32
		bytes  = 48 << 20 // of packed weights, which lie beside the plain ones
	)
	out, in := w.Dim(0), w.Dim(3)
	return w.Dim(1) == 3 && w.Dim(2) == 3 && c == gpu.Conv{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1} &&
		out%16 == 0 && in%32 == 0 && min(out, in) >= 64 &&
		x.Dim(1)*x.Dim(2) >= pixels && winogradBytes(w) <= bytes &&
		(x.DType() == gpu.Float32 || b.pairs)
}

// winogradBytes is the size of packed weights: 16 products for 9 weights, with as many
// columns as panels of floats have.
func winogradBytes(w *gpu.Tensor) int {
	const panel = 48
	return 16 * ((w.Dim(0) + panel - 1) / panel * panel) * w.Dim(3) * w.DType().Size()
}

// layoutWinograd numbers its weights among the layouts of packed ones.
const layoutWinograd = -2

func (b *backend) winograd(y, x, w, bias, res *gpu.Tensor) {
	if res != nil {
		b.Cast(y, res)
	}
	out, in := size(w.Dim(0)), size(w.Dim(3))
	packed := b.copyOf("conv2d", w, layoutWinograd, winogradBytes(w), func(to unsafe.Pointer) {
		C.kernel_winograd_pack(kind(w), to, ptr(w), out, in)
	})
	C.kernel_winograd(kind(y), ptr(y), ptr(x), packed, floats(bias), flag(res != nil),
		size(x.Dim(0)), size(x.Dim(1)), size(x.Dim(2)), in, out)
}
