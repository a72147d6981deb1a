package trainer

import (
	"fmt"
	"image"

	"latent/app/library"
	"latent/app/pipeline"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/scheduler"
)

// trainDenoiser trains U-Net and text encoder on cached latents and writes the
// model folder.
func (r *run) trainDenoiser(c *cache) error {
	schedule, err := scheduler.NewSchedule(r.model.Scheduler)
	if err != nil {
		return err
	}
	params := prefixed("unet.", nn.Trainable(r.model.UNet))
	if !r.Denoiser.FreezeText {
		params = append(params, prefixed("text_encoder.", nn.Trainable(r.model.Text))...)
	}
	r.model.UNet.Checkpoint = r.Denoiser.Checkpointed
	l := &loop{run: r, name: "denoiser", stage: r.Denoiser, params: params}
	d := &denoising{loop: l, cache: c, schedule: schedule, order: &shuffled{seed: r.Seed, n: c.len()}}
	l.loss = d.loss
	l.after = func(p *Progress) (err error) {
		if every := r.Samples.Every; every > 0 && p.Step%every == 0 {
			p.Samples, err = r.sample(l)
		}
		return err
	}
	if err := l.train(); err != nil {
		return err
	}
	defer l.opt.Free()
	defer nn.Freeze(r.model.UNet)
	defer nn.Freeze(r.model.Text)
	averages := l.opt.Values()
	format := map[string]string{"f16": "F16", "bf16": "BF16", "f32": "F32"}[r.SaveFormat]
	return library.Save(r.Output, r.model, format, func(p nn.Named) *gpu.Tensor {
		if t, ok := averages[p.Param]; ok {
			return t
		}
		return p.T
	})
}

func prefixed(prefix string, ps []nn.Named) []nn.Named {
	for i := range ps {
		ps[i].Key = prefix + ps[i].Key
	}
	return ps
}

// denoising builds the loss of DDPM (Ho et al. 2020, eq. 14) in latent space.
type denoising struct {
	*loop
	cache    *cache
	schedule *scheduler.Schedule
	order    *shuffled
}

// loss of one batch: x_t = √ᾱ_t·x₀ + √(1−ᾱ_t)·ε at random t, and the weighted
// squared error of the U-Net's output against the target of its prediction type.
func (d *denoising) loss(step, micro int) *gpu.Tensor {
	c, s, n := d.cache, d.stage, d.stage.Batch
	size := c.h * c.w * c.c
	rng := d.rand(d.name, step, micro)
	x, target := make([]float32, n*size), make([]float32, n*size)
	x0, eps := make([]float32, size), make([]float32, size)
	t, weight, ids := make([]float32, n), make([]float32, n), make([][]int32, n)
	for i := range n {
		at := d.order.at((step*s.Accumulate+micro)*n + i)
		ti := rng.IntN(d.schedule.Len())
		c.latent(at, x0)
		rng.Normal(eps)
		signal, noise := d.schedule.Forward(ti)
		tx, te := d.schedule.Target(ti)
		combine(x[i*size:(i+1)*size], signal, x0, noise, eps)
		combine(target[i*size:(i+1)*size], tx, x0, te, eps)
		t[i], weight[i] = float32(ti), float32(d.schedule.Weight(ti, s.MinSNR))
		if ids[i] = c.ids[at]; rng.Float64() < s.CaptionDrop {
			ids[i] = c.empty
		}
	}
	cond := d.model.Text.Forward(ids).LastHidden
	pred := d.model.UNet.Forward(d.dev.FromFloat32(x, d.dtype, n, c.h, c.w, c.c), t, cond, nil)
	return gpu.MSE(pred, d.dev.FromFloat32(target, d.dtype, n, c.h, c.w, c.c), d.dev.FromFloat32(weight, gpu.Float32, n))
}

// combine is dst = a·x + b·y.
func combine(dst []float32, a float64, x []float32, b float64, y []float32) {
	for i := range dst {
		dst[i] = float32(a)*x[i] + float32(b)*y[i]
	}
}

// sample draws the recipe's prompts with the averaged weights.
func (r *run) sample(l *loop) (images []image.Image, err error) {
	l.opt.WithAverage(func() {
		for i, prompt := range r.Samples.Prompts {
			var out []pipeline.Picture
			out, err = pipeline.Generate(r.ctx, r.model, pipeline.Request{
				Prompt: prompt, Steps: r.Samples.Steps, Guidance: r.Samples.Guidance,
				Seed: uint64(i), Width: r.Data.Resolution, Height: r.Data.Resolution, Count: 1,
			}, nil)
			if err != nil {
				return
			}
			images = append(images, out[0].Image)
		}
	})
	if r.ctx.Err() != nil {
		return images, nil // stopped: the loop saves and says so
	}
	if err != nil {
		return nil, fmt.Errorf("sample pictures: %w", err)
	}
	return images, nil
}
