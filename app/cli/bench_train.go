package cli

import (
	"fmt"
	"io/fs"
	"time"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/optim"
	"latent/noise"
	"latent/unet"
)

// trainResult is the speed of training steps: forward, backward, AdamW.
type trainResult struct {
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
		b.report.Training = append(b.report.Training, trainResult{dtype.String(), batch, float64(batch) / t.Seconds(), millis(t)})
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
	opt, err := optim.New(nn.Trainable(m), optim.Config{Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.01, ClipNorm: 1})
	if err != nil {
		return 0, err
	}
	defer opt.Free()
	b.dev.Scope(func() []*gpu.Tensor {
		size := config.SampleSize[0]
		x, target := b.random(dtype, batch, size, size, config.InChannels), b.random(dtype, batch, size, size, config.OutChannels)
		cond := b.random(dtype, batch, textTokens, config.CrossAttentionDim[0])
		times := make([]float32, batch)
		for i := range times {
			times[i] = float32(i * 999 / batch)
		}
		t, err = b.best(func() *gpu.Tensor {
			b.dev.Differentiate(1, func() *gpu.Tensor { return gpu.MSE(m.Forward(x, times, cond, nil), target, nil) })
			opt.Step(1e-4)
			return nil
		})
		return nil
	})
	return t, err
}
