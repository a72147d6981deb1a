// Package pipeline turns a request into pictures: tokenize, encode, denoise,
// decode. It knows no window and no terminal; progress is a callback.
package pipeline

import (
	"fmt"
	"image"
	"math"
	"time"

	"latent/app/gallery"
	"latent/app/library"
	"latent/noise"
	"latent/scheduler"
)

// Request says what to paint.
type Request struct {
	Prompt, Negative string
	Steps            int
	Guidance         float64 // classifier-free guidance scale; 1 or less runs without
	Sampler          string  // name or label of scheduler.Samplers; "" is ddim
	Eta              float64 // share of fresh noise; 0 is the sampler's own
	Seed             uint64  // of the first picture; picture k takes Seed+k
	RNG              string  // "" is cpu
	Width, Height    int     // pixels
	Count            int
	Preview          int // steps between previews; 0: none
}

// Picture is a finished picture with all that made it.
type Picture struct {
	Image  *image.NRGBA
	Seed   uint64
	Recipe gallery.Recipe
}

// Progress is reported after each step of each picture.
type Progress struct {
	Image, Images int // which picture, from 1
	Step, Steps   int
	Left          time.Duration // until all pictures are done
	Preview       image.Image   // the picture as it stands, where one was asked for
}

// withDefaults fills what is empty.
func (r Request) withDefaults() Request {
	if r.Sampler == "" {
		r.Sampler = "ddim"
	}
	if r.RNG == "" {
		r.RNG = "cpu"
	}
	if r.Count == 0 {
		r.Count = 1
	}
	return r
}

// Limits of a request: beyond them is a slip of the finger, not a wish.
const (
	maxSide  = 8192
	maxCount = 10000
)

// Validate says in one line what of the request m cannot do.
func (r Request) Validate(m *library.Model) error {
	r = r.withDefaults()
	// A U-Net halves its input at every level but the last.
	unit := m.VAE.Config.Factor() << (len(m.UNet.Config.DownBlockTypes) - 1)
	switch {
	case r.Width < 1 || r.Height < 1 || r.Width%m.VAE.Config.Factor() != 0 || r.Height%m.VAE.Config.Factor() != 0:
		return fmt.Errorf("size %dx%d: width and height must be multiples of %d", r.Width, r.Height, m.VAE.Config.Factor())
	case r.Width > maxSide || r.Height > maxSide:
		return fmt.Errorf("size %dx%d: at most %d on a side", r.Width, r.Height, maxSide)
	case r.Width < unit || r.Height < unit:
		return fmt.Errorf("size %dx%d: this model needs at least %d on a side", r.Width, r.Height, unit)
	case r.Steps < 1:
		return fmt.Errorf("steps %d: at least 1 is needed", r.Steps)
	case r.Count < 1 || r.Count > maxCount:
		return fmt.Errorf("count %d: between 1 and %d", r.Count, maxCount)
	case math.IsNaN(r.Guidance) || math.IsInf(r.Guidance, 0):
		return fmt.Errorf("guidance %g is not a number", r.Guidance)
	}
	if _, err := noise.Open(r.RNG, 0); err != nil {
		return err
	}
	_, err := scheduler.New(r.schedule(), m.Scheduler)
	return err
}

// schedule is what the scheduler is asked for.
func (r Request) schedule() scheduler.Options {
	return scheduler.Options{Sampler: r.Sampler, Steps: r.Steps, Eta: r.Eta}
}

func (r Request) recipe(m *library.Model, k int) gallery.Recipe {
	sampler, _, _ := scheduler.FindSampler(r.Sampler) // which Validate has found
	return gallery.Recipe{
		Prompt: r.Prompt, Negative: r.Negative, Steps: r.Steps, Sampler: sampler.Label,
		CFGScale: r.Guidance, Seed: int64(r.Seed + uint64(k)), Width: r.Width, Height: r.Height,
		Model: m.Name, RNG: r.RNG, Eta: r.Eta,
	}
}
