package cli

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"latent/app/pipeline"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/optim"
	"latent/noise"
	"latent/unet"
)

// trainResult is the speed of training steps: forward, backward, AdamW.
type trainResult struct {
	What   string  `json:"what,omitempty"` // "LoRA of sd15, 512x512, "
	DType  string  `json:"dtype"`
	Batch  int     `json:"batch"`
	Rate   float64 `json:"samples_s"`
	Millis float64 `json:"step_ms"`
}

// training measures steps of the U-Net whose config stands in a model folder, on
// random numbers.
func (b *bencher) training(folder fs.FS, batches ...int) error {
	data, err := fs.ReadFile(folder, "unet/config.json")
	if err != nil {
		return err
	}
	config, err := unet.ParseConfig(data)
	if err != nil {
		return fmt.Errorf("unet/config.json: %w", err)
	}
	for _, batch := range batches {
		dtype := b.dev.Info().Compute
		b.note("training the built-in model's U-Net in %v, batch %d", dtype, batch)
		t, err := b.trainingStep(config, dtype, batch)
		if err != nil {
			return fmt.Errorf("training: %w", err)
		}
		b.report.Training = append(b.report.Training, trainResult{"", dtype.String(), batch, float64(batch) / t.Seconds(), millis(t)})
		b.dev.Trim()
	}
	return nil
}

// textTokens is how many tokens the text has.
const textTokens = 24

func (b *bencher) trainingStep(config unet.Config, dtype gpu.DType, batch int) (t time.Duration, err error) {
	defer gpu.Catch(&err)
	m, err := unet.New(config)
	if err != nil {
		return 0, err
	}
	if err := nn.Init(m, b.dev, dtype, noise.NewRand(1)); err != nil {
		return 0, err
	}
	defer nn.Free(m)
	size := config.SampleSize[0]
	return b.steps(m, nn.Trainable(m), dtype, batch, size, size, textTokens, nil)
}

// steps measures training steps of m on a batch of random latents [batch,h,w,c] and
// texts of some tokens: forward, backward and AdamW on params.
func (b *bencher) steps(m *unet.Model, params []nn.Named, dtype gpu.DType, batch, h, w, tokens int, added *unet.Added) (t time.Duration, err error) {
	opt, err := optim.New(params, optim.Config{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01, ClipNorm: 1})
	if err != nil {
		return 0, err
	}
	defer opt.Free()
	b.dev.Scope(func() []*gpu.Tensor {
		c := m.Config
		x, target := b.random(dtype, batch, h, w, c.InChannels), b.random(dtype, batch, h, w, c.OutChannels)
		cond := b.random(dtype, batch, tokens, c.CrossAttentionDim[0])
		times := make([]float32, batch)
		for i := range times {
			times[i] = float32(i * 999 / batch)
		}
		t, err = b.best(func() *gpu.Tensor {
			b.dev.Differentiate(1, func() *gpu.Tensor { return gpu.MSE(m.Forward(x, times, cond, added), target, nil) })
			opt.Step(1e-4)
			return nil
		})
		return nil
	})
	return t, err
}

// loraRank is that of the adapters in bench --train lora.
const loraRank = 16

// benchTraining measures training steps of a U-Net with random weights: all of it, or
// a LoRA of its transformers.
func benchTraining(ctx context.Context, engine *pipeline.Engine, r *benchReport, note func(string, ...any), name, kind, size string, batch int, checkpoint bool) error {
	a, err := archOf(name)
	if err != nil {
		return err
	}
	width, height := a.pixels, a.pixels
	if size != "" {
		if width, height, err = parseSize(size); err != nil {
			return err
		}
	}
	return engine.Do(ctx, func(dev *gpu.Device) error {
		b := &bencher{ctx: ctx, dev: dev, report: r, note: note, budget: 4 * time.Second}
		note("training %s in %v at %dx%d, batch %d", name, dev.Info().Compute, width, height, batch)
		t, err := b.archStep(name, a, kind == "lora", width, height, batch, checkpoint)
		if err != nil {
			return fmt.Errorf("training: %w", err)
		}
		what := fmt.Sprintf("%s of %s, %dx%d, ", map[bool]string{true: "LoRA", false: "all"}[kind == "lora"], name, width, height)
		r.Training = append(r.Training, trainResult{what, dev.Info().Compute.String(), batch, float64(batch) / t.Seconds(), millis(t)})
		return nil
	})
}

func (b *bencher) archStep(name string, a arch, lora bool, width, height, batch int, checkpoint bool) (t time.Duration, err error) {
	defer gpu.Catch(&err)
	dtype := b.dev.Info().Compute
	bm, err := newBenchModel(name, a, b.dev, dtype)
	if err != nil {
		return 0, err
	}
	defer bm.free()
	nn.Free(bm.vae) // latents are made before a training
	m := bm.unet
	m.Checkpoint = checkpoint
	var params []nn.Named
	if lora {
		list, err := nn.Adapt(m, b.dev, dtype, loraRank, 1, noise.NewRand(1), func(key string, _ *nn.Param) bool { return strings.Contains(key, ".attentions.") })
		if err != nil {
			return 0, err
		}
		defer nn.Unadapt(m)
		for _, l := range list {
			for _, p := range nn.Trainable(l.Adapter) {
				p.Key = l.Key + "." + p.Key
				params = append(params, p)
			}
		}
	} else {
		params = nn.Trainable(m)
	}
	b.dev.ResetPeak()
	defer func() { b.report.Memory = memoryOf(b.dev) }()
	b.dev.Scope(func() []*gpu.Tensor {
		f := bm.vae.Config.Factor()
		t, err = b.steps(m, params, dtype, batch, height/f, width/f, 77, bm.added(b, dtype, batch))
		return nil
	})
	return t, err
}
