package pipeline

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/noise"
	"latent/scheduler"
)

// history holds what steps look back on, the present first.
type history struct{ x, output, denoised []*gpu.Tensor }

// depth is how far any sampler looks back.
const depth = scheduler.History

func (h *history) push(list *[]*gpu.Tensor, t *gpu.Tensor) {
	*list = append([]*gpu.Tensor{t}, *list...)
	if len(*list) > depth {
		(*list)[depth].Free()
		*list = (*list)[:depth]
	}
}

// begin gives the latents that the first pass begins with, [1,h,w,C] Float32. The
// picture's generator draws in the order of diffusers' pipelines: the sample of
// the picture to begin at, the noise, the sample of the masked picture.
func (g *generation) begin(p *pass, req Request, src noise.Source) *gpu.Tensor {
	first := p.steps[0]
	if g.moments == nil {
		p.z = g.startNoise(p, req, src)
		return gpu.Scale(float32(first.Init), p.z)
	}
	// A U-Net that inpaints, begun at noise alone, needs no sample.
	fresh := g.mask != nil && req.Strength == 1
	if !fresh || !g.Inpaints() {
		p.known = g.VAE.Latent(g.moments, g.noise(p, src))
	}
	p.z = g.startNoise(p, req, src)
	if g.mask != nil {
		eps := g.noise(p, src)
		if g.Inpaints() {
			p.extra = gpu.Concat(g.mask, g.VAE.Latent(g.masked, eps))
		}
	}
	if fresh {
		return gpu.Scale(float32(first.Init), p.z)
	}
	return noised(first, p.known, p.z)
}

// noised is a clean latent with the noise that x has at the beginning of s.
func noised(s scheduler.Step, x0, z *gpu.Tensor) *gpu.Tensor {
	return gpu.Combine([]float32{float32(s.StartSignal), float32(s.StartNoise)}, x0, z)
}

// noise draws a latent of N(0,1) numbers, [1,h,w,C] Float32.
func (g *generation) noise(p *pass, src noise.Source) *gpu.Tensor {
	z, h, w, c := g.draw(p, src)
	return g.Device.FromFloat32(z, gpu.Float32, 1, h, w, c)
}

func (g *generation) draw(p *pass, src noise.Source) (z []float32, h, w, c int) {
	f := g.VAE.Config.Factor()
	h, w, c = p.height/f, p.width/f, g.VAE.Config.LatentChannels
	z = make([]float32, h*w*c)
	noise.Latent(src, z, h, w, c)
	return z, h, w, c
}

// startNoise is the first noise of a picture: that of its seed, turned towards
// that of the variation's seed.
func (g *generation) startNoise(p *pass, req Request, src noise.Source) *gpu.Tensor {
	z, h, w, c := g.draw(p, src)
	if req.VariationStrength > 0 {
		other, err := noise.Open(req.RNG, req.VariationSeed)
		if err != nil {
			panic(err) // src was opened by this name
		}
		v, _, _, _ := g.draw(p, other)
		slerp(z, v, req.VariationStrength, h, w*c)
	}
	return g.Device.FromFloat32(z, gpu.Float32, 1, h, w, c)
}

// slerp turns a towards b by share t of the angle between them (Shoemake 1985):
//
//	a ← sin((1−t)·ω)/sin ω · a + sin(t·ω)/sin ω · b
//
// Both are [h,n], and ω is that between the columns, so that the noise is the one
// of AUTOMATIC1111's variation seeds. If the columns hardly differ they are mixed
// instead.
func slerp(a, b []float32, t float64, h, n int) {
	omega, mean := make([]float64, n), 0.0
	for j := range omega {
		var aa, bb, ab float64
		for i := range h {
			x, y := float64(a[i*n+j]), float64(b[i*n+j])
			aa, bb, ab = aa+x*x, bb+y*y, ab+x*y
		}
		cos := ab / math.Sqrt(aa*bb)
		omega[j] = math.Acos(min(max(cos, -1), 1))
		mean += cos / float64(n)
	}
	for i := range a {
		wa, wb := 1-t, t
		if o := omega[i%n]; mean <= 0.9995 && math.Sin(o) > 1e-6 {
			wa, wb = math.Sin((1-t)*o)/math.Sin(o), math.Sin(t*o)/math.Sin(o)
		}
		a[i] = float32(wa*float64(a[i]) + wb*float64(b[i]))
	}
}

// step applies step i of a pass: out = model(x), then a linear combination.
func (g *generation) step(p *pass, i int, h *history, src noise.Source) error {
	dev, s := g.Device, p.steps[i]
	out, err := g.rescued(&g.UNet.Rescue, g.UNet, func() (*gpu.Tensor, error) { return g.predict(p, i, h.x[0]), nil })
	if err != nil {
		return fmt.Errorf("step %d of %d: %w", p.first+i+1, g.steps(), err)
	}
	h.push(&h.output, out)
	h.push(&h.denoised, dev.Scope1(func() *gpu.Tensor {
		x0 := gpu.Combine([]float32{float32(s.PredictX), float32(s.PredictOutput)}, h.x[0], h.output[0])
		if s.Clip != 0 {
			x0 = gpu.Clamp(x0, -float32(s.Clip), float32(s.Clip))
		}
		return x0
	}))
	if len(s.X) > len(h.x) || len(s.Output) > len(h.output) || len(s.Denoised) > len(h.denoised) {
		return fmt.Errorf("step %d of %d looks back further than the half-made picture goes: begin it anew", p.first+i+1, g.steps())
	}
	h.push(&h.x, dev.Scope1(func() *gpu.Tensor {
		var coef []float32
		var terms []*gpu.Tensor
		for _, part := range []struct {
			c  []float64
			ts []*gpu.Tensor
		}{{s.X, h.x}, {s.Output, h.output}, {s.Denoised, h.denoised}} {
			for j, c := range part.c {
				coef, terms = append(coef, float32(c)), append(terms, part.ts[j])
			}
		}
		if s.Noise != 0 {
			coef, terms = append(coef, float32(s.Noise)), append(terms, g.noise(p, src))
		}
		return g.keep(p, i, gpu.Combine(coef, terms...))
	}))
	if !h.x[0].Finite() {
		return fmt.Errorf("step %d of %d gave numbers that are not finite: try another sampler", p.first+i+1, g.steps())
	}
	return nil
}

// keep puts the known latents, with the noise of the step that follows, where the
// mask is 0. A U-Net that inpaints knows them itself.
func (g *generation) keep(p *pass, i int, x *gpu.Tensor) *gpu.Tensor {
	if g.mask == nil || g.Inpaints() {
		return x
	}
	known := p.known
	if i+1 < len(p.steps) {
		known = noised(p.steps[i+1], known, p.z)
	}
	mask := make([]*gpu.Tensor, x.Dim(3))
	for c := range mask {
		mask[c] = g.mask
	}
	m := gpu.Concat(mask...)
	rest := gpu.Combine([]float32{1, -1}, g.Device.Full(1, gpu.Float32, m.Shape()...), m)
	return gpu.Add(gpu.Mul(m, x), gpu.Mul(rest, known))
}

// rescued is f(), and if that is not finite f() again, with each block of the
// model watched over and where necessary run in float32. From then on they are
// watched over to the end of the request.
func (g *generation) rescued(rescue **nn.Rescue, model any, f func() (*gpu.Tensor, error)) (y *gpu.Tensor, err error) {
	run := func() bool {
		g.Device.Scope(func() []*gpu.Tensor {
			if y, err = f(); err != nil {
				return nil
			}
			return []*gpu.Tensor{y}
		})
		return err != nil || y.Finite()
	}
	switch {
	case run():
		return y, err
	case g.DType == gpu.Float32:
		return nil, errors.New("the model gave numbers that are not finite: its weights are damaged, or not meant for this")
	case *rescue == nil:
		y.Free()
		*rescue = &nn.Rescue{Model: model}
		if run() {
			return y, err
		}
	}
	return nil, fmt.Errorf("the model gave numbers that are not finite, and float32 for its blocks %v did not help: try --precision f32", (*rescue).Born)
}

// born lists the blocks that were run in float32.
func (g *generation) born() (blocks []string) {
	add := func(part string, rescue *nn.Rescue) {
		if rescue != nil {
			for _, b := range rescue.Born {
				blocks = append(blocks, part+"."+b)
			}
		}
	}
	add("unet", g.UNet.Rescue)
	add("vae", g.VAE.Rescue)
	for i, c := range g.guides {
		if !slices.ContainsFunc(g.guides[:i], func(d *guide) bool { return d.net == c.net }) {
			add(c.net.Name, c.net.Rescue)
		}
	}
	return blocks
}
