package gpu

import (
	"slices"
	"time"
)

// Timing is one call of a backend's method under Device.Profile.
type Timing struct {
	Op    string
	Shape []int // of its result
	DType DType
	Param *Tensor // the weight or scale it used; nil where it has none
	Time  time.Duration
	// Flops are those of matrix products and convolutions, two for each product
	// and none for what a convolution's padding saves; attention's gradient makes
	// the scores again and has five products for the two of the value. What is
	// computed element by element is not counted.
	Flops float64
	// Bytes are those of all operands, each read or written once.
	Bytes float64
}

// Profile runs f and lists every operation that the device did meanwhile, in
// order. Without it nothing is counted. It does not nest.
func (d *Device) Profile(f func()) []Timing {
	p := &profiler{Backend: d.b}
	d.b = p
	if f, ok := p.Backend.(Fuser); ok {
		d.b = fusingProfiler{p, f}
	}
	defer func() { d.b = p.Backend }()
	f()
	return p.timings
}

// profiler stands before a backend and times its methods.
type profiler struct {
	Backend
	timings []Timing
}

// op begins a timing; the function that it returns ends it. The first of ts is
// the result. Backends that work asynchronously are waited for.
func (p *profiler) op(name string, param *Tensor, flops float64, ts ...*Tensor) func() {
	t := Timing{Op: name, Shape: ts[0].shape, DType: ts[0].dtype, Param: param, Flops: flops}
	for _, x := range ts {
		if x != nil {
			t.Bytes += float64(x.Bytes())
		}
	}
	p.wait()
	start := time.Now()
	return func() {
		p.wait()
		t.Time = time.Since(start)
		p.timings = append(p.timings, t)
	}
}

// wait returns when the device has done what it was given.
func (p *profiler) wait() {
	if s, ok := p.Backend.(interface{ Synchronize() }); ok {
		s.Synchronize()
	}
}

func convFlops(y, w *Tensor) float64 { return 2 * float64(y.Len()) * float64(w.Len()/w.Dim(0)) }

// attentionFlops are those of one product of queries and keys.
func attentionFlops(q, k *Tensor, causal bool) float64 {
	pairs := float64(q.Dim(1)) * float64(k.Dim(1))
	if causal {
		pairs = float64(q.Dim(1)) * float64(q.Dim(1)+1) / 2
	}
	return 2 * float64(q.Dim(0)) * float64(q.Dim(2)) * pairs
}

func (p *profiler) Conv2d(y, x, w, b, res *Tensor, c Conv) {
	defer p.op("conv", w, convFlops(y, w), y, x, w, b, res)()
	p.Backend.Conv2d(y, x, w, b, res, c)
}

func (p *profiler) Conv2dGradInput(dx, dy, w *Tensor, c Conv) {
	defer p.op("conv, input's gradient", w, convFlops(dy, w), dx, dy, w)()
	p.Backend.Conv2dGradInput(dx, dy, w, c)
}

func (p *profiler) Conv2dGradWeight(dw, db, x, dy *Tensor, c Conv) {
	defer p.op("conv, weight's gradient", nil, convFlops(dy, dw), dw, db, x, dy)()
	p.Backend.Conv2dGradWeight(dw, db, x, dy, c)
}

func (p *profiler) Linear(y, x, w, b, res *Tensor) {
	defer p.op("linear", w, convFlops(y, w), y, x, w, b, res)()
	p.Backend.Linear(y, x, w, b, res)
}

func (p *profiler) LinearGradInput(dx, dy, w *Tensor) {
	defer p.op("linear, input's gradient", w, convFlops(dy, w), dx, dy, w)()
	p.Backend.LinearGradInput(dx, dy, w)
}

func (p *profiler) LinearGradWeight(dw, db, x, dy *Tensor) {
	defer p.op("linear, weight's gradient", nil, convFlops(dy, dw), dw, db, x, dy)()
	p.Backend.LinearGradWeight(dw, db, x, dy)
}

func (p *profiler) Attention(y, lse, q, k, v *Tensor, heads int, scale float32, causal bool) {
	defer p.op("attention", nil, 2*attentionFlops(q, k, causal), y, q, k, v, lse)()
	p.Backend.Attention(y, lse, q, k, v, heads, scale, causal)
}

func (p *profiler) AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v *Tensor, heads int, scale float32, causal bool) {
	defer p.op("attention's gradient", nil, 5*attentionFlops(q, k, causal), dq, dk, dv, dy, y, lse, q, k, v)()
	p.Backend.AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v, heads, scale, causal)
}

func (p *profiler) GroupNorm(y, stats, x, gamma, beta *Tensor, groups int, eps float32, silu bool) {
	defer p.op("group norm", gamma, 0, y, stats, x, gamma, beta)()
	p.Backend.GroupNorm(y, stats, x, gamma, beta, groups, eps, silu)
}

func (p *profiler) GroupNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma, beta *Tensor, groups int, silu bool) {
	defer p.op("group norm's gradient", gamma, 0, dx, dgamma, dbeta, dy, x, stats, gamma, beta)()
	p.Backend.GroupNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma, beta, groups, silu)
}

func (p *profiler) LayerNorm(y, stats, x, gamma, beta *Tensor, eps float32) {
	defer p.op("layer norm", gamma, 0, y, stats, x, gamma, beta)()
	p.Backend.LayerNorm(y, stats, x, gamma, beta, eps)
}

func (p *profiler) LayerNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma *Tensor) {
	defer p.op("layer norm's gradient", gamma, 0, dx, dgamma, dbeta, dy, x, stats, gamma)()
	p.Backend.LayerNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma)
}

func (p *profiler) Softmax(y, x *Tensor) {
	defer p.op("softmax", nil, 0, y, x)()
	p.Backend.Softmax(y, x)
}

func (p *profiler) SoftmaxGrad(dx, dy, y *Tensor) {
	defer p.op("softmax's gradient", nil, 0, dx, dy, y)()
	p.Backend.SoftmaxGrad(dx, dy, y)
}

func (p *profiler) Embedding(y, table, ids *Tensor) {
	defer p.op("embedding", table, 0, y, ids)()
	p.Backend.Embedding(y, table, ids)
}

func (p *profiler) EmbeddingGrad(dtable, dy, ids *Tensor) {
	defer p.op("embedding's gradient", nil, 0, dtable, dy, ids)()
	p.Backend.EmbeddingGrad(dtable, dy, ids)
}

func (p *profiler) Unary(y, x *Tensor, f Func) {
	defer p.op("activation", nil, 0, y, x)()
	p.Backend.Unary(y, x, f)
}

func (p *profiler) UnaryGrad(dx, dy, x *Tensor, f Func) {
	defer p.op("activation's gradient", nil, 0, dx, dy, x)()
	p.Backend.UnaryGrad(dx, dy, x, f)
}

func (p *profiler) GEGLU(y, x *Tensor) {
	defer p.op("GEGLU", nil, 0, y, x)()
	p.Backend.GEGLU(y, x)
}

func (p *profiler) GEGLUGrad(dx, dy, x *Tensor) {
	defer p.op("GEGLU's gradient", nil, 0, dx, dy, x)()
	p.Backend.GEGLUGrad(dx, dy, x)
}

func (p *profiler) Mul(y, a, b *Tensor) {
	defer p.op("mul", nil, 0, y, a, b)()
	p.Backend.Mul(y, a, b)
}

func (p *profiler) Combine(y *Tensor, coef []float32, xs []*Tensor) {
	defer p.op("combine", nil, 0, append([]*Tensor{y}, xs...)...)()
	p.Backend.Combine(y, coef, xs)
}

func (p *profiler) Cast(y, x *Tensor) {
	defer p.op("cast", nil, 0, y, x)()
	p.Backend.Cast(y, x)
}

func (p *profiler) Fill(y *Tensor, v float32) {
	defer p.op("fill", nil, 0, y)()
	p.Backend.Fill(y, v)
}

func (p *profiler) AddChannels(y, x, t *Tensor) {
	defer p.op("add channels", nil, 0, y, x, t)()
	p.Backend.AddChannels(y, x, t)
}

func (p *profiler) SumMiddle(y, x *Tensor) {
	defer p.op("sum of channels", nil, 0, y, x)()
	p.Backend.SumMiddle(y, x)
}

// CopyRows moves rows·n elements, whatever the size of its operands.
func (p *profiler) CopyRows(dst, src *Tensor, rows, n, dstStride, dstOff, srcStride, srcOff int) {
	end := p.op("copy", nil, 0, dst)
	p.Backend.CopyRows(dst, src, rows, n, dstStride, dstOff, srcStride, srcOff)
	end()
	p.timings[len(p.timings)-1].Bytes = float64(2 * rows * n * dst.dtype.Size())
}

func (p *profiler) Upsample2x(y, x *Tensor) {
	defer p.op("upsample", nil, 0, y, x)()
	p.Backend.Upsample2x(y, x)
}

func (p *profiler) Upsample2xGrad(dx, dy *Tensor) {
	defer p.op("upsample's gradient", nil, 0, dx, dy)()
	p.Backend.Upsample2xGrad(dx, dy)
}

func (p *profiler) SumSquares(x *Tensor) float64 {
	defer p.op("sum of squares", nil, 0, x)()
	return p.Backend.SumSquares(x)
}

func (p *profiler) AdamW(param, master, m, v, grad *Tensor, s AdamWStep) {
	ts := AdamWUpdate{param, master, m, v, grad, s}.operands()
	defer p.op("AdamW", param, 0, ts...)()
	p.Backend.AdamW(param, master, m, v, grad, s)
}

// operands are the tensors that an update reads or writes, twice where it does both.
func (u AdamWUpdate) operands() []*Tensor {
	ts := []*Tensor{u.Param, u.M, u.V, u.Grad, u.M, u.V}
	if u.Master != u.Param {
		ts = append(ts, u.Master, u.Master)
	}
	return ts
}

// fusingProfiler is a profiler of a Fuser.
type fusingProfiler struct {
	*profiler
	f Fuser
}

func (p fusingProfiler) LinearGEGLU(y, x, w, b *Tensor) bool {
	end := p.op("linear, GEGLU", w, 2*convFlops(y, w), y, x, w, b)
	done := p.f.LinearGEGLU(y, x, w, b)
	if done {
		end()
	}
	return done
}

func (p fusingProfiler) Conv2dShift(y, x, w, b, t *Tensor, c Conv) {
	defer p.op("conv", w, convFlops(y, w), y, x, w, b, t)()
	p.f.Conv2dShift(y, x, w, b, t, c)
}

func (p fusingProfiler) GroupNormPair(y, x, z, gamma, beta *Tensor, groups int, eps float32, silu bool) bool {
	end := p.op("group norm", nil, 0, y, x, z)
	done := p.f.GroupNormPair(y, x, z, gamma, beta, groups, eps, silu)
	if done {
		end()
	}
	return done
}

func (p fusingProfiler) PointwisePair(y, x, z, w, b *Tensor) bool {
	end := p.op("conv", w, convFlops(y, w), y, x, z, w, b)
	done := p.f.PointwisePair(y, x, z, w, b)
	if done {
		end()
	}
	return done
}

func (p fusingProfiler) LinearMany(ys []*Tensor, x *Tensor, ws, bs []*Tensor) bool {
	end := p.op("linear", ws[0], float64(len(ws))*convFlops(ys[0], ws[0]), slices.Concat(ys, []*Tensor{x}, ws, bs)...)
	done := p.f.LinearMany(ys, x, ws, bs)
	if done {
		end()
	}
	return done
}

func (p fusingProfiler) SumSquaresMany(xs []*Tensor) float64 {
	defer p.op("sum of squares", nil, 0, xs...)()
	return p.f.SumSquaresMany(xs)
}

func (p fusingProfiler) AdamWMany(us []AdamWUpdate) {
	var ts []*Tensor
	for _, u := range us {
		ts = append(ts, u.operands()...)
	}
	defer p.op("AdamW", nil, 0, ts...)()
	p.f.AdamWMany(us)
}
