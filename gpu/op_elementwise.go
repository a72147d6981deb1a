package gpu

import "slices"

// Apply is y = f(x), element by element.
func Apply(f Func, x *Tensor) *Tensor {
	d := x.dev
	y := x.like()
	d.b.Unary(y, x, f)
	return differentiable(y, func(dy *Tensor) {
		dx := x.like()
		d.b.UnaryGrad(dx, dy, x, f)
		x.accumulate(dx)
	}, x)
}

// GEGLU splits x[…,2F] into [a | g] and gives a·GELU(g) (Shazeer 2020).
func GEGLU(x *Tensor) *Tensor {
	check(x.Dim(-1)%2 == 0, "geglu", "last axis of %v must be even", x)
	d := x.dev
	y := d.Empty(x.dtype, withLast(x, x.Dim(-1)/2)...)
	d.b.GEGLU(y, x)
	return differentiable(y, func(dy *Tensor) {
		dx := x.like()
		d.b.GEGLUGrad(dx, dy, x)
		x.accumulate(dx)
	}, x)
}

// Mul is the elementwise product.
func Mul(a, b *Tensor) *Tensor {
	checkSame("mul", a, b)
	d := a.dev
	y := a.like()
	d.b.Mul(y, a, b)
	return differentiable(y, func(dy *Tensor) {
		for _, p := range [2][2]*Tensor{{a, b}, {b, a}} {
			if wants(p[0]) {
				g := a.like()
				d.b.Mul(g, dy, p[1])
				p[0].accumulate(g)
			}
		}
	}, a, b)
}

// Add is a + b.
func Add(a, b *Tensor) *Tensor { return Combine([]float32{1, 1}, a, b) }

// Scale is s·x.
func Scale(s float32, x *Tensor) *Tensor { return Combine([]float32{s}, x) }

// Combine is Σ coef[i]·xs[i] over tensors of one shape, in the dtype of xs[0]:
// the step of every sampler.
func Combine(coef []float32, xs ...*Tensor) *Tensor {
	const op = "combine"
	check(len(xs) > 0 && len(coef) == len(xs), op, "%d coefficients for %d tensors", len(coef), len(xs))
	for _, x := range xs[1:] {
		check(slices.Equal(x.shape, xs[0].shape), op, "%v and %v differ", xs[0], x)
	}
	d := xs[0].dev
	y := xs[0].like()
	d.b.Combine(y, coef, xs)
	return differentiable(y, func(dy *Tensor) {
		for i, x := range xs {
			switch {
			case !wants(x):
			case coef[i] == 1 && x.dtype == dy.dtype:
				x.accumulate(dy)
			default:
				dx := x.like()
				d.b.Combine(dx, coef[i:i+1], []*Tensor{dy})
				x.accumulate(dx)
			}
		}
	}, xs...)
}

// Clamp limits x to [lo, hi]. It has no gradient: samplers use it on x̂₀.
func Clamp(x *Tensor, lo, hi float32) *Tensor {
	y := x.like()
	x.dev.b.Clamp(y, x, lo, hi)
	return y
}

// Cast converts to another dtype.
func Cast(x *Tensor, dtype DType) *Tensor {
	if x.dtype == dtype {
		return x
	}
	d := x.dev
	y := d.Empty(dtype, x.shape...)
	d.b.Cast(y, x)
	return differentiable(y, func(dy *Tensor) {
		dx := x.like()
		d.b.Cast(dx, dy)
		x.accumulate(dx)
	}, x)
}

// AddChannels adds t[N,C] to every position of x[N,…,C]: the time embedding of
// a residual block.
func AddChannels(x, t *Tensor) *Tensor {
	const op = "add channels"
	check(t.Rank() == 2 && x.Rank() >= 2 && x.Dim(0) == t.Dim(0) && x.Dim(-1) == t.Dim(1) && x.dtype == t.dtype,
		op, "x %v, t %v", x, t)
	d := x.dev
	y := x.like()
	d.b.AddChannels(y, x, t)
	return differentiable(y, func(dy *Tensor) {
		x.accumulate(dy)
		if wants(t) {
			dt := t.like()
			d.b.SumMiddle(dt, dy)
			t.accumulate(dt)
		}
	}, x, t)
}

func withLast(t *Tensor, n int) []int {
	s := append([]int(nil), t.shape...)
	s[len(s)-1] = n
	return s
}
