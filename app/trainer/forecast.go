package trainer

import (
	"context"
	"errors"
	"time"

	"latent/app/library"
	"latent/app/pipeline"
	"latent/assets"
	"latent/gpu"
	"latent/gpu/dry"
	"latent/gpu/nn"
	"latent/gpu/optim"
	"latent/textencoder"
	"latent/unet"
)

// Estimate is what a training takes.
type Estimate struct {
	Memory int           // bytes of device memory at most, without what a device keeps to itself
	Flops  float64       // of a step: of its matrix products and convolutions
	Step   time.Duration // at the rate that was measured
}

// Forecast tells what fine-tuning by a recipe will take on dev, before any weights
// are read: a step is run on a device that only counts, and dev's rate is measured
// in a fraction of a second.
func Forecast(dev *gpu.Device, c Config) (e Estimate, err error) {
	defer gpu.Catch(&err)
	if err := c.Validate(); err != nil {
		return e, err
	}
	if c.Base == "" {
		return e, errors.New("a training from scratch is not forecast")
	}
	r := &run{Training: &Training{Config: c}, ctx: context.Background(), dev: dry.Open()}
	if err := r.openData(); err != nil {
		return e, err
	}
	if r.dtype, err = pipeline.Precision(c.Precision, dev); err != nil {
		return e, err
	}
	if err := r.bareModel(); err != nil {
		return e, err
	}
	n, side, vc := c.Denoiser.Batch, c.Data.Resolution, r.model.VAE.Config
	at := min(max(1, encodedAtOnce/(side*side)), r.data.Len())
	r.dev.NoGrad(func() {
		r.dev.Scope(func() []*gpu.Tensor {
			r.model.VAE.Moments(r.dev.Empty(r.dtype, at, side, side, 3))
			return nil
		})
	})
	trainsText := r.trainsText()
	texts := &texts{run: r}
	var rows [][][]int32
	for range n {
		var ids [][]int32
		for _, e := range r.model.Encoders() {
			ids = append(ids, e.Tokenizer.Encode(""))
		}
		rows = append(rows, ids)
	}
	var kept textencoder.Cond
	r.dev.Permanent(func() {
		if !trainsText { // as large as those of the file
			r.dev.Scope(func() []*gpu.Tensor {
				kept = texts.forward(rows)
				return []*gpu.Tensor{kept.Context}
			})
		}
	})
	r.release(trainsText)
	params, _, err := r.moving(trainsText)
	if err != nil {
		return e, err
	}
	opt, err := optim.New(params, optim.Config{ClipNorm: 1, EMADecay: c.Denoiser.EMA})
	if err != nil {
		return e, err
	}
	r.model.UNet.Checkpoint = c.Denoiser.Checkpointed
	shape := []int{n, side / vc.Factor(), side / vc.Factor(), vc.LatentChannels}
	told := make([][]float32, n)
	for i := range told {
		told[i] = square(side).floats()
	}
	for _, t := range r.dev.Profile(func() {
		for range c.Denoiser.Accumulate {
			r.dev.Differentiate(1, func() *gpu.Tensor {
				cond := kept
				if trainsText {
					cond = texts.forward(rows)
				}
				y := r.model.UNet.Forward(r.dev.Empty(r.dtype, shape...), make([]float32, n), cond.Context, &unet.Added{Pooled: cond.Pooled, TimeIDs: told})
				return gpu.MSE(y, r.dev.Empty(r.dtype, shape...), nil)
			})
		}
		opt.Step(1e-4)
	}) {
		e.Flops += t.Flops
	}
	e.Memory = r.dev.Memory().Peak
	e.Step = time.Duration(e.Flops / rate(dev, r.dtype) * float64(time.Second))
	return e, nil
}

// bareModel opens the base without weights, but as if it had some.
func (r *run) bareModel() (err error) {
	if r.Base == Builtin {
		r.model, err = library.Skeleton(assets.Model(), r.dev, r.dtype, nil)
	} else {
		r.model, err = library.Options{Without: library.TextEncoders | library.UNet | library.VAE}.Open(r.Base, r.dev, r.dtype)
	}
	if err != nil {
		return err
	}
	if err := r.trainable(); err != nil {
		return err
	}
	r.dev.Permanent(func() {
		for _, part := range []any{r.model.Text, r.model.Text2, r.model.UNet, r.model.VAE} {
			for _, p := range nn.Params(part) {
				dtype := r.dtype
				if p.Kind >= nn.Bias {
					dtype = gpu.Float32
				}
				p.T = r.dev.Empty(dtype, p.Shape...)
			}
		}
	})
	return nil
}

// rate measures how many flops a second dev does in a convolution of the U-Net.
func rate(dev *gpu.Device, dtype gpu.DType) float64 {
	const n, side, channels, kernel = 2, 32, 320, 3
	best := 0.0
	dev.NoGrad(func() {
		dev.Scope(func() []*gpu.Tensor {
			x := dev.Full(1, dtype, n, side, side, channels)
			w := dev.Full(1, dtype, channels, kernel, kernel, channels)
			g := gpu.Conv{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1}
			for range 4 { // the first prepares
				start := time.Now()
				dev.Scope(func() []*gpu.Tensor {
					y := gpu.Conv2d(x, w, nil, nil, g)
					gpu.Rows(gpu.Reshape(y, y.Len()), 0, 1).Item() // waits
					return nil
				})
				flops := 2 * float64(n*side*side) * channels * channels * kernel * kernel
				best = max(best, flops/time.Since(start).Seconds())
			}
			return nil
		})
	})
	return best
}
