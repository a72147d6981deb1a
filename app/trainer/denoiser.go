package trainer

import (
	"fmt"
	"image"
	"strings"

	"latent/app/library"
	"latent/app/pipeline"
	"latent/assets"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/noise"
	"latent/scheduler"
	"latent/unet"
)

// trainDenoiser trains U-Net and text encoders, or a LoRA of theirs, on cached
// latents and writes the model folder or the LoRA's file.
func (r *run) trainDenoiser(c *cache) error {
	trainsText := r.trainsText()
	texts, err := r.encodings(c, trainsText)
	if err != nil {
		return err
	}
	defer texts.close()
	r.release(trainsText)

	d, err := r.denoising(c, texts)
	if err != nil {
		return err
	}
	params, lora, err := r.moving(trainsText)
	if err != nil {
		return err
	}
	defer r.still(lora)
	if lora != nil {
		if err := lora.begin(); err != nil {
			return err
		}
	}
	r.model.UNet.Checkpoint = r.Denoiser.Checkpointed
	d.lora = lora
	d.loop = &loop{run: r, name: denoiserStage, stage: r.Denoiser, params: params, loss: d.loss}
	textRate := r.textLR() / r.Denoiser.LR
	d.rate = func(p nn.Named) float64 {
		if strings.HasPrefix(p.Key, unetPrefix) {
			return 1
		}
		return textRate
	}
	d.after = func(p *Progress) (err error) {
		p.Weights = d.keepWeights(p.Step)
		if r.drawsSamples() && p.Step%r.Samples.Every == 0 {
			p.Samples, err = r.sample(d.loop)
		}
		return err
	}
	defer func() {
		if d.opt != nil {
			d.opt.Free()
		}
	}()
	if err := d.train(); err != nil {
		return err
	}
	return r.write(r.Result(), r.Denoiser.Steps, d.opt.Values(), lora, d.batches)
}

// original opens the base's parts that did not move once more, in float32, so that
// they are written as they were and not rounded to the type of the training. It is
// nil where nothing was rounded, or there is no base.
func (r *run) original(trainsText bool) (*library.Model, error) {
	switch {
	case r.dtype == gpu.Float32 || r.Base == "":
		return nil, nil
	case r.Base == Builtin:
		return library.OpenFS(assets.Model(), Builtin, r.dev, gpu.Float32)
	}
	moved := library.UNet
	if trainsText {
		moved |= library.TextEncoders
	}
	return library.Options{Without: moved}.Open(r.Base, r.dev, gpu.Float32)
}

const unetPrefix = "unet."

func (r *run) trainsText() bool {
	if r.LoRA != nil {
		return r.LoRA.TextEncoder
	}
	return !r.Denoiser.FreezeText
}

// moving are the parameters that are trained; those of a LoRA are put on the model.
func (r *run) moving(text bool) (params []nn.Named, lora *adapters, err error) {
	if r.LoRA != nil {
		if lora, err = r.adapt(); err != nil {
			return nil, nil, err
		}
		return lora.params(), lora, nil
	}
	params = prefixed(unetPrefix, nn.Trainable(r.model.UNet))
	if text {
		params = append(params, prefixed("text_encoder.", nn.Trainable(r.model.Text))...)
		params = append(params, prefixed("text_encoder_2.", nn.Trainable(r.model.Text2))...)
	}
	return params, nil, nil
}

// still takes back what moving did.
func (r *run) still(lora *adapters) {
	if lora != nil {
		lora.remove()
		return
	}
	nn.Freeze(r.model.UNet)
	nn.Freeze(r.model.Text)
	nn.Freeze(r.model.Text2)
}

func (r *run) drawsSamples() bool { return r.Samples.Every > 0 && len(r.Samples.Prompts) > 0 }

// release frees what a LoRA's training does not need any more: the autoencoder,
// and text encoders that stay as they are.
func (r *run) release(trainsText bool) {
	if r.LoRA == nil || r.drawsSamples() {
		return
	}
	nn.Free(r.model.VAE)
	if !trainsText {
		nn.Free(r.model.Text)
		nn.Free(r.model.Text2)
	}
	r.dev.Trim()
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
	texts    *texts
	batches  *batches
	schedule *scheduler.Schedule
	lora     *adapters // nil: the whole model is trained
}

func (r *run) denoising(c *cache, t *texts) (*denoising, error) {
	schedule, err := scheduler.NewSchedule(r.model.Scheduler)
	if err != nil {
		return nil, err
	}
	size := func(i int) [3]int32 { return c.shapes[i] }
	return &denoising{cache: c, texts: t, schedule: schedule, batches: newBatches(r.Seed, r.data.Pass(), size, r.Denoiser.Batch)}, nil
}

// loss of one batch: x_t = √ᾱ_t·x₀ + √(1−ᾱ_t)·ε at random t, and the weighted
// squared error of the U-Net's output against the target of its prediction type.
func (d *denoising) loss(step, micro int) *gpu.Tensor {
	c, s := d.cache, d.stage
	pictures := d.batches.at(step*s.Accumulate + micro)
	n, first := len(pictures), c.shapes[pictures[0]]
	shape := []int{n, int(first[0]), int(first[1]), int(first[2])}
	size := shape[1] * shape[2] * shape[3]
	rng := d.rand(d.name, step, micro)
	x, target := make([]float32, n*size), make([]float32, n*size)
	x0, eps := make([]float32, size), make([]float32, size)
	t, weight, dropped := make([]float32, n), make([]float32, n), make([]bool, n)
	var told [][]float32
	for i, at := range pictures {
		ti := rng.IntN(d.schedule.Len())
		c.latent(at, x0)
		rng.Normal(eps)
		if s.NoiseOffset > 0 {
			offset(eps, rng, s.NoiseOffset, shape[3])
		}
		signal, sigma := d.schedule.Forward(ti)
		tx, te := d.schedule.Target(ti)
		combine(x[i*size:(i+1)*size], signal, x0, sigma, eps)
		combine(target[i*size:(i+1)*size], tx, x0, te, eps)
		t[i], weight[i] = float32(ti), float32(d.schedule.Weight(ti, s.MinSNR)*d.data.Weight(at))
		dropped[i] = rng.Float64() < s.CaptionDrop
		told = append(told, c.sizes[at].floats())
	}
	cond := d.texts.batch(pictures, dropped)
	var added *unet.Added
	if d.model.UNet.AddEmbedding != nil {
		added = &unet.Added{Pooled: cond.Pooled, TimeIDs: told}
	}
	pred := d.model.UNet.Forward(d.dev.FromFloat32(x, d.dtype, shape...), t, cond.Context, added)
	return gpu.MSE(pred, d.dev.FromFloat32(target, d.dtype, shape...), d.dev.FromFloat32(weight, gpu.Float32, n))
}

// offset adds to each of c channels of the noise one number of deviation share, so
// that a model learns to paint what is dark or bright as a whole.
func offset(eps []float32, rng *noise.Rand, share float64, c int) {
	shift := make([]float32, c)
	rng.Normal(shift)
	for i := range eps {
		eps[i] += float32(share) * shift[i%c]
	}
}

func (s sizes) floats() []float32 {
	out := make([]float32, len(s))
	for i, v := range s {
		out[i] = float32(v)
	}
	return out
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
