package ui

import (
	"fmt"
	"slices"
	"strings"

	"latent/app/gallery"
	"latent/noise"
	"latent/textencoder"
)

// beyond is what a recipe asks for and no control of the form shows. The form says
// it in words, so that a restored picture is made as it was.
type beyond struct {
	RNG               string  `toml:"rng,omitempty"`
	ClipSkip          int     `toml:"clip_skip,omitempty"`
	Eta               float64 `toml:"eta,omitempty"`
	Emphasis          string  `toml:"emphasis,omitempty"`
	VariationSeed     int64   `toml:"variation_seed,omitempty"`
	VariationStrength float64 `toml:"variation_strength,omitempty"`
	Hires             float64 `toml:"hires,omitempty"`
}

// Latent's own second pass.
const usualUpscaler, usualDenoising = "Lanczos", 0.5

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
	second := r.HiresUpscale > 0 || r.HiresWidth > 0
	switch {
	case second && r.HiresUpscale > 1 && r.HiresUpscaler == usualUpscaler && r.Denoising == usualDenoising && (r.HiresSteps == 0 || r.HiresSteps == r.Steps):
		b.Hires = r.HiresUpscale
	case second:
		unmatched = append(unmatched, "its second pass")
	case r.Denoising > 0:
		unmatched = append(unmatched, "the picture that it began from")
	}
	return b, unmatched
}

// apply lets a request have it.
func (b beyond) apply(r *Request) {
	r.RNG, r.ClipSkip, r.Eta, r.Emphasis = b.RNG, b.ClipSkip, b.Eta, b.Emphasis
	r.VariationSeed, r.VariationStrength, r.Hires = b.VariationSeed, b.VariationStrength, b.Hires
}

// words is what a person reads; "": there is nothing.
func (b beyond) words() string {
	var all []string
	add := func(on bool, format string, values ...any) {
		if on {
			all = append(all, fmt.Sprintf(format, values...))
		}
	}
	add(b.Hires > 0, "%g times as large", b.Hires)
	add(b.VariationStrength > 0, "%.0f %% of seed %d", 100*b.VariationStrength, uint64(b.VariationSeed))
	add(b.RNG != "", "noise as a GPU draws it")
	add(b.ClipSkip > 0, "clip skip %d", b.ClipSkip)
	add(b.Eta > 0, "eta %g", b.Eta)
	add(b.Emphasis != "", "emphasis %s", strings.ToLower(b.Emphasis))
	return strings.Join(all, ", ")
}
