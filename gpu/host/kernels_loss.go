//go:build cgo

package host

// #include "kernels.h"
import "C"

import "latent/gpu"

// scalar and setScalar are the value of a Float32 tensor with one element.
func scalar(t *gpu.Tensor) float32 { return *(*float32)(ptr(t)) }

func setScalar(t *gpu.Tensor, v float64) { *(*float32)(ptr(t)) = float32(v) }

// samples sees t as [n,p].
func samples(t *gpu.Tensor) (n, p C.long) {
	n = size(t.Dim(0))
	return n, length(t) / max(n, 1)
}

func (*backend) MSE(y, a, b, weight *gpu.Tensor) {
	n, p := samples(a)
	setScalar(y, float64(C.kernel_squared_error(kind(a), ptr(a), ptr(b), floats(weight), n, p))/float64(a.Len()))
}

func (*backend) MSEGrad(da, dy, a, b, weight *gpu.Tensor) {
	n, p := samples(a)
	C.kernel_squared_error_grad(kind(da), ptr(da), ptr(a), ptr(b), floats(weight), n, p, C.float(scalar(dy)/float32(a.Len())))
}

func (*backend) L1(y, a, b *gpu.Tensor) {
	setScalar(y, float64(C.kernel_absolute_error(kind(a), ptr(a), ptr(b), length(a)))/float64(a.Len()))
}

func (*backend) L1Grad(da, dy, a, b *gpu.Tensor) {
	C.kernel_absolute_error_grad(kind(da), ptr(da), ptr(a), ptr(b), length(a), C.float(scalar(dy)/float32(a.Len())))
}

func (*backend) GaussianSample(z, moments, noise *gpu.Tensor) {
	rows, c := vectors(z)
	C.kernel_gaussian_sample(kind(z), ptr(z), ptr(moments), ptr(noise), rows, c)
}

func (*backend) GaussianSampleGrad(dmoments, dz, moments, noise *gpu.Tensor) {
	rows, c := vectors(dz)
	C.kernel_gaussian_sample_grad(kind(dz), ptr(dmoments), ptr(dz), ptr(moments), ptr(noise), rows, c)
}

func (*backend) GaussianKL(y, moments *gpu.Tensor) {
	rows, c2 := vectors(moments)
	setScalar(y, float64(C.kernel_gaussian_kl(kind(moments), ptr(moments), rows, c2/2))/float64(moments.Len()/2))
}

func (*backend) GaussianKLGrad(dmoments, dy, moments *gpu.Tensor) {
	rows, c2 := vectors(moments)
	C.kernel_gaussian_kl_grad(kind(moments), ptr(dmoments), ptr(moments), rows, c2/2, C.float(scalar(dy)/float32(moments.Len()/2)))
}

func (*backend) SumSquares(x *gpu.Tensor) float64 {
	return float64(C.kernel_sum_squares(kind(x), ptr(x), length(x)))
}

func (*backend) Finite(x *gpu.Tensor) bool {
	return C.kernel_all_finite(kind(x), ptr(x), length(x)) != 0
}

func (*backend) AdamW(param, master, m, v, grad *gpu.Tensor, s gpu.AdamWStep) {
	C.kernel_adamw(kind(param), ptr(param), floats(master), floats(m), floats(v), floats(grad), length(param),
		C.float(s.LR), C.float(s.Beta1), C.float(s.Beta2), C.float(s.Eps), C.float(s.WeightDecay), C.float(s.GradScale), C.int(s.Step))
}
