package gpu

// The tape of reverse-mode differentiation: operations append a node while
// Differentiate runs its function, and the nodes are visited backwards.
type tape struct{ nodes []node }

type node struct {
	out  *Tensor
	back func(dy *Tensor)
}

// Param marks t as a leaf whose gradient Differentiate computes.
func (t *Tensor) Param() *Tensor {
	t.leaf, t.needsGrad = true, true
	return t
}

// Frozen takes the mark of Param away.
func (t *Tensor) Frozen() *Tensor {
	t.leaf, t.needsGrad = false, false
	return t
}

// Grad is the gradient accumulated by Differentiate: Float32 for parameters,
// nil where none arrived.
func (t *Tensor) Grad() *Tensor { return t.grad }

// ZeroGrad drops the gradient.
func (t *Tensor) ZeroGrad() {
	if t.grad != nil {
		t.grad.Free()
		t.grad = nil
	}
}

// Differentiate runs f with recording on, then adds scale·∂f/∂p to the
// gradient of every parameter p that took part. f returns one element. The
// value is returned; every tensor made in f is freed.
func (d *Device) Differentiate(scale float32, f func() *Tensor) float32 {
	check(d.tape == nil, "differentiate", "already recording: calls do not nest")
	var loss float32
	d.Scope(func() []*Tensor {
		y := d.record(f)
		check(y.out.Len() == 1, "differentiate", "loss has shape %v, want one element", y.out.shape)
		loss = y.out.Item()
		y.backward(d.Full(scale, y.out.dtype, y.out.shape...))
		return nil
	})
	return loss
}

type recorded struct {
	out *Tensor
	t   *tape
}

func (d *Device) record(f func() *Tensor) recorded {
	outer := d.tape
	d.tape = &tape{}
	defer func() { d.tape = outer }()
	return recorded{f(), d.tape}
}

// backward visits the nodes in reverse. An operation's own kernels must not be
// recorded, so the device's tape is off meanwhile.
func (r recorded) backward(dy *Tensor) {
	d := r.out.dev
	outer := d.tape
	d.tape = nil
	defer func() { d.tape = outer }()
	r.out.accumulate(dy)
	for i := len(r.t.nodes) - 1; i >= 0; i-- {
		n := r.t.nodes[i]
		r.t.nodes[i] = node{}
		if n.out.grad == nil {
			continue
		}
		g := n.out.grad
		n.out.grad = nil
		n.back(g)
	}
}

// NoGrad runs f without recording.
func (d *Device) NoGrad(f func()) {
	outer := d.tape
	d.tape = nil
	defer func() { d.tape = outer }()
	f()
}

// Checkpoint runs f without keeping its intermediate tensors and runs it again
// when the gradient is wanted: memory for time. f must be a pure function of
// xs and of parameters.
func Checkpoint(f func(xs ...*Tensor) *Tensor, xs ...*Tensor) *Tensor {
	d := xs[0].dev
	if d.tape == nil {
		return f(xs...)
	}
	var y *Tensor
	d.NoGrad(func() { y = d.Scope1(func() *Tensor { return f(xs...) }) })
	y.needsGrad = true
	d.tape.nodes = append(d.tape.nodes, node{y, func(dy *Tensor) {
		in := make([]*Tensor, len(xs))
		for i, x := range xs {
			in[i] = x.Detach()
			in[i].needsGrad = x.needsGrad
		}
		var got []*Tensor // the inputs that have a gradient
		grads := d.Scope(func() (grads []*Tensor) {
			r := d.record(func() *Tensor { return f(in...) })
			r.backward(dy)
			for i, x := range xs {
				if in[i].grad != nil {
					got, grads = append(got, x), append(grads, in[i].grad)
				}
			}
			return grads
		})
		for i, x := range got {
			x.accumulate(grads[i])
		}
	}})
	return y
}

// differentiable appends the gradient of y = op(xs) if a tape runs and an
// input wants it.
func differentiable(y *Tensor, back func(dy *Tensor), xs ...*Tensor) *Tensor {
	d := y.dev
	if d.tape == nil {
		return y
	}
	for _, x := range xs {
		if wants(x) {
			y.needsGrad = true
			d.tape.nodes = append(d.tape.nodes, node{y, back})
			return y
		}
	}
	return y
}

func wants(t *Tensor) bool { return t != nil && t.needsGrad }

// accumulate adds g to t's gradient; g may be shared, so it is never written.
func (t *Tensor) accumulate(g *Tensor) {
	if !t.needsGrad {
		return
	}
	d := t.dev
	if !t.leaf {
		g = Cast(g, t.dtype) // an embedding's gradient is Float32 whatever its table
		if t.grad != nil {
			sum := d.Empty(t.grad.dtype, t.grad.shape...)
			d.b.Combine(sum, []float32{1, 1}, []*Tensor{t.grad, g})
			g = sum
		}
		t.grad = g
		return
	}
	if t.grad != nil {
		d.b.Combine(t.grad, []float32{1, 1}, []*Tensor{t.grad, g})
		t.grad.Changed()
		return
	}
	d.Permanent(func() {
		t.grad = d.Empty(Float32, t.shape...)
		d.b.Cast(t.grad, g)
	})
}

// accumulateFresh is accumulate for a Float32 gradient that the operation just
// made and nobody else holds: a parameter takes it over without a copy.
func (t *Tensor) accumulateFresh(g *Tensor) {
	if t.leaf && t.needsGrad && t.grad == nil && g.dtype == Float32 {
		g.s.scope = nil
		t.grad = g
		return
	}
	t.accumulate(g)
}
