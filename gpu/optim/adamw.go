// Package optim holds what turns gradients into better weights: AdamW with
// float32 master copies, gradient clipping, an exponential moving average and
// learning-rate schedules.
package optim

import (
	"fmt"
	"math"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
)

// Config are AdamW's constants (Loshchilov & Hutter 2019, algorithm 2).
type Config struct {
	Beta1, Beta2 float64
	Eps          float64
	WeightDecay  float64 // decoupled; on matrices, kernels and tables, not on vectors
	ClipNorm     float64 // largest global gradient norm; 0 means no clipping
	EMADecay     float64 // per step; 0 means no average
	EMAEvery     int     // steps between two updates of the average (decay^every); 0 means 1
	// Rate is what a parameter's learning rate is multiplied with; nil means 1.
	Rate func(p nn.Named) float64
}

// AdamW optimises a set of parameters. Its state is float32: the master copies
// of half-precision weights, both moments and, if asked for, the average.
type AdamW struct {
	Config
	steps  int
	params []slot
}

type slot struct {
	nn.Named
	rate              float64
	master, m, v, ema *gpu.Tensor
}

// New makes the state for params, whose tensors must be loaded and marked
// trainable.
func New(params []nn.Named, c Config) (o *AdamW, err error) {
	defer gpu.Catch(&err)
	if c.EMAEvery == 0 {
		c.EMAEvery = 1
	}
	o = &AdamW{Config: c}
	if len(params) == 0 {
		return nil, fmt.Errorf("nothing to optimise")
	}
	dev := params[0].T.Device()
	dev.Permanent(func() {
		for _, p := range params {
			s := slot{Named: p, rate: 1, master: p.T}
			if c.Rate != nil {
				s.rate = c.Rate(p)
			}
			shape := p.T.Shape()
			if p.T.DType() != gpu.Float32 {
				s.master = gpu.Cast(p.T, gpu.Float32)
			}
			s.m, s.v = dev.Full(0, gpu.Float32, shape...), dev.Full(0, gpu.Float32, shape...)
			if c.EMADecay > 0 {
				s.ema = gpu.Scale(1, s.master)
			}
			o.params = append(o.params, s)
		}
	})
	return o, nil
}

// Steps is the number of steps taken.
func (o *AdamW) Steps() int { return o.steps }

// Step applies the accumulated gradients at the learning rate and drops them.
// It returns their global norm before clipping. A norm that is not finite
// leaves every weight as it was, and is the caller's to report.
func (o *AdamW) Step(lr float64) (norm float64) {
	var grads []*gpu.Tensor
	for _, p := range o.params {
		if g := p.T.Grad(); g != nil {
			grads = append(grads, g)
		}
	}
	norm = math.Sqrt(gpu.SumSquaresMany(grads))
	defer o.ZeroGrad()
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm
	}
	scale := 1.0
	if o.ClipNorm > 0 && norm > o.ClipNorm {
		scale = o.ClipNorm / (norm + 1e-6) // as torch.nn.utils.clip_grad_norm_
	}
	o.steps++
	var updates []gpu.AdamWUpdate
	for _, p := range o.params {
		g := p.T.Grad()
		if g == nil {
			continue
		}
		s := gpu.AdamWStep{
			LR: float32(lr * p.rate), Beta1: float32(o.Beta1), Beta2: float32(o.Beta2), Eps: float32(o.Eps),
			WeightDecay: float32(o.WeightDecay), GradScale: float32(scale), Step: o.steps,
		}
		if p.Kind >= nn.Bias {
			s.WeightDecay = 0
		}
		updates = append(updates, gpu.AdamWUpdate{Param: p.T, Master: p.master, M: p.m, V: p.v, Grad: g, AdamWStep: s})
	}
	gpu.AdamWMany(updates)
	if o.EMADecay > 0 && o.steps%o.EMAEvery == 0 {
		// The first steps average over fewer: decay = (1+n)/(10+n) until it reaches EMADecay.
		decay := min(math.Pow(o.EMADecay, float64(o.EMAEvery)), float64(1+o.steps)/float64(10+o.steps))
		for _, p := range o.params {
			gpu.Lerp(p.ema, p.master, float32(1-decay))
		}
	}
	return norm
}

// ZeroGrad drops the gradients.
func (o *AdamW) ZeroGrad() {
	for _, p := range o.params {
		p.T.ZeroGrad()
	}
}

// Values maps every optimised parameter to the float32 tensor behind it: its
// average if one is kept, else its master copy.
func (o *AdamW) Values() map[*nn.Param]*gpu.Tensor {
	m := make(map[*nn.Param]*gpu.Tensor, len(o.params))
	for _, p := range o.params {
		if m[p.Param] = p.master; p.ema != nil {
			m[p.Param] = p.ema
		}
	}
	return m
}

// WithAverage runs f while the parameters hold their averaged values.
func (o *AdamW) WithAverage(f func()) {
	if o.EMADecay == 0 {
		f()
		return
	}
	saved := make([][]byte, len(o.params))
	for i, p := range o.params {
		saved[i] = p.T.ReadBytes()
		p.T.CopyFrom(p.ema)
	}
	defer func() {
		for i, p := range o.params {
			p.T.WriteBytes(saved[i])
		}
	}()
	f()
}

// AdoptAverage gives the parameters their averaged values for good.
func (o *AdamW) AdoptAverage() {
	for _, p := range o.params {
		if p.ema != nil {
			p.T.CopyFrom(p.ema)
		}
	}
}

// Free gives the state's memory back; the parameters stay.
func (o *AdamW) Free() {
	o.ZeroGrad()
	for _, p := range o.params {
		for _, t := range p.state() {
			if t.Tensor != p.T {
				t.Tensor.Free()
			}
		}
	}
	o.params = nil
}

// State lists everything that an exact continuation needs, in parameter order,
// under prefix.
func (o *AdamW) State(prefix string) []safetensors.Entry {
	var out []safetensors.Entry
	for _, p := range o.params {
		for _, t := range p.state() {
			data, err := half.Bytes(safetensors.F32, t.Float32s())
			if err != nil {
				panic(err)
			}
			out = append(out, safetensors.Entry{Name: prefix + t.name + "." + p.Key, DType: safetensors.F32, Shape: p.Shape, Data: data})
		}
	}
	return out
}

type namedTensor struct {
	name string
	*gpu.Tensor
}

func (s slot) state() []namedTensor {
	out := []namedTensor{{"master", s.master}, {"m", s.m}, {"v", s.v}}
	if s.ema != nil {
		out = append(out, namedTensor{"ema", s.ema})
	}
	return out
}

// Restore is the way back from State, with the number of steps taken.
func (o *AdamW) Restore(src nn.Source, prefix string, steps int) (err error) {
	defer gpu.Catch(&err)
	for _, p := range o.params {
		for _, t := range p.state() {
			name := prefix + t.name + "." + p.Key
			v, ok := src.Get(name)
			if !ok || v.DType != safetensors.F32 || len(v.Data) != t.Bytes() {
				return fmt.Errorf("checkpoint does not fit: %s is missing or of another size", name)
			}
			t.WriteBytes(v.Data)
		}
		if p.T != p.master {
			p.T.CopyFrom(p.master)
		}
	}
	o.steps = steps
	return nil
}
