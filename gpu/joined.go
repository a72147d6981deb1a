package gpu

// Joined are tensors side by side along the last axis: a skip connection beside what
// comes from below. Where the device reads the parts in place, and no gradient is
// wanted, they are not copied together.
type Joined struct {
	parts []*Tensor
	whole *Tensor
}

// Join puts tensors of the same rows side by side.
func Join(xs ...*Tensor) *Joined {
	j := &Joined{parts: xs}
	if len(xs) == 1 {
		j.whole = xs[0]
	}
	return j
}

// Whole is the parts as one tensor, copied together once.
func (j *Joined) Whole() *Tensor {
	if j.whole == nil {
		j.whole = Concat(j.parts...)
	}
	return j.whole
}

// pair gives the two parts, and a device that may read them in place.
func (j *Joined) pair(op string) (x, z *Tensor, f Fuser) {
	if j.whole != nil || len(j.parts) != 2 {
		return nil, nil, nil
	}
	x, z = j.parts[0], j.parts[1]
	if f = x.dev.fuser(); f == nil || x.dev.tape != nil {
		return nil, nil, nil
	}
	check(x.rows() == z.rows() && x.Dim(0) == z.Dim(0) && x.dtype == z.dtype, op, "%v beside %v", z, x)
	return x, z, f
}

// GroupNorm is GroupNorm of the whole.
func (j *Joined) GroupNorm(gamma, beta *Tensor, groups int, eps float32, silu bool) *Tensor {
	const op = "group norm"
	if x, z, f := j.pair(op); f != nil {
		c := x.Dim(-1) + z.Dim(-1)
		check(groups > 0 && c%groups == 0, op, "%d channels do not divide into %d groups", c, groups)
		checkVector(op, "gamma", gamma, c)
		checkVector(op, "beta", beta, c)
		y := x.dev.Empty(x.dtype, withLast(x, c)...)
		if f.GroupNormPair(y, x, z, gamma, beta, groups, eps, silu) {
			return y
		}
		y.Free()
	}
	return GroupNorm(j.Whole(), gamma, beta, groups, eps, silu)
}

// Pointwise is the convolution of the whole with w[O,1,1,C] and bias b[O], which may
// be nil.
func (j *Joined) Pointwise(w, b *Tensor) *Tensor {
	const op = "conv2d"
	if x, z, f := j.pair(op); f != nil {
		c := x.Dim(-1) + z.Dim(-1)
		check(w.Rank() == 4 && w.Len() == w.Dim(0)*c && w.Dim(3) == c && w.dtype == x.dtype, op, "%v beside %v, weight %v", z, x, w)
		checkVector(op, "bias", b, w.Dim(0))
		y := x.dev.Empty(x.dtype, withLast(x, w.Dim(0))...)
		if f.PointwisePair(y, x, z, w, b) {
			return y
		}
		y.Free()
	}
	return Conv2d(j.Whole(), w, b, nil, Conv{Stride: 1})
}

// LinearMany is Linear(x, w, b, nil) for each weight, of which none has a residual:
// in one pass where the device can and no gradient is wanted. The weights have one
// shape; bs are nil, or as many as ws.
func LinearMany(x *Tensor, ws, bs []*Tensor) []*Tensor {
	d := x.dev
	bias := func(i int) *Tensor {
		if bs == nil {
			return nil
		}
		return bs[i]
	}
	ys := make([]*Tensor, len(ws))
	if f := d.fuser(); f != nil && d.tape == nil {
		for i, w := range ws {
			check(w.Rank() == 2 && x.Dim(-1) == w.Dim(1) && w.Dim(0) == ws[0].Dim(0) && x.dtype == w.dtype, "linear", "x %v, weight %v beside %v", x, w, ws[0])
			checkVector("linear", "bias", bias(i), w.Dim(0))
			ys[i] = d.Empty(x.dtype, withLast(x, w.Dim(0))...)
		}
		if f.LinearMany(ys, x, ws, bs) {
			return ys
		}
		for _, y := range ys {
			y.Free()
		}
	}
	for i, w := range ws {
		ys[i] = Linear(x, w, bias(i), nil)
	}
	return ys
}
