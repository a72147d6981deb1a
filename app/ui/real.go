package ui

import (
	"context"
	"fmt"
	"image"
	"sync"
	"sync/atomic"
	"time"

	"latent/app/gallery"
	"latent/app/library"
	"latent/app/pictures"
	"latent/app/pipeline"
	"latent/gpu/atomicfile"
	"latent/textencoder"
)

// Latent is the Engine over app/pipeline and app/trainer. It opens a device with
// the first work and another when the settings change, and does one thing at a
// time; but between the steps of a training it paints.
type Latent struct {
	mu      sync.Mutex // held while work runs
	engine  *pipeline.Engine
	compute Compute                  // of engine
	shared  atomic.Pointer[teaching] // while a training runs

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

// claim returns the engine to paint with: alone on a device of its own, which is to be
// given back by unlocking l.mu, or else between the steps of a training.
func (l *Latent) claim(c Compute) (e *pipeline.Engine, alone bool, err error) {
	if l.mu.TryLock() {
		if e, err = l.start(c); err != nil {
			l.mu.Unlock()
		}
		return e, true, err
	}
	if t := l.shared.Load(); t != nil {
		return t.engine, false, nil
	}
	return nil, false, ErrBusy
}

// Generate paints a picture.
func (l *Latent) Generate(ctx context.Context, r Request, progress func(Progress)) (Picture, error) {
	engine, alone, err := l.claim(r.Compute)
	if err != nil {
		return Picture{}, err
	}
	if alone {
		defer l.mu.Unlock()
	}
	if r.Upscale != "" {
		return upscaled(ctx, engine, r, progress)
	}
	req, err := painting(r)
	if err != nil {
		return Picture{}, err
	}
	saved := time.Now()
	made, err := engine.Generate(ctx, r.Model, req, func(p pipeline.Progress) {
		out := Progress{Step: p.Step, Steps: p.Steps, Preview: p.Preview}
		if p.Stage == pipeline.StageUpscale {
			out.Doing = enlarging(p.Tile, p.Tiles)
		}
		progress(out)
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
	if !alone {
		return out, nil // the training's memory is not the picture's
	}
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

// enlarging tells how far an ESRGAN is.
func enlarging(tile, tiles int) string { return fmt.Sprintf("Enlarging, tile %d of %d", tile, tiles) }

// upscaled is the picture of r.Init enlarged, with the recipe that it has.
func upscaled(ctx context.Context, engine *pipeline.Engine, r Request, progress func(Progress)) (out Picture, err error) {
	img, err := pictures.Load(r.Init)
	if err != nil {
		return out, fmt.Errorf("the picture to enlarge cannot be read: %w", atomicfile.ReasonOf(err, r.Init))
	}
	large, err := engine.Upscale(ctx, r.Upscale, img, 0, 0, func(done, all int) {
		progress(Progress{Step: done, Steps: all, Doing: enlarging(done, all)})
	})
	if err != nil {
		return out, err
	}
	if recipe, err := gallery.Read(r.Init); err == nil { // else it has none
		out.Recipe = recipe
	}
	out.Image, out.Recipe = large, pipeline.Upscaled(out.Recipe, r.Upscale, float64(large.Rect.Dx())/float64(img.Rect.Dx()))
	return out, nil
}

// painting is the pipeline's request, with the files that it names.
func painting(r Request) (pipeline.Request, error) {
	req := pipeline.Request{
		Prompt: r.Prompt, Negative: r.Negative, Steps: r.Steps, Guidance: r.Guidance, Sampler: r.Sampler, Schedule: r.Schedule,
		Seed: uint64(r.Seed), Width: r.Width, Height: r.Height, Count: 1, Preview: previewEvery(r.Previews, r.Steps),
		VariationSeed: uint64(r.VariationSeed), VariationStrength: r.VariationStrength,
		RNG: r.RNG, ClipSkip: r.ClipSkip, Eta: r.Eta, Emphasis: r.Emphasis, Rescale: r.Rescale, Prediction: r.Prediction,
		GuidanceStart: r.GuidanceStart, GuidanceEnd: r.GuidanceEnd, CacheInterval: r.CacheInterval,
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
			return req, fmt.Errorf("the picture to begin from cannot be read: %w", atomicfile.ReasonOf(err, f.path))
		}
		*f.to = img
		req.Strength = r.Strength
	}
	for _, c := range r.Controls {
		to := pipeline.Control{Model: c.Net, Preprocessor: c.Preprocessor, A: c.A, B: c.B, Weight: c.Weight, Start: c.Start, End: c.End}
		if c.Picture != "" {
			img, err := pictures.Load(c.Picture)
			if err != nil {
				return req, fmt.Errorf("the picture of the control cannot be read: %w", atomicfile.ReasonOf(err, c.Picture))
			}
			to.Picture = img
		}
		req.Controls = append(req.Controls, to)
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
	return Features{Init: true, Mask: true, Hires: true, Variation: true, State: true, Control: true}
}

var _ interface {
	Engine
	Close()
} = (*Latent)(nil)
