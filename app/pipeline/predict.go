package pipeline

import (
	"math"
	"slices"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/textencoder"
	"latent/unet"
)

// predict runs the U-Net, with guidance on all prompts as one batch:
// ε = ε(∅) + g·(ε(prompt) − ε(∅))  (Ho & Salimans 2022, eq. 6, with g = 1+w).
func (g *generation) predict(p *pass, i int, x *gpu.Tensor) *gpu.Tensor {
	s, cond, scale := p.steps[i], g.at(p, i), g.scale(p, i)
	if s.InputScale != 1 {
		x = gpu.Scale(float32(s.InputScale), x)
	}
	if p.extra != nil {
		x = gpu.Concat(x, p.extra)
	}
	rows := cond.Context.Dim(0)
	code := g.UNet.TimeCode(g.Device, g.DType, []float32{float32(s.Timestep)}, rows)
	guides, whole := g.active(p, i), g.whole(p, i)
	out := g.captured(p, x, code, cond, guides, whole)
	if out == nil {
		out = g.evaluate(p, guides, gpu.Cast(x, g.DType), code, cond.Context, g.added(p, cond), whole)
	}
	g.keepDeep(out[1:])
	if scale == 1 && !g.composes() {
		return out[0]
	}
	y := g.composed(out[0], scale)
	if phi := g.req.Rescale; phi > 0 {
		prompt := gpu.Rows(out[0], 1, 2)
		if g.composes() {
			prompt = g.composed(out[0], 1)
		}
		// φ·y·σ(ε(prompt))/σ(y) + (1−φ)·y  (Lin et al. 2024, eq. 15 and 16)
		y = gpu.Scale(float32(phi*deviation(prompt)/deviation(y)+1-phi), y)
	}
	return y
}

// evaluate runs the U-Net, guided, on x[1,h,w,Cin] for each row of the text. The
// first result is what it predicts, Float32; after it comes what whole passes leave
// for the others, if there are such.
func (g *generation) evaluate(p *pass, guides []*guide, x, code, context *gpu.Tensor, added *unet.Added, whole bool) []*gpu.Tensor {
	x = repeated(x, context.Dim(0))
	if !whole {
		return []*gpu.Tensor{gpu.Cast(g.UNet.ForwardShallow(x, code, context, added, unet.DeepOf(g.deep)), gpu.Float32)}
	}
	controls := g.residuals(p, guides, x, code, context, added)
	if !g.caches() {
		return []*gpu.Tensor{gpu.Cast(g.UNet.ForwardCode(x, code, context, added, controls...), gpu.Float32)}
	}
	y, deep := g.UNet.ForwardDeep(x, code, context, added, controls...)
	return append([]*gpu.Tensor{gpu.Cast(y, gpu.Float32)}, deep.Tensors()...)
}

// repeated is x[1,…] n times, one below the other.
func repeated(x *gpu.Tensor, n int) *gpu.Tensor {
	if n == 1 {
		return x
	}
	return gpu.Stack(slices.Repeat([]*gpu.Tensor{x}, n)...)
}

// deviation is the standard deviation of all elements.
func deviation(x *gpu.Tensor) float64 {
	var sum, square float64
	v := x.Float32s()
	for _, f := range v {
		sum += float64(f)
	}
	mean := sum / float64(len(v))
	for _, f := range v {
		square += (float64(f) - mean) * (float64(f) - mean)
	}
	return math.Sqrt(square / float64(len(v)))
}

// guided tells whether the negative prompt counts too, at some step at least.
func (g *generation) guided() bool { return g.guidance() != 1 || g.composes() }

// guidance is the scale that is asked for.
func (g *generation) guidance() float32 {
	// A U-Net with a guidance embedding was trained to do without (Luo et al. 2023).
	if g.UNet.Config.TimeCondProjDim != 0 {
		return 1
	}
	return max(float32(g.req.Guidance), 1)
}

// scale is g of the guidance of step i: 1 outside of the interval (Kynkäänniemi et al.
// 2024).
func (g *generation) scale(p *pass, i int) float32 {
	if !within(i, len(p.steps), g.req.GuidanceStart, g.req.GuidanceEnd) {
		return 1
	}
	return g.guidance()
}

// within tells whether all of step i of n lies in a share of them (diffusers'
// controlnet_keep).
func within(i, n int, start, end float64) bool {
	return float64(i)/float64(n) >= start && float64(i+1)/float64(n) <= end
}

// composes tells whether AND joins prompts, or the one there is has a weight.
func (g *generation) composes() bool { return len(g.cond.weights) > 1 || g.cond.weights[0] != 1 }

// composed is ε(∅) + g·Σ wᵢ·(ε(cᵢ) − ε(∅)) of the outputs [∅, c₁, c₂, …]  (Liu et
// al. 2022, eq. 11).
func (g *generation) composed(out *gpu.Tensor, scale float32) *gpu.Tensor {
	coef, terms := []float32{1}, []*gpu.Tensor{gpu.Rows(out, 0, 1)}
	for i, w := range g.cond.weights {
		coef[0] -= scale * w
		coef, terms = append(coef, scale*w), append(terms, gpu.Rows(out, i+1, i+2))
	}
	return gpu.Combine(coef, terms...)
}

// added is what the U-Net is told besides time and text.
func (g *generation) added(p *pass, cond textencoder.Cond) *unet.Added {
	a := &unet.Added{}
	cfg := g.UNet.Config
	if dim := cfg.TimeCondProjDim; dim > 0 {
		// The position code of 1000·w, w = g−1 (Luo et al. 2023, section 4.2).
		w := float32(1000 * (g.req.Guidance - 1))
		a.TimestepCond = nn.SinusoidalEmbedding(g.Device, g.DType, slices.Repeat([]float32{w}, cond.Context.Dim(0)), dim, false, 1)
	}
	if cfg.AdditionEmbedType == "text_time" {
		a.Pooled = cond.Pooled
		s := Sizes{OriginalWidth: p.width, OriginalHeight: p.height, TargetWidth: p.width, TargetHeight: p.height}
		if g.req.Sizes != nil {
			s = *g.req.Sizes
		}
		ids := []float32{float32(s.OriginalHeight), float32(s.OriginalWidth), float32(s.CropTop), float32(s.CropLeft),
			float32(s.TargetHeight), float32(s.TargetWidth)}
		rows := make([][]float32, cond.Context.Dim(0))
		for i := range rows {
			rows[i] = ids
		}
		a.SizeCode = cfg.SizeCode(g.Device, g.DType, rows)
	}
	return a
}
