package gpu

// Conv2d is y[N,P,Q,O] = x[N,H,W,C] ∗ w[O,KH,KW,C] + b[O] + res[N,P,Q,O], the
// cross-correlation of deep learning. b and res may be nil.
func Conv2d(x, w, b, res *Tensor, c Conv) *Tensor {
	const op = "conv2d"
	p, q := checkConv(op, x, w, b, c)
	d := x.dev
	y := d.Empty(x.dtype, x.Dim(0), p, q, w.Dim(0))
	if res != nil {
		checkSame(op, res, y)
	}
	d.b.Conv2d(y, x, w, b, res, c)
	return differentiable(y, func(dy *Tensor) {
		if wants(res) {
			res.accumulate(dy)
		}
		if wants(x) {
			dx := x.like()
			d.b.Conv2dGradInput(dx, dy, w, c)
			x.accumulate(dx)
		}
		weightGrad(w, b, func(dw, db *Tensor) { d.b.Conv2dGradWeight(dw, db, x, dy, c) })
	}, x, w, b, res)
}

// checkConv gives height and width of the result.
func checkConv(op string, x, w, b *Tensor, c Conv) (p, q int) {
	check(x.Rank() == 4 && w.Rank() == 4, op, "x %v and weight %v must have 4 axes", x, w)
	check(x.Dim(3) == w.Dim(3), op, "x %v has %d channels, weight %v wants %d", x, x.Dim(3), w, w.Dim(3))
	check(x.dtype == w.dtype, op, "x is %v, weight is %v", x.dtype, w.dtype)
	checkVector(op, "bias", b, w.Dim(0))
	p = (x.Dim(1)+c.Top+c.Bottom-w.Dim(1))/max(c.Stride, 1) + 1
	q = (x.Dim(2)+c.Left+c.Right-w.Dim(2))/max(c.Stride, 1) + 1
	check(c.Stride > 0 && p > 0 && q > 0, op, "x %v is too small for weight %v and %+v", x, w, c)
	return p, q
}

// weightGrad makes the Float32 gradients of a weight and its bias.
func weightGrad(w, b *Tensor, f func(dw, db *Tensor)) {
	if !wants(w) && !wants(b) {
		return
	}
	dw := w.dev.Empty(Float32, w.shape...)
	var db *Tensor
	if wants(b) {
		db = w.dev.Empty(Float32, b.shape...)
	}
	f(dw, db)
	w.accumulateFresh(dw)
	if db != nil {
		b.accumulateFresh(db)
	}
}

func checkVector(op, name string, v *Tensor, n int) {
	if v == nil {
		return
	}
	check(v.Rank() == 1 && v.Dim(0) == n, op, "%s %v must have shape [%d]", name, v, n)
	check(v.dtype == Float32, op, "%s must be f32, is %v", name, v.dtype)
}

func checkSame(op string, a, b *Tensor) {
	same := a.Rank() == b.Rank() && a.dtype == b.dtype
	for i := 0; same && i < a.Rank(); i++ {
		same = a.shape[i] == b.shape[i]
	}
	check(same, op, "%v and %v differ", a, b)
}
