package gpu

import "slices"

// Linear is y[…,O] = x[…,C]·w[O,C]ᵀ + b[O] + res[…,O]; b and res may be nil.
func Linear(x, w, b, res *Tensor) *Tensor {
	const op = "linear"
	check(w.Rank() == 2 && x.Rank() >= 1, op, "x %v, weight %v", x, w)
	check(x.Dim(-1) == w.Dim(1), op, "x %v has %d features, weight %v wants %d", x, x.Dim(-1), w, w.Dim(1))
	check(x.dtype == w.dtype, op, "x is %v, weight is %v", x.dtype, w.dtype)
	checkVector(op, "bias", b, w.Dim(0))
	d := x.dev
	shape := slices.Clone(x.shape)
	shape[len(shape)-1] = w.Dim(0)
	y := d.Empty(x.dtype, shape...)
	if res != nil {
		checkSame(op, res, y)
	}
	d.b.Linear(y, x, w, b, res)
	return differentiable(y, func(dy *Tensor) {
		if wants(res) {
			res.accumulate(dy)
		}
		if wants(x) {
			dx := x.like()
			d.b.LinearGradInput(dx, dy, w)
			x.accumulate(dx)
		}
		weightGrad(w, b, func(dw, db *Tensor) { d.b.LinearGradWeight(dw, db, x, dy) })
	}, x, w, b, res)
}
