package ui

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"

	"latent/app/pipeline"
	"latent/app/trainer"
	"latent/gpu"
	"latent/gpu/atomicfile"
)

// recipeFile is the training's recipe inside its output folder: it goes on with
// the settings that it began with, here or by latent train --resume.
const recipeFile = "recipe.toml"

// Resumable tells whether dir holds a training that was stopped, and not before it
// had done anything.
func (l *Latent) Resumable(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, recipeFile))
	state, _ := os.ReadDir(filepath.Join(dir, trainer.State))
	return err == nil && len(state) > 0
}

// Stopped lists the trainings that Resumable tells of.
func (l *Latent) Stopped(f Folders) (out []TrainRequest) {
	for _, folder := range []string{f.LoRAs, f.Models} {
		recipes, _ := filepath.Glob(filepath.Join(folder, "*", recipeFile)) // the pattern is a good one
		for _, path := range recipes {
			dir := filepath.Dir(path)
			if !l.Resumable(dir) {
				continue
			}
			c, err := trainer.LoadConfig(path)
			if err != nil {
				continue
			}
			out = append(out, requestOf(c, dir))
		}
	}
	return out
}

// requestOf is what a recipe in a folder was made of.
func requestOf(c trainer.Config, dir string) TrainRequest {
	r := TrainRequest{
		Base: c.Base, From: c.Init, Folder: c.Data.Folder, Output: dir, Resume: true, Resolution: c.Data.Resolution,
		Steps: c.Denoiser.Steps, Batch: c.Denoiser.Batch, LearningRate: c.Denoiser.LR, Buckets: c.Data.Buckets,
		Flip: c.Data.Flip, Frugal: c.Denoiser.Checkpointed, SampleEvery: c.Samples.Every,
	}
	if c.LoRA != nil {
		r.Rank, r.Text = c.LoRA.Rank, c.LoRA.TextEncoder
	}
	if len(c.Samples.Prompts) > 0 {
		r.SamplePrompt = c.Samples.Prompts[0]
	}
	return r
}

// Checkpoints lists what the training in dir has left; none if there is none.
func (l *Latent) Checkpoints(dir string) (TrainRequest, []Checkpoint) {
	c, err := trainer.LoadConfig(filepath.Join(dir, recipeFile))
	if err != nil {
		return TrainRequest{}, nil
	}
	c.Output = dir
	return requestOf(c, dir), trainer.Checkpoints(c)
}

// Losses are those that the trainer has kept.
func (l *Latent) Losses(dir string) []Loss {
	c, err := trainer.LoadConfig(filepath.Join(dir, recipeFile))
	if err != nil {
		return nil
	}
	c.Output = dir
	return trainer.Losses(c)
}

// Train fine-tunes a model, or trains a LoRA for it, on a folder of pictures.
func (l *Latent) Train(ctx context.Context, r TrainRequest, progress func(TrainProgress)) error {
	if !l.mu.TryLock() {
		return ErrBusy
	}
	defer l.mu.Unlock()
	config, err := trainConfig(r)
	if err != nil {
		return err
	}
	engine, err := l.start(r.Compute)
	if err != nil {
		return err
	}
	t := &teaching{engine: engine, Training: trainer.Training{Config: config, Resume: r.Resume}}
	t.Progress = func(p trainer.Progress) {
		out := TrainProgress{
			Step: p.Step, Steps: p.Of, Loss: p.Loss, Rate: p.Rate, Left: p.Left, Samples: p.Samples,
			Checkpoint: p.Checkpoint, Weights: p.Weights, Note: p.Note, LeftOut: p.LeftOut,
		}
		switch p.Stage {
		case "": // a note
		case "denoiser":
			out.Stage, out.HasLoss = "Training", true
		default:
			out.Stage = "Preparing the pictures"
		}
		progress(out)
	}
	l.shared.Store(t)
	defer l.shared.Store(nil)
	return engine.Share(ctx, func(dev *gpu.Device, yield func()) error {
		t.Between = yield
		return t.Run(ctx, dev)
	})
}

// teaching is a training with the engine that it shares.
type teaching struct {
	trainer.Training
	engine *pipeline.Engine
}

// WriteWeights asks the training under way.
func (l *Latent) WriteWeights() {
	if t := l.shared.Load(); t != nil {
		t.WriteWeights()
	}
}

// Export writes beside the training's own result, which is still to come.
func (l *Latent) Export(ctx context.Context, r TrainRequest) (path string, err error) {
	if !l.mu.TryLock() {
		return "", ErrBusy
	}
	defer l.mu.Unlock()
	config, err := trainer.LoadConfig(filepath.Join(r.Output, recipeFile))
	if err != nil {
		return "", err
	}
	engine, err := l.start(r.Compute)
	if err != nil {
		return "", err
	}
	err = engine.Do(ctx, func(dev *gpu.Device) (err error) {
		path, err = trainer.Export(dev, config)
		return err
	})
	return path, err
}

// trainConfig returns the recipe of a request: the one in the output folder if
// the training goes on, else a new one, which it puts there.
func trainConfig(r TrainRequest) (trainer.Config, error) {
	path := filepath.Join(r.Output, recipeFile)
	if r.Resume {
		return trainer.LoadConfig(path)
	}
	for what, file := range map[string]string{"model": "model_index.json", "LoRA": filepath.Base(r.Output) + ".safetensors"} {
		if _, err := os.Stat(filepath.Join(r.Output, file)); err == nil {
			return trainer.Config{}, fmt.Errorf("there is a %s called %s already: choose another name", what, filepath.Base(r.Output))
		}
	}
	os.Remove(filepath.Join(r.Output, trainer.State)) // of a training that had not done anything; others stay
	c := trainer.Config{
		Output: r.Output, Base: r.Base, Init: r.From, Device: r.Device, Precision: r.Precision,
		Data: trainer.Data{Folder: r.Folder, Resolution: r.Resolution, Flip: r.Flip, Buckets: r.Buckets},
		Denoiser: trainer.Stage{
			Steps: r.Steps, Batch: r.Batch, LR: r.LearningRate,
			Schedule: "cosine", Warmup: min(100, r.Steps/10), CaptionDrop: 0.1, EMA: 0.99,
			Checkpoint: max(1, min(250, r.Steps/4)), Checkpointed: r.Frugal,
		},
	}
	if r.Rank > 0 {
		c.LoRA = &trainer.LoRA{Rank: r.Rank, TextEncoder: r.Text}
		c.SaveEvery = c.Denoiser.Checkpoint // a whole model is too large to be kept often
	}
	if r.SamplePrompt != "" {
		c.Samples = trainer.Samples{Every: r.SampleEvery, Prompts: []string{r.SamplePrompt}}
	}
	c.SetDefaults()
	if err := c.Validate(); err != nil {
		return c, err
	}
	var text strings.Builder
	if err := toml.NewEncoder(&text).Encode(c); err != nil {
		return c, fmt.Errorf("recipe: %w", err)
	}
	err := os.MkdirAll(r.Output, 0o755)
	if err == nil {
		err = atomicfile.WriteFile(path, []byte(text.String()))
	}
	if err != nil {
		return c, fmt.Errorf("the model folder %s cannot be written: %w", r.Output, atomicfile.Reason(err))
	}
	return c, nil
}
