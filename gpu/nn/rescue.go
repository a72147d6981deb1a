package nn

import (
	"slices"
	"strings"

	"latent/gpu"
)

// Rescue runs a model's blocks one by one and looks at what they give: a block
// whose output is not finite, though its input was, is run again in Float32 with
// its weights cast for it. An output that the model's dtype cannot hold stays
// Float32, and so do the blocks after it until the numbers are small again.
type Rescue struct {
	Model any      // whose blocks run: they are named by its keys
	Born  []string // blocks in which numbers stopped being finite, each once
}

// Run is f(xs…), where f is the forward pass of part, a field of the model.
func (r *Rescue) Run(part any, f func(xs ...*gpu.Tensor) *gpu.Tensor, xs ...*gpu.Tensor) *gpu.Tensor {
	var narrow []Named // the parameters that are not Float32
	dtype := gpu.Float32
	for _, p := range Params(part) {
		if p.T.DType() != gpu.Float32 {
			narrow, dtype = append(narrow, p), p.T.DType()
		}
	}
	wide := slices.ContainsFunc(xs, func(x *gpu.Tensor) bool { return x.DType() != dtype })
	if dtype == gpu.Float32 {
		return f(xs...)
	}
	if !wide {
		y := f(xs...)
		if y.Finite() || slices.ContainsFunc(xs, func(x *gpu.Tensor) bool { return !x.Finite() }) {
			return y
		}
		y.Free()
		if name := KeyOf(r.Model, part); !slices.Contains(r.Born, name) {
			r.Born = append(r.Born, name)
		}
	}
	in := make([]*gpu.Tensor, len(xs))
	for i, x := range xs {
		in[i] = gpu.Cast(x, gpu.Float32)
	}
	defer func(held []*gpu.Tensor) {
		for i, p := range narrow {
			p.T = held[i]
		}
	}(values(narrow))
	for _, p := range narrow {
		p.T = gpu.Cast(p.T, gpu.Float32)
	}
	y := f(in...)
	if back := gpu.Cast(y, dtype); back.Finite() {
		return back
	}
	return y
}

func values(ps []Named) []*gpu.Tensor {
	out := make([]*gpu.Tensor, len(ps))
	for i, p := range ps {
		out[i] = p.T
	}
	return out
}

// KeyOf is the key of part within model: what the keys of its parameters have
// before them there.
func KeyOf(model, part any) string {
	inner := Params(part)[0]
	for _, p := range Params(model) {
		if p.Param == inner.Param {
			return strings.TrimSuffix(strings.TrimSuffix(p.Key, inner.Key), ".")
		}
	}
	return ""
}
