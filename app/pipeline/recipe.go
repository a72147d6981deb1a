package pipeline

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"latent/app/gallery"
	"latent/app/library"
	"latent/assets"
	"latent/scheduler"
)

// hashDigits are as many of a LoRA's or an embedding's hash as recipes hold.
const hashDigits = 12

// Keys of what other programs have no key for.
const (
	KeyRescale          = "Guidance rescale"
	KeyPrediction       = "Prediction type"
	KeyGuidanceInterval = "Guidance interval" // FROM-TO, shares of the steps
	KeyCacheInterval    = "Cache interval"    // of DeepCache
)

// Keys are those that Latent alone has.
var Keys = []string{KeyRescale, KeyPrediction, KeyGuidanceInterval, KeyCacheInterval}

// interval is a share of the steps as ParseInterval reads it.
func interval(from, to float64) string { return fmt.Sprintf("%g-%g", from, to) }

// ParseInterval reads FROM-TO, a share of the steps with 0 ≤ FROM < TO ≤ 1.
func ParseInterval(text string) (from, to float64, err error) {
	a, b, _ := strings.Cut(text, "-")
	from, err = strconv.ParseFloat(a, 64)
	if err == nil {
		to, err = strconv.ParseFloat(b, 64)
	}
	if err != nil || !(from >= 0 && from < to && to <= 1) {
		return 0, 0, errors.New("want FROM-TO, the first at least 0 and less than the second, that at most 1")
	}
	return from, to, nil
}

// recipe is what the picture of a request for one says of itself.
func (g *generation) recipe(r Request) gallery.Recipe {
	sampler, named, _ := scheduler.FindSampler(r.Sampler) // which Validate has found
	out := gallery.Recipe{
		Prompt: r.Prompt, Negative: r.Negative, Steps: r.Steps, Sampler: sampler.Label,
		CFGScale: r.Guidance, Seed: int64(r.Seed), Width: r.Width, Height: r.Height,
		Model: g.Name, RNG: r.RNG, Eta: r.Eta, Emphasis: r.Emphasis,
		Version: gallery.Latent + " " + assets.Version,
	}
	for _, l := range r.LoRAs {
		out.Prompt += " " + l.String()
	}
	out.LoraHashes, out.TextualInversionHashes = g.loras, g.cond.used
	if r.Schedule != "" {
		named = r.Schedule
	}
	if s, err := scheduler.FindSchedule(named); err == nil && s.Name != scheduler.ScheduleAutomatic {
		out.ScheduleType = s.Label
	}
	if r.ClipSkip > 1 {
		out.ClipSkip = r.ClipSkip
	}
	if r.VAE != "" {
		out.VAE = filepath.Base(r.VAE)
	}
	if r.VariationStrength > 0 {
		out.VariationSeed, out.VariationStrength = int64(r.VariationSeed), r.VariationStrength
	}
	if r.Init != nil {
		out.Denoising = r.Strength
	}
	if r.Mask != nil {
		out.MaskBlur = r.MaskBlur
	}
	if h := r.Hires; h != nil {
		out.Denoising, out.HiresUpscaler = h.Strength, upscalerLabel(h.Upscaler)
		if h.Steps != r.Steps {
			out.HiresSteps = h.Steps
		}
		if out.HiresUpscale = h.Scale; h.Scale == 0 {
			out.HiresWidth, out.HiresHeight = h.Width, h.Height
		}
	}
	out.Extra = g.controls(r)
	extra := func(key, value string) { out.Extra = append(out.Extra, gallery.Pair{Key: key, Value: value}) }
	if r.Rescale > 0 {
		extra(KeyRescale, strconv.FormatFloat(r.Rescale, 'g', -1, 64))
	}
	if r.GuidanceStart > 0 || r.GuidanceEnd < 1 {
		extra(KeyGuidanceInterval, interval(r.GuidanceStart, r.GuidanceEnd))
	}
	if r.CacheInterval > 1 {
		extra(KeyCacheInterval, strconv.Itoa(r.CacheInterval))
	}
	if r.Prediction != "" {
		extra(KeyPrediction, r.Prediction)
	}
	return out
}

// vaeWeights is the file in a folder that diffusers saved.
const vaeWeights = "diffusion_pytorch_model.safetensors"

// hash gives the short hashes of the model's file and of the autoencoder's;
// empty where there is none, or it cannot be read any more: the picture is worth
// more.
func (g *generation) hash() (model, vae string) {
	if sum, err := g.Hash(); err == nil {
		model = library.ShortHash(sum)
	}
	if g.req.VAE == "" {
		return model, ""
	}
	for _, file := range []string{filepath.Join(g.req.VAE, "vae", vaeWeights), filepath.Join(g.req.VAE, vaeWeights), g.req.VAE} {
		if sum, err := library.Hash(file); err == nil {
			return model, library.ShortHash(sum)
		}
	}
	return model, ""
}
