package cli

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"latent/app/gallery"
	"latent/app/trainer"
	"latent/gpu"
)

func train(ctx context.Context, args []string) error {
	f := newFlags("train")
	resume := f.Bool("resume", false, "go on from the last checkpoint")
	positional, done, err := f.parse(args, "the recipe (a .toml file)")
	if done || err != nil {
		return err
	}
	path := positional[0]
	config, err := trainer.LoadConfig(path)
	if err != nil {
		return err
	}
	engine, err := startEngine(config.Device, config.Precision)
	if err != nil {
		return err
	}
	defer engine.Close()
	fmt.Fprintf(os.Stderr, "training %s on %s (%s)\n", config.Result(), engine.Info().Name, engine.Info().Detail)
	if config.Base != "" {
		err := engine.Do(ctx, func(dev *gpu.Device) error {
			e, err := trainer.Forecast(dev, config)
			if err == nil {
				fmt.Fprintf(os.Stderr, "about %.1f GB of device memory, at least %.2g s a step\n", float64(e.Memory)/1e9, e.Step.Seconds())
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	r := &trainReport{config: config}
	defer r.close()
	err = engine.Do(ctx, func(dev *gpu.Device) error {
		return trainer.Train(ctx, dev, config, *resume, r.progress)
	})
	r.close()
	switch {
	case err != nil && errors.Is(err, ctx.Err()):
		if _, err := os.Stat(filepath.Join(config.Output, trainer.State)); errors.Is(err, fs.ErrNotExist) || r.stage == "" {
			return errors.New("stopped")
		}
		return fmt.Errorf("stopped after step %d of the %s; go on with: latent train %s --resume", r.step, r.stage, path)
	case err != nil:
		return err
	}
	fmt.Println(config.Result())
	return nil
}

// trainReport shows a training's progress.
type trainReport struct {
	config trainer.Config
	meter  *meter
	stage  string
	step   int

	loss float64 // moving average
	seen int     // steps of this stage
}

// smooth is over how many steps the loss is averaged.
const smooth = 50

func (r *trainReport) close() { r.meter.close() }

func (r *trainReport) progress(p trainer.Progress) {
	if p.Note != "" {
		r.meter.close()
		fmt.Fprintln(os.Stderr, "latent:", p.Note)
		return
	}
	if p.Stage != r.stage {
		r.meter.close()
		r.stage, r.meter = p.Stage, newMeter(p.Of)
		r.loss, r.seen = 0, 0
	}
	r.step = p.Step
	if p.Samples != nil {
		r.saveSamples(p)
		return
	}
	if r.seen++; !math.IsNaN(p.Loss) && !math.IsInf(p.Loss, 0) {
		r.loss += (p.Loss - r.loss) / float64(min(r.seen, smooth))
	}
	r.meter.set(p.Step, func() []string {
		parts := []string{p.Stage, "", fmt.Sprintf("%.0f/s", p.Rate), left(p.Left)}
		if p.Loss != 0 {
			parts[1] = fmt.Sprintf("loss %.4f", r.loss)
		}
		return parts
	})
}

// saveSamples writes the pictures to OUTPUT/samples/STAGE-STEP-k.png. A failure
// is told but does not end a training.
func (r *trainReport) saveSamples(p trainer.Progress) {
	dir := filepath.Join(r.config.Output, "samples")
	err := os.MkdirAll(dir, 0o777)
	for k, img := range p.Samples {
		if err == nil {
			path := filepath.Join(dir, fmt.Sprintf("%s-%d-%d.png", p.Stage, p.Step, k))
			err = gallery.Save(path, img, r.recipe(k, img))
		}
	}
	if err != nil {
		r.meter.close()
		fmt.Fprintln(os.Stderr, "latent: sample pictures:", err)
	}
}

// recipe is that of the k-th sample picture; pictures of the autoencoder have no
// prompt.
func (r *trainReport) recipe(k int, img image.Image) gallery.Recipe {
	s := r.config.Samples
	recipe := gallery.Recipe{Width: img.Bounds().Dx(), Height: img.Bounds().Dy(), Model: r.config.Name}
	if r.stage == "denoiser" && k < len(s.Prompts) {
		recipe.Prompt, recipe.Steps, recipe.CFGScale, recipe.Sampler = s.Prompts[k], s.Steps, s.Guidance, "DDIM"
		recipe.Seed, recipe.RNG = int64(k), "cpu"
	}
	return recipe
}
