// Package pipeline turns a request into pictures: tokenize, encode, denoise,
// decode. It knows no window and no terminal; progress is a callback.
package pipeline

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"time"

	"latent/app/gallery"
	"latent/app/library"
	"latent/noise"
	"latent/scheduler"
	"latent/textencoder"
	"latent/vae"
)

// Request says what to paint.
type Request struct {
	Prompt, Negative string
	Steps            int
	Guidance         float64 // classifier-free guidance scale; 1 or less runs without
	// The share of the steps that are guided; 0 to 0 is all of them.
	GuidanceStart, GuidanceEnd float64
	// The whole U-Net runs at one of so many steps, at the others its last layer alone
	// (Ma et al. 2024, "DeepCache"); 0 and 1 are all steps.
	CacheInterval int

	Rescale       float64 // share of guidance rescale (Lin et al. 2024, section 3.4), 0 to 1
	Sampler       string  // name or label of scheduler.Samplers; "" is the model's own
	Schedule      string  // name or label of scheduler.Schedules; "" is the sampler's own
	Eta           float64 // share of fresh noise; 0 is the sampler's own
	Seed          uint64  // of the first picture; picture k takes Seed+k (but see At)
	RNG           string  // "" is cpu
	ClipSkip      int     // layer of the text encoder that is read, from the end; 0 and 1 are the last
	Emphasis      string  // how weights in prompts act, of textencoder.Emphasis; "" is AUTOMATIC1111's way
	Embeddings    string  // folder of learned words (textual inversion), each called as its file
	LoRAs         []LoRA  // beside those that the prompt names
	LoRAFolder    string  // where LoRAs are looked for by their names
	VAE           string  // path of an autoencoder in place of the model's own, which Engine opens
	Prediction    string  // what the U-Net predicts, if Engine shall not go by the model's files: epsilon or v_prediction
	Width, Height int     // pixels; with OnlyMasked of the part that is painted
	Count         int
	Preview       int // steps between previews; 0: none
	// PreviewDecoder is a file or folder of TAESD, or a folder that may hold one
	// for the model's family: Engine.Generate opens it as Tiny.
	PreviewDecoder string `json:"-"`

	// A share of the noise that another seed draws: pictures alike.
	VariationSeed     uint64
	VariationStrength float64 // 0 to 1

	// Image-to-image begins at a picture, which is scaled to cover Width×Height.
	Init     image.Image `json:"-"`
	Strength float64     // (0,1], how much is painted anew; 0 is 0.75
	// Inpainting keeps what is black in the mask. Mask is scaled as Init is.
	Mask        image.Image `json:"-"`
	MaskBlur    float64     // standard deviation of its soft edge in pixels
	OnlyMasked  bool        // paint the part around the mask at Width×Height, and put it back
	MaskPadding int         // pixels of Init around the mask in that part

	Controls      []Control // ControlNets with their pictures
	ControlFolder string    // where ControlNets are looked for by their names

	Hires          *Hires // a second pass at a larger size; nil: none
	UpscalerFolder string `json:",omitempty"` // where ESRGANs are looked for by their names

	Sizes  *Sizes      // what SDXL is told; nil: the size that is painted, not cropped
	Tiling vae.Tiling  // of the autoencoder
	Tiny   *vae.Tiny   `json:"-"` // decodes previews; nil: a cheap linear map, or the model's own where it is small
	Skip   <-chan bool `json:"-"` // a value ends the picture under way as it stands
	Resume *State      `json:"-"` // goes on with a picture, the first one
}

// Hires is a second pass: the picture is enlarged and painted over with
// Strength.
type Hires struct {
	Scale         float64 // of width and height; or else
	Width, Height int     // pixels
	Upscaler      string  // of Upscalers; or an ESRGAN in Request.UpscalerFolder, without ending, or its file; "" is lanczos
	Steps         int     // of the whole trajectory; 0: as many as the first pass
	Strength      float64 // (0,1]; 0 is HiresStrength
}

// HiresStrength is how much a second pass paints anew where nothing else is said.
const HiresStrength = 0.5

// Upscalers are the ways to enlarge between the passes: of the pixels by
// Lanczos' filter, or of the latents, bilinear.
var Upscalers = []string{"lanczos", "latent"}

// Sizes is what SDXL is told of the picture (Podell et al. 2023, section 2.2), in
// pixels.
type Sizes struct {
	OriginalWidth, OriginalHeight int // of the picture before it was scaled for training
	CropLeft, CropTop             int
	TargetWidth, TargetHeight     int
}

// Picture is a finished picture with all that made it.
type Picture struct {
	Image   *image.NRGBA
	Seed    uint64
	Recipe  gallery.Recipe
	Rescued []string // blocks that had to be run in float32 for this or an earlier picture
}

// Stages of Progress.
const (
	StageEncode  = "encode"  // the prompt and the picture to begin at
	StageDenoise = "denoise" // the reverse process
	StageUpscale = "upscale" // by an ESRGAN, to the larger size
	StageHires   = "hires"   // the reverse process at that size
	StageDecode  = "decode"
)

// Progress is reported at the beginning of each stage, and after each step and each tile
// of each picture.
type Progress struct {
	Image, Images int // which picture, from 1
	Stage         string
	Step, Steps   int           // how many are done, of both passes
	Tile, Tiles   int           // how many are done, of StageUpscale
	Left          time.Duration // until all pictures are done
	Preview       image.Image   // the picture as it stands, where one was asked for
	Rescued       []string      // blocks that had to be run in float32

	// State, where it is not nil, returns all that is needed to go on from here. It
	// must be called before the callback returns.
	State func() *State
}

// At is the request for picture k alone. Variations are those of one seed.
func (r Request) At(k int) Request {
	r.Count = 1
	if r.VariationStrength > 0 {
		r.VariationSeed += uint64(k)
	} else {
		r.Seed += uint64(k)
	}
	if k > 0 {
		r.Resume = nil
	}
	return r
}

// withDefaults fills what is empty.
func (r Request) withDefaults(m *library.Model) Request {
	if r.Sampler == "" {
		r.Sampler = m.Scheduler.Sampler()
	}
	if r.RNG == "" {
		r.RNG = "cpu"
	}
	if r.Count == 0 {
		r.Count = 1
	}
	if r.GuidanceEnd == 0 {
		r.GuidanceEnd = 1
	}
	if r.Init != nil && r.Strength == 0 {
		r.Strength = 0.75
	}
	if r.Hires != nil {
		h := *r.Hires
		if h.Upscaler == "" {
			h.Upscaler = Upscalers[0]
		}
		if h.Steps == 0 {
			h.Steps = r.Steps
		}
		if h.Strength == 0 {
			h.Strength = HiresStrength
		}
		if h.Scale != 0 {
			f := float64(m.VAE.Config.Factor())
			h.Width = int(math.Round(float64(r.Width)*h.Scale/f) * f)
			h.Height = int(math.Round(float64(r.Height)*h.Scale/f) * f)
		}
		r.Hires = &h
	}
	return r
}

// emphases are the values of Request.Emphasis.
var emphases = []string{"", string(textencoder.EmphasisOriginal), string(textencoder.EmphasisNoNorm),
	string(textencoder.EmphasisIgnore), string(textencoder.EmphasisNone)}

// Limits of a request: beyond them is a slip of the finger, not a wish.
const (
	maxSide  = 8192
	maxCount = 10000
	maxBlur  = 1000
	maxScale = 64
)

// Validate says in one line what of the request m cannot do.
func (r Request) Validate(m *library.Model) error {
	if r.Hires != nil && !(r.Hires.Scale >= 0 && r.Hires.Scale <= maxScale) {
		return fmt.Errorf("hires scale %g: between 1 and %d", r.Hires.Scale, maxScale)
	}
	r = r.withDefaults(m)
	if err := validSize("size", r.Width, r.Height, m); err != nil {
		return err
	}
	switch {
	case r.Steps < 1:
		return fmt.Errorf("steps %d: at least 1 is needed", r.Steps)
	case r.Count < 1 || r.Count > maxCount:
		return fmt.Errorf("count %d: between 1 and %d", r.Count, maxCount)
	case r.Prediction != "" && r.Prediction != m.Scheduler.PredictionType:
		return fmt.Errorf("prediction %s: the model is open as one of %s", r.Prediction, m.Scheduler.PredictionType)
	case r.ClipSkip < 0:
		return fmt.Errorf("clip skip %d: 1 is the last layer, 2 the one before it", r.ClipSkip)
	case !slices.Contains(emphases, r.Emphasis):
		return fmt.Errorf("unknown emphasis %q: choose one of %v", r.Emphasis, emphases[1:])
	case math.IsNaN(r.Guidance) || math.IsInf(r.Guidance, 0):
		return fmt.Errorf("guidance %g is not a number", r.Guidance)
	case !(r.GuidanceStart >= 0 && r.GuidanceStart < r.GuidanceEnd && r.GuidanceEnd <= 1):
		return fmt.Errorf("guidance from %g to %g of the steps: between 0 and 1, the second the larger", r.GuidanceStart, r.GuidanceEnd)
	case r.CacheInterval < 0:
		return fmt.Errorf("cache interval %d: 1 runs the whole U-Net at each step, 3 at one of three", r.CacheInterval)
	case !(r.Rescale >= 0 && r.Rescale <= 1):
		return fmt.Errorf("guidance rescale %g: between 0 and 1", r.Rescale)
	case !(r.VariationStrength >= 0 && r.VariationStrength <= 1):
		return fmt.Errorf("variation strength %g: between 0 and 1", r.VariationStrength)
	case r.Init == nil && r.Strength != 0:
		return errors.New("a strength needs a picture to begin at (init)")
	case r.Init == nil && r.Mask != nil:
		return errors.New("a mask needs a picture to begin at (init)")
	case r.Init != nil && r.Init.Bounds().Empty(), r.Mask != nil && r.Mask.Bounds().Empty():
		return errors.New("the picture to begin at, or its mask, has no pixels")
	case r.Mask == nil && r.OnlyMasked:
		return errors.New("painting the masked part only needs a mask")
	case !(r.MaskBlur >= 0 && r.MaskBlur <= maxBlur):
		return fmt.Errorf("mask blur %g: between 0 and %d pixels", r.MaskBlur, maxBlur)
	case r.MaskPadding < 0 || r.MaskPadding > maxSide:
		return fmt.Errorf("mask padding %d: between 0 and %d pixels", r.MaskPadding, maxSide)
	}
	if err := r.validControls(); err != nil {
		return err
	}
	if _, err := noise.Open(r.RNG, 0); err != nil {
		return err
	}
	if _, err := scheduler.New(r.options(), m.Scheduler); err != nil {
		return err
	}
	if h := r.Hires; h != nil {
		if r.Init != nil {
			return errors.New("a hires pass follows a picture that begins at noise: leave out the picture to begin at, or the pass")
		}
		if err := validSize("hires size", h.Width, h.Height, m); err != nil {
			return err
		}
		var err error
		if h.Upscaler, err = h.upscaler(r.UpscalerFolder); err != nil {
			return err
		}
		if _, err := scheduler.New(r.hiresOptions(), m.Scheduler); err != nil {
			return fmt.Errorf("hires pass: %w", err)
		}
	}
	return r.Resume.fits(r, m)
}

func validSize(what string, w, h int, m *library.Model) error {
	f := m.VAE.Config.Factor()
	// A U-Net halves its input at every level but the last.
	unit := f << (len(m.UNet.Config.DownBlockTypes) - 1)
	switch {
	case w < 1 || h < 1 || w%f != 0 || h%f != 0:
		return fmt.Errorf("%s %dx%d: width and height must be multiples of %d", what, w, h, f)
	case w > maxSide || h > maxSide:
		return fmt.Errorf("%s %dx%d: at most %d on a side", what, w, h, maxSide)
	case w < unit || h < unit:
		return fmt.Errorf("%s %dx%d: this model needs at least %d on a side", what, w, h, unit)
	}
	return nil
}

// options is what the scheduler is asked for.
func (r Request) options() scheduler.Options {
	return scheduler.Options{Sampler: r.Sampler, Schedule: r.Schedule, Steps: r.Steps, Eta: r.Eta, Strength: r.Strength}
}

// hiresOptions is options for the second pass.
func (r Request) hiresOptions() scheduler.Options {
	o := r.options()
	o.Steps, o.Strength = r.Hires.Steps, r.Hires.Strength
	return o
}
