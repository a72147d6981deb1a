package pipeline

import (
	"slices"

	"latent/gpu"
	"latent/textencoder"
	"latent/unet"
)

// replay is the U-Net's part of a step, captured on a device that can do so, and
// what it reads. It lives as long as a pass of one picture: LoRAs and shapes stay
// the same, and the decoder has its memory.
type replay struct {
	graph            *gpu.Graph
	x, code, context *gpu.Tensor
	added            *unet.Added
	inputs           []*gpu.Tensor
	cond             textencoder.Cond // that context and added hold
	guides           []*guide         // whose part is captured too
}

// record is what captures; tests have others.
var record = (*gpu.Device).Capture

// captured is evaluate by replay, which the first call captures: the latents x,
// the time's code and the text are written into its inputs. It gives nil where
// that cannot be: the device captures nothing, or blocks are watched over, which
// the host must take part in. The hints of guides stay where they are.
func (g *generation) captured(p *pass, x, code *gpu.Tensor, cond textencoder.Cond, guides []*guide, whole bool) []*gpu.Tensor {
	if g.eager || g.watched() || !g.Device.Captures() {
		g.drop()
		return nil
	}
	r := g.replays[whole]
	// A longer or shorter prompt, or a guide that begins or ends.
	if r != nil && (r.context.Len() != cond.Context.Len() || !slices.Equal(r.guides, guides)) {
		g.drop()
		r = nil
	}
	if r == nil {
		if r = g.capture(p, x, code, cond, guides, whole); r == nil {
			g.eager = true
			return nil
		}
		g.replays[whole] = r
	} else {
		r.x.CopyFrom(x)
		r.code.CopyFrom(code)
		r.tell(cond)
		r.graph.Replay()
	}
	outputs := r.graph.Outputs
	out := g.Device.Empty(gpu.Float32, outputs[0].Shape()...)
	out.CopyFrom(outputs[0]) // the next step overwrites it
	return append([]*gpu.Tensor{out}, outputs[1:]...)
}

// capture runs the U-Net and records it; nil if the device fails to.
func (g *generation) capture(p *pass, x, code *gpu.Tensor, cond textencoder.Cond, guides []*guide, whole bool) *replay {
	dev, r := g.Device, &replay{cond: cond, guides: guides}
	keep := func(t *gpu.Tensor, dtype gpu.DType) *gpu.Tensor {
		if t == nil {
			return nil
		}
		y := dev.Empty(dtype, t.Shape()...)
		y.CopyFrom(t)
		r.inputs = append(r.inputs, y)
		return y
	}
	dev.Permanent(func() {
		a := g.added(p, cond)
		r.x, r.code, r.context = keep(x, g.DType), keep(code, g.DType), keep(cond.Context, cond.Context.DType())
		r.added = &unet.Added{SizeCode: a.SizeCode, TimestepCond: a.TimestepCond}
		for _, t := range []*gpu.Tensor{a.SizeCode, a.TimestepCond} {
			if t != nil {
				r.inputs = append(r.inputs, t)
			}
		}
		if a.Pooled != nil {
			r.added.Pooled = keep(a.Pooled, a.Pooled.DType())
		}
	})
	graph, err := record(dev, func() []*gpu.Tensor {
		return g.evaluate(p, guides, r.x, r.code, r.context, r.added, whole)
	})
	if err != nil {
		r.free()
		return nil
	}
	r.graph = graph
	return r
}

// tell writes another prompt into the inputs.
func (r *replay) tell(cond textencoder.Cond) {
	if cond.Context == r.cond.Context {
		return
	}
	r.context.CopyFrom(cond.Context)
	if r.added.Pooled != nil {
		r.added.Pooled.CopyFrom(cond.Pooled)
	}
	r.cond = cond
}

func (r *replay) free() {
	if r.graph != nil {
		r.graph.Free()
	}
	for _, t := range r.inputs {
		t.Free()
	}
}

// drop gives the memory of the replays back.
func (g *generation) drop() {
	for _, r := range g.replays {
		r.free()
	}
	clear(g.replays)
}
