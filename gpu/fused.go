package gpu

// Fuser is a backend that does in one pass over memory what others do in several.
type Fuser interface {
	// y = GEGLU(x·wᵀ + b); false, with nothing done, where the shape does not allow it.
	LinearGEGLU(y, x, w, b *Tensor) bool
	// y[n,P,Q,o] = x ∗ w + b[o] + t[n,o]
	Conv2dShift(y, x, w, b, t *Tensor, c Conv)
	// GroupNorm of x and z side by side along the channels, and the 1×1 convolution
	// of them; false, with nothing done, where the shape does not allow it.
	GroupNormPair(y, x, z, gamma, beta *Tensor, groups int, eps float32, silu bool) bool
	PointwisePair(y, x, z, w, b *Tensor) bool
	// ys[i] = x·ws[i]ᵀ + bs[i], bs nil or as many; false, with nothing done, likewise.
	LinearMany(ys []*Tensor, x *Tensor, ws, bs []*Tensor) bool
	// AdamW for each; no two share a tensor.
	AdamWMany(us []AdamWUpdate)
	// The sum of SumSquares of each.
	SumSquaresMany(xs []*Tensor) float64
}

// AdamWUpdate is what AdamW takes for one parameter.
type AdamWUpdate struct {
	Param, Master, M, V, Grad *Tensor
	AdamWStep
}

func (d *Device) fuser() Fuser {
	f, _ := d.b.(Fuser)
	return f
}

// LinearGEGLU is GEGLU(Linear(x, w, b, nil)): in one pass where no gradient is
// wanted, which needs what lies between.
func LinearGEGLU(x, w, b *Tensor) *Tensor {
	const op = "linear"
	d := x.dev
	if f := d.fuser(); f != nil && d.tape == nil && w.Rank() == 2 && w.Dim(0)%2 == 0 {
		check(x.Dim(-1) == w.Dim(1) && x.dtype == w.dtype, op, "x %v, weight %v", x, w)
		checkVector(op, "bias", b, w.Dim(0))
		y := d.Empty(x.dtype, withLast(x, w.Dim(0)/2)...)
		if f.LinearGEGLU(y, x, w, b) {
			return y
		}
		y.Free()
	}
	return GEGLU(Linear(x, w, b, nil))
}

// Conv2dShift is AddChannels(Conv2d(x, w, b, nil, c), t), in one pass where no
// gradient is wanted.
func Conv2dShift(x, w, b, t *Tensor, c Conv) *Tensor {
	const op = "conv2d"
	d := x.dev
	f := d.fuser()
	if f == nil || d.tape != nil {
		return AddChannels(Conv2d(x, w, b, nil, c), t)
	}
	p, q := checkConv(op, x, w, b, c)
	check(t.Rank() == 2 && t.Dim(0) == x.Dim(0) && t.Dim(1) == w.Dim(0) && t.dtype == x.dtype, op, "x %v, weight %v, t %v", x, w, t)
	y := d.Empty(x.dtype, x.Dim(0), p, q, w.Dim(0))
	f.Conv2dShift(y, x, w, b, t, c)
	return y
}

// AdamWMany is AdamW for each.
func AdamWMany(us []AdamWUpdate) {
	if len(us) == 0 {
		return
	}
	f := us[0].Param.dev.fuser()
	if f == nil {
		for _, u := range us {
			AdamW(u.Param, u.Master, u.M, u.V, u.Grad, u.AdamWStep)
		}
		return
	}
	for _, u := range us {
		checkAdamW(u.Param, u.Master, u.M, u.V, u.Grad)
	}
	f.AdamWMany(us)
	for _, u := range us {
		u.Param.Changed()
		u.Master.Changed()
	}
}

// SumSquaresMany is the sum of Σ x² of each.
func SumSquaresMany(xs []*Tensor) (sum float64) {
	if len(xs) == 0 {
		return 0
	}
	if f := xs[0].dev.fuser(); f != nil {
		return f.SumSquaresMany(xs)
	}
	for _, x := range xs {
		sum += SumSquares(x)
	}
	return sum
}
