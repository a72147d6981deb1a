package reference

import (
	"math"

	"latent/gpu"
)

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func siluGrad(x float64) float64 {
	s := sigmoid(x)
	return s * (1 + x*(1-s))
}

// phi is the distribution function of N(0,1), Φ.
func phi(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

func gelu(x float64) float64 { return x * phi(x) }

// geluGrad is Φ(x) + x·φ(x).
func geluGrad(x float64) float64 {
	return phi(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
}

// functions holds f and f′ of each gpu.Func.
var functions = map[gpu.Func][2]func(x float64) float64{
	gpu.SiLU: {func(x float64) float64 { return x * sigmoid(x) }, siluGrad},
	gpu.GELU: {gelu, geluGrad},
	gpu.QuickGELU: {
		func(x float64) float64 { return x * sigmoid(1.702*x) },
		func(x float64) float64 { return siluGrad(1.702 * x) },
	},
	gpu.Exp:    {math.Exp, math.Exp},
	gpu.Square: {func(x float64) float64 { return x * x }, func(x float64) float64 { return 2 * x }},
	gpu.Tanh: {math.Tanh, func(x float64) float64 {
		t := math.Tanh(x)
		return 1 - t*t
	}},
}

func (backend) Unary(y, x *gpu.Tensor, f gpu.Func) {
	xs, fn := load(x), functions[f][0]
	each(y, func(i int) float64 { return fn(xs[i]) })
}

func (backend) UnaryGrad(dx, dy, x *gpu.Tensor, f gpu.Func) {
	xs, dys, grad := load(x), load(dy), functions[f][1]
	each(dx, func(i int) float64 { return dys[i] * grad(xs[i]) })
}

func (backend) GEGLU(y, x *gpu.Tensor) {
	xs, n := load(x), y.Dim(-1)
	each(y, func(i int) float64 {
		in := row(xs, i/n, 2*n)
		return in[i%n] * gelu(in[n+i%n])
	})
}

func (backend) GEGLUGrad(dx, dy, x *gpu.Tensor) {
	xs, dys, n := load(x), load(dy), dy.Dim(-1)
	each(dx, func(i int) float64 {
		in, c := row(xs, i/(2*n), 2*n), i%(2*n)
		d := dys[i/(2*n)*n+c%n]
		if c < n {
			return d * gelu(in[n+c])
		}
		return d * in[c-n] * geluGrad(in[c])
	})
}

func (backend) Mul(y, a, b *gpu.Tensor) {
	as, bs := load(a), load(b)
	each(y, func(i int) float64 { return as[i] * bs[i] })
}

func (backend) Clamp(y, x *gpu.Tensor, lo, hi float32) {
	xs := load(x)
	each(y, func(i int) float64 { return min(max(xs[i], float64(lo)), float64(hi)) })
}

func (backend) Combine(y *gpu.Tensor, coef []float32, xs []*gpu.Tensor) {
	values := make([][]float64, len(xs))
	for k, x := range xs {
		values[k] = load(x)
	}
	each(y, func(i int) float64 {
		var sum float64
		for k, v := range values {
			sum += float64(coef[k]) * v[i]
		}
		return sum
	})
}

func (backend) Cast(y, x *gpu.Tensor) { store(y, load(x)) }

func (backend) Fill(y *gpu.Tensor, v float32) {
	each(y, func(int) float64 { return float64(v) })
}

func (backend) AddChannels(y, x, t *gpu.Tensor) {
	xs, ts, c := load(x), load(t), t.Dim(1)
	size := x.Len() / max(x.Dim(0), 1)
	each(y, func(i int) float64 { return xs[i] + ts[i/size*c+i%c] })
}

func (backend) SumMiddle(y, x *gpu.Tensor) {
	xs, c := load(x), x.Dim(-1)
	size := x.Len() / max(x.Dim(0), 1)
	each(y, func(i int) float64 {
		var sum float64
		for j, image := i%c, row(xs, i/c, size); j < size; j += c {
			sum += image[j]
		}
		return sum
	})
}
