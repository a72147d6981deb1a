package gpu_test

import (
	"math"
	"math/rand/v2"

	"latent/gpu"
)

// The tolerances of the table.
var (
	// exact: elements are moved or compared, never rounded.
	exact = tolerance{}
	// rounded: a formula in Float32 or better and one rounding to the dtype, an
	// error of 2⁻²⁴, 2⁻⁸ or 2⁻¹¹ of the number at most. Float32 gets ten times
	// that for exp, erf and the products around them.
	rounded = tolerance{6e-7, 4.0e-3, 5.0e-4}
	// summed: as rounded, behind a sum in Float32 over the tens to hundreds of
	// terms in these rows.
	summed = tolerance{2e-6, 4.0e-3, 5.0e-4}
	// staged: intermediate results pass through the dtype: probabilities that a
	// matrix product takes as bf16, pixels and weights that Winograd's algorithm
	// transforms, the stored y in attention's gradient, or a gradient that is the
	// sum of several rounded ones.
	staged = tolerance{4e-6, 1.0e-2, 1.5e-3}
	// restaged: as staged, where the gradient of the scores too is taken as bf16
	// by matrix products: another 2⁻⁹ on top of the rounded y, whose part is 9.4e-3
	// in the worst row.
	restaged = tolerance{4e-6, 1.2e-2, 1.5e-3}
)

func act(shape ...int) input { return input{shape: shape} }

func vec(shape ...int) input { return input{shape: shape, kind: vector} }

func fixed(shape ...int) input { return input{shape: shape, kind: constant} }

// scaled draws normal numbers of another deviation.
func scaled(s float64, in input) input {
	in.number = func(r *rand.Rand, _ int) float64 { return s * r.NormFloat64() }
	return in
}

// shifted draws normal numbers of another mean.
func shifted(mean float64, in input) input {
	in.number = func(r *rand.Rand, _ int) float64 { return mean + r.NormFloat64() }
	return in
}

// far draws numbers that no normal one comes near: |a−b| has no kink there.
func far(in input) input {
	in.number = func(r *rand.Rand, _ int) float64 {
		return math.Copysign(6+r.Float64(), r.Float64()-0.5)
	}
	return in
}

// moments gives constant means and logarithms of variances.
func moments(mean, logvar float64, in input) input {
	c := in.shape[len(in.shape)-1]
	in.number = func(_ *rand.Rand, i int) float64 {
		if i%c < c/2 {
			return mean
		}
		return logvar
	}
	return in
}

func tokens(vocabulary int, shape ...int) input {
	return input{shape: shape, kind: ids, number: func(r *rand.Rand, _ int) float64 { return float64(r.IntN(vocabulary)) }}
}

func conv(c gpu.Conv) func([]*gpu.Tensor) *gpu.Tensor {
	return func(in []*gpu.Tensor) *gpu.Tensor {
		in = append(in, nil, nil)
		return gpu.Conv2d(in[0], in[1], in[2], in[3], c)
	}
}

func linear(in []*gpu.Tensor) *gpu.Tensor {
	in = append(in, nil, nil)
	return gpu.Linear(in[0], in[1], in[2], in[3])
}

func attention(heads int, causal bool) func([]*gpu.Tensor) *gpu.Tensor {
	return func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Attention(in[0], in[1], in[2], heads, causal) }
}

func groupNorm(groups int, silu bool) func([]*gpu.Tensor) *gpu.Tensor {
	return func(in []*gpu.Tensor) *gpu.Tensor { return gpu.GroupNorm(in[0], in[1], in[2], groups, 1e-5, silu) }
}

func layerNorm(in []*gpu.Tensor) *gpu.Tensor { return gpu.LayerNorm(in[0], in[1], in[2], 1e-5) }

func apply(f gpu.Func) func([]*gpu.Tensor) *gpu.Tensor {
	return func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Apply(f, in[0]) }
}

func unary(f func(*gpu.Tensor) *gpu.Tensor) func([]*gpu.Tensor) *gpu.Tensor {
	return func(in []*gpu.Tensor) *gpu.Tensor { return f(in[0]) }
}

func binary(f func(a, b *gpu.Tensor) *gpu.Tensor) func([]*gpu.Tensor) *gpu.Tensor {
	return func(in []*gpu.Tensor) *gpu.Tensor { return f(in[0], in[1]) }
}

func many(f func(xs ...*gpu.Tensor) *gpu.Tensor) func([]*gpu.Tensor) *gpu.Tensor {
	return func(in []*gpu.Tensor) *gpu.Tensor { return f(in...) }
}

var same = gpu.Conv{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1}

var rows = []row{
	{name: "conv 3x3", op: conv(same), value: summed, grad: summed,
		in: []input{act(2, 5, 7, 3), act(5, 3, 3, 3), vec(5), act(2, 5, 7, 5)}},
	{name: "conv 3x3 without bias", op: conv(same), value: summed, grad: summed,
		in: []input{act(1, 6, 4, 8), act(9, 3, 3, 8)}},
	{name: "conv 3x3 without residual", op: conv(same), value: summed, grad: summed,
		in: []input{act(3, 4, 5, 35), act(19, 3, 3, 35), vec(19)}},
	{name: "conv 3x3 stride 2", value: summed, grad: summed,
		op: conv(gpu.Conv{Stride: 2, Top: 1, Bottom: 1, Left: 1, Right: 1}),
		in: []input{act(2, 7, 6, 4), act(6, 3, 3, 4), vec(6)}},
	{name: "conv 3x3 stride 2 padded below and right", value: summed, grad: summed,
		op: conv(gpu.Conv{Stride: 2, Bottom: 1, Right: 1}),
		in: []input{act(1, 8, 6, 16), act(16, 3, 3, 16), vec(16)}},
	{name: "conv 1x1", op: conv(gpu.Conv{Stride: 1}), value: summed, grad: summed,
		in: []input{act(2, 3, 5, 17), act(4, 1, 1, 17), vec(4)}},
	{name: "conv 2x3 without padding", op: conv(gpu.Conv{Stride: 1}), value: summed, grad: summed,
		in: []input{act(1, 4, 5, 3), act(2, 2, 3, 3), vec(2)}},
	{name: "conv 3x2 with four paddings", value: summed, grad: summed,
		op: conv(gpu.Conv{Stride: 2, Top: 2, Bottom: 1, Left: 0, Right: 1}),
		in: []input{act(2, 5, 6, 3), act(4, 3, 2, 3), vec(4)}},
	{name: "conv 32 channels", op: conv(same), value: staged, grad: staged,
		in: []input{act(2, 8, 8, 32), act(64, 3, 3, 32), vec(64), act(2, 8, 8, 64)}},

	{name: "linear", op: linear, value: summed, grad: summed,
		in: []input{act(2, 3, 5), act(7, 5), vec(7), act(2, 3, 7)}},
	{name: "linear without bias", op: linear, value: summed, grad: summed,
		in: []input{act(37, 65), act(129, 65)}},
	{name: "linear of one row", op: linear, value: summed, grad: summed,
		in: []input{act(1, 64), act(96, 64), vec(96)}},

	{name: "attention", op: attention(2, false), value: staged, grad: restaged,
		in: []input{act(2, 5, 6), act(2, 5, 6), act(2, 5, 6)}},
	{name: "cross attention", op: attention(3, false), value: staged, grad: restaged,
		in: []input{act(2, 9, 24), act(2, 77, 24), act(2, 77, 24)}},
	{name: "causal attention", op: attention(2, true), value: staged, grad: restaged,
		in: []input{act(1, 77, 16), act(1, 77, 16), act(1, 77, 16)}},
	{name: "attention over several blocks", op: attention(1, false), value: staged, grad: restaged,
		in: []input{act(1, 131, 40), act(1, 131, 40), act(1, 131, 40)}},
	// Where one probability is nearly 1, p·(dp − Σ p·dp) cancels, and Σ p·dp is
	// taken from the rounded y.
	{name: "attention with large scores", op: attention(1, false), value: staged, grad: tolerance{8e-6, 2.0e-2, 3.0e-3},
		in: []input{scaled(8, act(1, 6, 8)), act(1, 6, 8), act(1, 6, 8)}},
	{name: "softmax", op: unary(gpu.Softmax), value: rounded, grad: staged, in: []input{act(3, 4, 7)}},
	{name: "softmax of long rows", op: unary(gpu.Softmax), value: rounded, grad: staged, in: []input{scaled(3, act(2, 131))}},

	{name: "group norm", op: groupNorm(4, false), value: summed, grad: summed,
		in: []input{act(2, 3, 5, 12), vec(12), vec(12)}},
	{name: "group norm and silu", op: groupNorm(3, true), value: summed, grad: summed,
		in: []input{act(2, 3, 5, 9), vec(9), vec(9)}},
	{name: "group norm of 32 groups", op: groupNorm(32, true), value: summed, grad: summed,
		in: []input{act(1, 7, 9, 96), vec(96), vec(96)}},
	// The variance of numbers around 8 loses 2⁶ in Float32 if taken as E[x²]−E[x]².
	{name: "group norm off centre", op: groupNorm(2, false), value: tolerance{6e-6, 4e-3, 5e-4}, grad: tolerance{6e-6, 4e-3, 5e-4},
		in: []input{shifted(8, act(2, 4, 4, 8)), vec(8), vec(8)}},
	{name: "group norm of two side by side", value: summed, grad: summed,
		in: []input{act(2, 3, 5, 8), act(2, 3, 5, 4), vec(12), vec(12)},
		op: func(in []*gpu.Tensor) *gpu.Tensor {
			return gpu.Join(in[0], in[1]).GroupNorm(in[2], in[3], 3, 1e-5, true)
		}},
	{name: "layer norm", op: layerNorm, value: summed, grad: summed, in: []input{act(2, 3, 10), vec(10), vec(10)}},
	{name: "layer norm of long rows", op: layerNorm, value: summed, grad: summed, in: []input{act(5, 77), vec(77), vec(77)}},

	{name: "silu", op: apply(gpu.SiLU), value: rounded, grad: rounded, in: []input{scaled(3, act(5, 37))}},
	{name: "gelu", op: apply(gpu.GELU), value: rounded, grad: rounded, in: []input{scaled(3, act(5, 37))}},
	{name: "quick gelu", op: apply(gpu.QuickGELU), value: rounded, grad: rounded, in: []input{scaled(3, act(5, 37))}},
	{name: "exp", op: apply(gpu.Exp), value: rounded, grad: rounded, in: []input{act(5, 37)}},
	{name: "square", op: apply(gpu.Square), value: rounded, grad: rounded, in: []input{act(5, 37)}},
	{name: "tanh", op: apply(gpu.Tanh), value: rounded, grad: rounded, in: []input{act(5, 37)}},
	{name: "geglu", op: unary(gpu.GEGLU), value: rounded, grad: rounded, in: []input{act(3, 5, 14)}},
	{name: "geglu of long rows", op: unary(gpu.GEGLU), value: rounded, grad: rounded, in: []input{scaled(2, act(3, 134))}},

	{name: "mul", op: binary(gpu.Mul), value: rounded, grad: rounded, in: []input{act(3, 11), act(3, 11)}},
	{name: "add", op: binary(gpu.Add), value: rounded, grad: rounded, in: []input{act(3, 11), act(3, 11)}},
	{name: "scale", value: rounded, grad: rounded, in: []input{act(3, 41)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Scale(-0.7, in[0]) }},
	{name: "combine", value: rounded, grad: rounded, in: []input{act(2, 3, 7), act(2, 3, 7), vec(2, 3, 7)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Combine([]float32{0.3, 1, -1.7}, in...) }},
	{name: "clamp", value: exact, in: []input{fixed(5, 13)}, op: func(in []*gpu.Tensor) *gpu.Tensor {
		return gpu.Clamp(in[0], -0.5, 1)
	}},
	{name: "cast to f32", value: exact, grad: exact, in: []input{act(5, 13)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Cast(in[0], gpu.Float32) }},
	{name: "cast to bf16", value: exact, grad: exact, noNumeric: true, in: []input{act(5, 13)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Cast(in[0], gpu.BFloat16) }},
	{name: "cast to f16", value: exact, grad: exact, noNumeric: true, in: []input{act(5, 13)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Cast(in[0], gpu.Float16) }},
	{name: "add channels", op: binary(gpu.AddChannels), value: rounded, grad: summed, in: []input{act(2, 3, 5, 7), act(2, 7)}},

	{name: "reshape", value: exact, grad: exact, in: []input{act(2, 3, 4)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Reshape(in[0], 6, 4) }},
	{name: "rows", value: exact, grad: exact, in: []input{act(5, 3, 3)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Rows(in[0], 1, 4) }},
	{name: "channels", value: exact, grad: exact, in: []input{act(2, 3, 9)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Channels(in[0], 2, 7) }},
	{name: "pointwise of two side by side", value: summed, grad: summed,
		in: []input{act(2, 3, 5, 32), act(2, 3, 5, 8), act(6, 1, 1, 40), vec(6)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Join(in[0], in[1]).Pointwise(in[2], in[3]) }},
	{name: "three projections", value: summed, grad: summed,
		in: []input{act(5, 16), act(8, 16), act(8, 16), act(8, 16)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.Concat(gpu.LinearMany(in[0], in[1:], nil)...) }},
	{name: "concat", op: many(gpu.Concat), value: exact, grad: exact, in: []input{act(2, 3, 5), act(2, 3, 1), act(2, 3, 8)}},
	{name: "stack", op: many(gpu.Stack), value: exact, grad: exact, in: []input{act(2, 3, 5), act(1, 3, 5)}},
	{name: "upsample", op: unary(gpu.Upsample2x), value: exact, grad: rounded, in: []input{act(2, 3, 5, 7)}},
	{name: "average pool", op: unary(gpu.AvgPool2x), value: rounded, grad: exact, in: []input{act(2, 6, 4, 7)}},
	// More tokens than rows, so that ids repeat and their gradients add up.
	{name: "embedding", op: binary(gpu.Embedding), value: exact, grad: summed, in: []input{act(6, 5), tokens(6, 3, 7)}},

	// The loss is Float32 in every dtype; its gradient is not.
	{name: "mse", value: tolerance{2e-6, 2e-6, 2e-6}, grad: rounded, in: []input{act(3, 5, 7), fixed(3, 5, 7)},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.MSE(in[0], in[1], nil) }},
	{name: "weighted mse", value: tolerance{2e-6, 2e-6, 2e-6}, grad: rounded,
		in: []input{act(3, 5, 7), fixed(3, 5, 7), {shape: []int{3}, kind: weighting}},
		op: func(in []*gpu.Tensor) *gpu.Tensor { return gpu.MSE(in[0], in[1], in[2]) }},
	{name: "l1", op: binary(gpu.L1), value: tolerance{2e-6, 2e-6, 2e-6}, grad: rounded, in: []input{act(3, 5, 7), far(fixed(3, 5, 7))}},
	{name: "gaussian sample", op: binary(gpu.GaussianSample), value: rounded, grad: rounded, in: []input{act(2, 3, 5, 6), fixed(2, 3, 5, 3)}},
	// The deviation is e⁻¹⁵ there, a subnormal f16 of six units in the last place.
	{name: "gaussian sample below the limit", op: binary(gpu.GaussianSample), value: tolerance{6e-7, 4e-3, 0.1}, grad: rounded,
		in: []input{moments(0, -40, act(5, 6)), fixed(5, 3)}},
	// And e¹⁰ here, which central differences of Float32 numbers cannot look behind.
	{name: "gaussian sample above the limit", op: binary(gpu.GaussianSample), value: rounded, grad: rounded, noNumeric: true,
		in: []input{moments(1, 25, act(5, 6)), scaled(0.5, fixed(5, 3))}},
	{name: "gaussian kl", op: unary(gpu.GaussianKL), value: tolerance{2e-6, 2e-6, 2e-6}, grad: rounded, in: []input{act(2, 3, 5, 6)}},
}
