package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"latent/app/gallery"
	"latent/app/library"
	"latent/app/pipeline"
	"latent/noise"
	"latent/scheduler"
	"latent/textencoder"
)

// beyond is what a recipe asks for and no control of the form shows. The form says
// it in words, so that a restored picture is made as it was.
type beyond struct {
	RNG               string  `toml:"rng,omitempty"`
	ClipSkip          int     `toml:"clip_skip,omitempty"`
	Eta               float64 `toml:"eta,omitempty"`
	Rescale           float64 `toml:"rescale,omitempty"`
	Prediction        string  `toml:"prediction,omitempty"`
	GuidanceStart     float64 `toml:"guidance_start,omitempty"`
	GuidanceEnd       float64 `toml:"guidance_end,omitempty"`
	Emphasis          string  `toml:"emphasis,omitempty"`
	VariationSeed     int64   `toml:"variation_seed,omitempty"`
	VariationStrength float64 `toml:"variation_strength,omitempty"`
	HiresSteps        int     `toml:"hires_steps,omitempty"` // of a second pass
}

// beyondOf reads a recipe and returns what of it cannot be done.
func beyondOf(r gallery.Recipe) (b beyond, unmatched []string) {
	if name := strings.ToLower(r.RNG); name != "cpu" && slices.Contains(noise.Names(), name) {
		b.RNG = name
	} else if name != "" && name != "cpu" {
		unmatched = append(unmatched, "noise of "+r.RNG)
	}
	if r.ClipSkip > 1 {
		b.ClipSkip = r.ClipSkip
	}
	if b.Eta = r.Eta; r.ENSD != 0 {
		unmatched = append(unmatched, fmt.Sprintf("ENSD %d", r.ENSD))
	}
	switch e := textencoder.Emphasis(r.Emphasis); e {
	case "", textencoder.EmphasisOriginal:
	case textencoder.EmphasisNoNorm, textencoder.EmphasisIgnore, textencoder.EmphasisNone:
		b.Emphasis = r.Emphasis
	default:
		unmatched = append(unmatched, "emphasis "+r.Emphasis)
	}
	if r.VariationStrength > 0 && r.VariationStrength <= 1 {
		b.VariationSeed, b.VariationStrength = r.VariationSeed, r.VariationStrength
	}
	if r.HiresSteps != r.Steps {
		b.HiresSteps = r.HiresSteps
	}
	mine := strings.HasPrefix(r.Version, gallery.Latent)
	for _, e := range r.Extra {
		share, err := strconv.ParseFloat(e.Value, 64)
		from, to, interval := pipeline.ParseInterval(e.Value)
		_, control := e.Control()
		switch {
		case e.Key == pipeline.KeyRescale && err == nil && share >= 0 && share <= 1:
			b.Rescale = share
		case e.Key == pipeline.KeyGuidanceInterval && interval == nil:
			b.GuidanceStart, b.GuidanceEnd = from, to
		case e.Key == pipeline.KeyCacheInterval && cacheInterval(e.Value) > 0: // which the form shows
		case e.Key == pipeline.KeyPrediction && slices.Contains(predictions, e.Value):
			b.Prediction = e.Value
		case control: // which has a pane of its own
		case e.Key == gallery.KeyUpscaleBy, e.Key == gallery.KeyUpscaler: // when it was finished
		case mine, slices.Contains(pipeline.Keys, e.Key): // others' keys may be of no account
			unmatched = append(unmatched, e.Key)
		}
	}
	return b, unmatched
}

// cacheOf is a recipe's cache interval; 0: it has none.
func cacheOf(r gallery.Recipe) int {
	for _, e := range r.Extra {
		if e.Key == pipeline.KeyCacheInterval {
			return cacheInterval(e.Value)
		}
	}
	return 0
}

// cacheInterval reads one; 0: it makes no sense.
func cacheInterval(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// predictions are the values of Request.Prediction.
var predictions = []string{scheduler.PredictEpsilon, scheduler.PredictVelocity, scheduler.PredictSample}

// secondPassOf is a recipe's second pass. One that an upscaler enlarged which is not
// among files is made with Latent's own, and the upscaler is named.
func secondPassOf(r gallery.Recipe, files []Extra) (p SecondPass, unmatched []string) {
	if r.HiresUpscale <= 0 && r.HiresWidth <= 0 {
		if r.Denoising > 0 {
			unmatched = append(unmatched, "the picture that it began from")
		}
		return p, unmatched
	}
	if p = (SecondPass{Hires: r.HiresUpscale, HiresStrength: r.Denoising}); p.Hires <= 0 {
		p.Hires, p.HiresWidth, p.HiresHeight = 0, r.HiresWidth, r.HiresHeight
	}
	name := library.PublishedUpscaler(r.HiresUpscaler)
	for _, b := range builtinUpscalers {
		if strings.EqualFold(b.label, name) {
			p.HiresUpscaler = b.name
			return p, nil
		}
	}
	if i := slices.IndexFunc(files, func(e Extra) bool { return strings.EqualFold(e.Name, name) }); i >= 0 {
		p.HiresUpscaler = files[i].Path
	} else if name != "" {
		unmatched = append(unmatched, "upscaler "+r.HiresUpscaler)
	}
	return p, unmatched
}

// builtinUpscalers are the pipeline's own, by the names that recipes have for them.
var builtinUpscalers = []struct{ label, name string }{{"Lanczos", ""}, {"Latent", "latent"}}

// upscaledOf says by what a recipe's picture was enlarged when it was finished; "": by
// nothing.
func upscaledOf(r gallery.Recipe) string {
	for _, e := range r.Extra {
		if e.Key == gallery.KeyUpscaler {
			return e.Value
		}
	}
	return ""
}

// apply lets a request have it.
func (b beyond) apply(r *Request) {
	r.RNG, r.ClipSkip, r.Eta, r.Emphasis, r.Rescale, r.Prediction = b.RNG, b.ClipSkip, b.Eta, b.Emphasis, b.Rescale, b.Prediction
	r.GuidanceStart, r.GuidanceEnd = b.GuidanceStart, b.GuidanceEnd
	r.VariationSeed, r.VariationStrength = b.VariationSeed, b.VariationStrength
	if r.SecondPass != (SecondPass{}) {
		r.HiresSteps = b.HiresSteps
	}
}

// words is what a person reads; "": there is nothing.
func (b beyond) words() string {
	var all []string
	add := func(on bool, format string, values ...any) {
		if on {
			all = append(all, fmt.Sprintf(format, values...))
		}
	}
	add(b.HiresSteps > 0, "enlarged in %s", plural(b.HiresSteps, "step"))
	add(b.VariationStrength > 0, "%.0f %% of seed %d", 100*b.VariationStrength, uint64(b.VariationSeed))
	add(b.RNG != "", "noise as a GPU draws it")
	add(b.ClipSkip > 0, "clip skip %d", b.ClipSkip)
	add(b.Eta > 0, "eta %g", b.Eta)
	add(b.Rescale > 0, "guidance rescale %g", b.Rescale)
	add(b.GuidanceEnd > 0, "guided from %.0f %% to %.0f %% of the steps", 100*b.GuidanceStart, 100*b.GuidanceEnd)
	add(b.Prediction != "", "prediction %s", b.Prediction)
	add(b.Emphasis != "", "emphasis %s", strings.ToLower(b.Emphasis))
	return strings.Join(all, ", ")
}
