//go:build cgo

package host

// #include "kernels.h"
import "C"

import "latent/gpu"

func (*backend) Attention(y, lse, q, k, v *gpu.Tensor, heads int, scale float32, causal bool) {
	C.kernel_attention(kind(y), ptr(y), floats(lse), ptr(q), ptr(k), ptr(v),
		size(q.Dim(0)), size(q.Dim(1)), size(k.Dim(1)), size(heads), size(q.Dim(2)/heads), C.float(scale), flag(causal))
}

func (*backend) AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v *gpu.Tensor, heads int, scale float32, causal bool) {
	C.kernel_attention_grad(kind(dq), ptr(dq), ptr(dk), ptr(dv), ptr(dy), ptr(y), floats(lse), ptr(q), ptr(k), ptr(v),
		size(q.Dim(0)), size(q.Dim(1)), size(k.Dim(1)), size(heads), size(q.Dim(2)/heads), C.float(scale), flag(causal))
}

func (*backend) GroupNorm(y, stats, x, gamma, beta *gpu.Tensor, groups int, eps float32, silu bool) {
	n, p, c := middle(x)
	C.kernel_group_norm(kind(y), ptr(y), floats(stats), ptr(x), floats(gamma), floats(beta),
		n, p, c, size(groups), C.float(eps), flag(silu))
}

func (*backend) GroupNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma, beta *gpu.Tensor, groups int, silu bool) {
	n, p, c := middle(x)
	C.kernel_group_norm_grad(kind(dx), ptr(dx), floats(dgamma), floats(dbeta), ptr(dy), ptr(x),
		floats(stats), floats(gamma), floats(beta), n, p, c, size(groups), flag(silu))
}

func (*backend) LayerNorm(y, stats, x, gamma, beta *gpu.Tensor, eps float32) {
	rows, c := vectors(x)
	C.kernel_layer_norm(kind(y), ptr(y), floats(stats), ptr(x), floats(gamma), floats(beta), rows, c, C.float(eps))
}

func (*backend) LayerNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma *gpu.Tensor) {
	rows, c := vectors(x)
	C.kernel_layer_norm_grad(kind(dx), ptr(dx), floats(dgamma), floats(dbeta), ptr(dy), ptr(x),
		floats(stats), floats(gamma), rows, c)
}

func (*backend) Softmax(y, x *gpu.Tensor) {
	rows, n := vectors(x)
	C.kernel_softmax(kind(y), ptr(y), ptr(x), rows, n)
}

func (*backend) SoftmaxGrad(dx, dy, y *gpu.Tensor) {
	rows, n := vectors(y)
	C.kernel_softmax_grad(kind(dx), ptr(dx), ptr(dy), ptr(y), rows, n)
}
