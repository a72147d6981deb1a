package ui

import (
	"context"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/BurntSushi/toml"

	"latent/app/library"
	"latent/app/library/lora"
	"latent/app/pictures"
	"latent/app/pipeline"
	"latent/app/trainer"
	"latent/assets"
	"latent/gpu"
	"latent/gpu/atomicfile"
	"latent/scheduler"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"
)

// Latent is the Engine over app/pipeline and app/trainer. It opens a device with
// the first work and another when the settings change, and does one thing at a
// time.
type Latent struct {
	mu      sync.Mutex // held while work runs
	engine  *pipeline.Engine
	compute Compute // of engine

	stateEvery time.Duration // how much work a crash may cost

	words     sync.Mutex
	tokenizer *textencoder.Tokenizer // of the model tokenized
	tokenized string
}

// NewEngine returns the engine of the product. It opens no device yet, so that
// the window is up at once.
func NewEngine() *Latent { return &Latent{stateEvery: 5 * time.Second} }

// Close frees the device when the work under way has ended.
func (l *Latent) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.engine != nil {
		l.engine.Close()
		l.engine = nil
	}
}

// start returns an engine on the wanted device; l.mu is held.
func (l *Latent) start(c Compute) (*pipeline.Engine, error) {
	if l.engine != nil && l.compute == c {
		return l.engine, nil
	}
	if l.engine != nil {
		l.engine.Close()
		l.engine = nil
	}
	e, err := pipeline.Start(c.Device, c.Precision)
	if err != nil {
		return nil, err
	}
	l.engine, l.compute = e, c
	return e, nil
}

// Models lists the built-in model and the model folders in folder.
func (l *Latent) Models(folder string) []Model {
	builtin := Model{ID: pipeline.Builtin, Name: "Postcard (built in)", Size: 128, Unit: 8, OnlyVAE: true}
	if m, err := describe(assets.Model()); err == nil {
		builtin.Size, builtin.Unit = m.Size, m.Unit
	}
	// Small models want less guidance than those trained on the world's pictures.
	builtin.Steps, builtin.Guidance = 20, 4
	out := []Model{builtin}
	for _, i := range library.List(folder) {
		if i.Kind != library.KindModel || i.Err != nil {
			continue
		}
		m, err := describe(os.DirFS(i.Path))
		if !i.Folder {
			m, err = ofFamily(i.Family), nil
		}
		if err == nil {
			m.ID, m.Name = i.Path, i.Name
			out = append(out, m)
		}
	}
	return out
}

// ofFamily is what suits a model in one file, which has no config to say so.
func ofFamily(f library.Family) Model {
	m := Model{Size: 512, Unit: 8, Steps: 20, Guidance: 7.5}
	switch f {
	case library.SD2:
		m.Size = 768
	case library.SDXL:
		m.Size = 1024
	}
	return m
}

// Library lists the built-in model and what is in the folders, used or not.
func (l *Latent) Library(folders Folders) []ModelFile {
	out := []ModelFile{{ID: pipeline.Builtin, Name: "Postcard (built in)", What: "a model in the program itself, always there"}}
	for _, i := range library.List(folders.Models, folders.LoRAs, folders.Embeddings, folders.VAEs) {
		f := ModelFile{Path: i.Path, Name: i.Name, What: i.What, Size: i.Size}
		if i.Kind == library.KindModel {
			f.ID = i.Path
		}
		f.LoRA = i.Kind == library.KindLoRA
		if i.Err != nil {
			f.Problem = i.Err.Error()
		}
		out = append(out, f)
	}
	return out
}

// describe reads from a model folder's config files what a form must know.
func describe(folder fs.FS) (Model, error) {
	if _, err := fs.Stat(folder, "model_index.json"); err != nil {
		return Model{}, err // a training that has not ended
	}
	data, err := fs.ReadFile(folder, "unet/config.json")
	if err != nil {
		return Model{}, err
	}
	u, err := unet.ParseConfig(data)
	if err != nil {
		return Model{}, err
	}
	if data, err = fs.ReadFile(folder, "vae/config.json"); err != nil {
		return Model{}, err
	}
	v, err := vae.ParseConfig(data)
	if err != nil {
		return Model{}, err
	}
	side := 64 // latents, where the config does not say
	if n := len(u.SampleSize); n > 0 {
		side = u.SampleSize[n-1]
	}
	m := Model{Size: side * v.Factor(), Unit: v.Factor(), Steps: 20, Guidance: 7.5}
	if m.Size <= 256 {
		m.Guidance = 4
	}
	return m, nil
}

// Devices lists what gpu.Open knows.
func (l *Latent) Devices() []string { return append([]string{"auto"}, gpu.Drivers()...) }

// Samplers lists the scheduler's, as recipes spell them.
func (l *Latent) Samplers() []Sampler {
	var out []Sampler
	labels := map[string]string{}
	for _, s := range scheduler.Schedules() {
		labels[s.Name] = s.Label
	}
	for _, s := range scheduler.Samplers() {
		mine := Sampler{Label: s.Label}
		for _, name := range s.Schedules {
			mine.Schedules = append(mine.Schedules, labels[name])
		}
		out = append(out, mine)
	}
	if i := slices.IndexFunc(out, func(s Sampler) bool { return s.Label == "DDIM" }); i > 0 {
		out[0], out[i] = out[i], out[0]
	}
	return out
}

// Extras lists LoRAs and autoencoders that can be used.
func (l *Latent) Extras(f Folders) (out Extras) {
	for _, i := range library.List(f.LoRAs) {
		if i.Kind != library.KindLoRA || i.Err != nil {
			continue
		}
		e := Extra{Path: i.Path, Name: i.Name, What: i.What}
		if file, err := lora.Read(i.Path); err == nil {
			e.Hash = file.Metadata["sshs_model_hash"]
			file.Close()
		}
		out.LoRAs = append(out.LoRAs, e)
	}
	for _, i := range library.List(f.VAEs) {
		if i.Kind == library.KindVAE && i.Err == nil {
			out.VAEs = append(out.VAEs, Extra{Path: i.Path, Name: i.Name, What: i.What})
		}
	}
	return out
}

// Tokens measures prompts with the model's own tokenizer, which stays open, and
// the learned words that they name.
func (l *Latent) Tokens(r Request) (prompt, negative textencoder.Usage, err error) {
	l.words.Lock()
	defer l.words.Unlock()
	if l.tokenizer == nil || l.tokenized != r.Model {
		if l.tokenizer, err = openTokenizer(r.Model); err != nil {
			return prompt, negative, err
		}
		l.tokenized = r.Model
	}
	var opts textencoder.Options
	if opts.Embeddings, err = pipeline.ReadEmbeddings(r.Embeddings, r.Prompt+"\n"+r.Negative); err != nil {
		return prompt, negative, err
	}
	if prompt, err = l.tokenizer.Measure(r.Prompt, r.Steps, opts); err != nil {
		return prompt, negative, err
	}
	negative, err = l.tokenizer.Measure(r.Negative, r.Steps, opts)
	return prompt, negative, err
}

// openTokenizer is a model's own tokenizer, or CLIP's for models in one file.
func openTokenizer(model string) (*textencoder.Tokenizer, error) {
	folder := assets.Model()
	if model != pipeline.Builtin {
		if info, err := os.Stat(model); err == nil && !info.IsDir() {
			v, err := textencoder.CLIPVocabulary(assets.CLIPMerges(), textencoder.PadEOS)
			if err != nil {
				return nil, err
			}
			return v.Tokenizer()
		}
		folder = os.DirFS(model)
	}
	folder, err := fs.Sub(folder, "tokenizer")
	if err != nil {
		return nil, err
	}
	return textencoder.LoadTokenizer(folder)
}

// Examples are prompts of the built-in model's own words.
func (l *Latent) Examples() []string {
	return []string{
		"a large fox on a blue background",
		"a small rocket in the night sky",
		"a boat on the sea",
		"a large strawberry on a yellow background",
		"a penguin in the snow",
		"a castle at sunset",
	}
}

// Generate paints a picture.
func (l *Latent) Generate(ctx context.Context, r Request, progress func(Progress)) (Picture, error) {
	if !l.mu.TryLock() {
		return Picture{}, ErrBusy
	}
	defer l.mu.Unlock()
	engine, err := l.start(r.Compute)
	if err != nil {
		return Picture{}, err
	}
	req, err := painting(r)
	if err != nil {
		return Picture{}, err
	}
	saved := time.Now()
	made, err := engine.Generate(ctx, r.Model, req, func(p pipeline.Progress) {
		progress(Progress{Step: p.Step, Steps: p.Steps, Preview: p.Preview})
		if r.State != "" && p.State != nil && time.Since(saved) > l.stateEvery {
			saved = time.Now()
			if s := p.State(); s != nil {
				// A half-made picture that is not kept begins anew, and no more.
				_ = pipeline.WriteState(r.State, s)
			}
		}
	})
	if err != nil {
		return Picture{}, err
	}
	out := Picture{Image: made[0].Image, Recipe: made[0].Recipe}
	err = engine.With(ctx, r.Model, func(m *library.Model) error {
		out.Memory = int64(m.Device.Memory().Peak)
		m.Device.ResetPeak()
		return nil
	})
	if err != nil { // a forecast is not worth a picture
		out.Memory = 0
	}
	return out, nil
}

// painting is the pipeline's request, with the files that it names.
func painting(r Request) (pipeline.Request, error) {
	req := pipeline.Request{
		Prompt: r.Prompt, Negative: r.Negative, Steps: r.Steps, Guidance: r.Guidance, Sampler: r.Sampler, Schedule: r.Schedule,
		Seed: uint64(r.Seed), Width: r.Width, Height: r.Height, Count: 1, Preview: previewEvery(r.Previews, r.Steps),
		VariationSeed: uint64(r.VariationSeed), VariationStrength: r.VariationStrength,
		RNG: r.RNG, ClipSkip: r.ClipSkip, Eta: r.Eta, Emphasis: r.Emphasis, Rescale: r.Rescale, Prediction: r.Prediction,
		LoRAFolder: r.LoRAFolder, Embeddings: r.Embeddings, VAE: r.VAE,
	}
	for _, l := range r.LoRAs {
		req.LoRAs = append(req.LoRAs, pipeline.LoRA(l))
	}
	if r.SecondPass != (SecondPass{}) {
		req.Hires = &pipeline.Hires{Scale: r.Hires, Width: r.HiresWidth, Height: r.HiresHeight, Upscaler: r.HiresUpscaler, Steps: r.HiresSteps, Strength: r.HiresStrength}
	}
	for _, f := range []struct {
		path string
		to   *image.Image
	}{{r.Init, &req.Init}, {r.Mask, &req.Mask}} {
		if f.path == "" {
			continue
		}
		img, err := pictures.Load(f.path)
		if err != nil {
			return req, fmt.Errorf("the picture to begin from cannot be read: %w", withoutPath(err, f.path))
		}
		*f.to = img
		req.Strength = r.Strength
	}
	if r.State != "" {
		// A state that cannot be read is that of a picture to begin anew.
		if s, err := pipeline.ReadState(r.State); err == nil {
			req.Resume = s
		}
	}
	return req, nil
}

// Features are those of the pipeline.
func (l *Latent) Features() Features {
	return Features{Init: true, Mask: true, Hires: true, Variation: true, State: true}
}

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
			r := TrainRequest{
				Base: c.Base, Folder: c.Data.Folder, Output: dir, Resume: true, Resolution: c.Data.Resolution,
				Steps: c.Denoiser.Steps, Batch: c.Denoiser.Batch, LearningRate: c.Denoiser.LR,
				Flip: c.Data.Flip, Frugal: c.Denoiser.Checkpointed, SampleEvery: c.Samples.Every,
			}
			if c.LoRA != nil {
				r.Rank, r.Text = c.LoRA.Rank, c.LoRA.TextEncoder
			}
			if len(c.Samples.Prompts) > 0 {
				r.SamplePrompt = c.Samples.Prompts[0]
			}
			out = append(out, r)
		}
	}
	return out
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
	return engine.Do(ctx, func(dev *gpu.Device) error {
		return trainer.Train(ctx, dev, config, r.Resume, func(p trainer.Progress) {
			out := TrainProgress{Step: p.Step, Steps: p.Of, Loss: p.Loss, Rate: p.Rate, Left: p.Left, Samples: p.Samples, Checkpoint: p.Checkpoint}
			out.Stage = "Preparing the pictures"
			if p.Stage == "denoiser" {
				out.Stage = "Training"
				out.HasLoss = true
			}
			progress(out)
		})
	})
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
	path = r.Output + soFar
	if config.LoRA != nil {
		path = filepath.Join(r.Output, filepath.Base(r.Output)+soFar+".safetensors")
	}
	return path, engine.Do(ctx, func(dev *gpu.Device) error { return trainer.Export(dev, config, path) })
}

// soFar ends the names of what Export writes.
const soFar = " so far"

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
		Output: r.Output, Base: r.Base, Device: r.Device, Precision: r.Precision,
		Data: trainer.Data{Folder: r.Folder, Resolution: r.Resolution, Flip: r.Flip},
		Denoiser: trainer.Stage{
			Steps: r.Steps, Batch: r.Batch, LR: r.LearningRate,
			Schedule: "cosine", Warmup: min(100, r.Steps/10), CaptionDrop: 0.1, EMA: 0.99,
			Checkpoint: max(1, min(250, r.Steps/4)), Checkpointed: r.Frugal,
		},
	}
	if r.Rank > 0 {
		c.LoRA = &trainer.LoRA{Rank: r.Rank, TextEncoder: r.Text}
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
		return c, fmt.Errorf("the model folder %s cannot be written: %w", r.Output, plainReason(err))
	}
	return c, nil
}

var _ interface {
	Engine
	Close()
} = (*Latent)(nil)
