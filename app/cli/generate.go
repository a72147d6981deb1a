package cli

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"latent/app/pipeline"
	"latent/scheduler"
)

// Guidance where none is given: small models want less.
const (
	builtinGuidance = 4
	usualGuidance   = 7.5
)

var generateGroups = []flagGroup{
	{"What to paint", []string{"prompt", "negative", "seed", "count", "size", "out"}},
	{"Which model", []string{"model", "vae", "prediction", "lora", "lora-dir", "embeddings-dir"}},
	{"How to sample", []string{"steps", "cfg", "cfg-interval", "sampler", "schedule", "eta", "guidance-rescale", "clip-skip", "rng", "variation-seed", "variation-strength", "cache-interval"}},
	{"From another picture", []string{"init", "strength", "mask", "mask-blur", "only-masked", "mask-padding"}},
	{"Guided by a picture", []string{"control", "control-preprocessor", "control-dir"}},
	{"Large pictures", []string{"hires", "hires-strength", "hires-steps", "hires-upscaler", "upscaler-dir", "tiling"}},
	{"Where to compute", []string{"device", "precision"}},
}

func generate(ctx context.Context, args []string) error {
	var req pipeline.Request
	f := newFlags("generate")
	f.StringVar(&req.Prompt, "prompt", "", "`TEXT`: what to paint; (word:1.2) weighs it, [a:b:0.5] changes it half way, A AND B paints both, <lora:name:0.8> takes a LoRA")
	f.StringVar(&req.Negative, "negative", "", "`TEXT`: what to keep out of the picture")
	model := f.String("model", pipeline.Builtin, "`PATH`: a diffusers model folder, or a model in one file")
	f.StringVar(&req.VAE, "vae", "", "`PATH`: an autoencoder in place of the model's own")
	f.StringVar(&req.Prediction, "prediction", "", "`NAME`: what the model predicts, epsilon or v_prediction; without it what its files say")
	f.IntVar(&req.Steps, "steps", 20, "`N`: steps of the sampler")
	f.Float64Var(&req.Guidance, "cfg", 0, fmt.Sprintf("`F`: guidance scale; 1 is none; without it %d with the built-in model, else %.1f", builtinGuidance, usualGuidance))
	f.Float64Var(&req.Rescale, "guidance-rescale", 0, "`F`: share of guidance rescale, 0 to 1")
	addShortCuts(f, &req)
	f.StringVar(&req.Sampler, "sampler", "", "`NAME`: "+strings.Join(scheduler.SamplerNames(), ", ")+"; without it the model's own")
	f.StringVar(&req.Schedule, "schedule", "", "`NAME`: "+strings.Join(scheduleNames(), ", "))
	f.Float64Var(&req.Eta, "eta", 0, "`F`: share of fresh noise, 0 to 1; without it the sampler's own")
	f.Uint64Var(&req.Seed, "seed", 0, "`N`: seed of the first picture, one more for each further one; without it a random one")
	f.Uint64Var(&req.VariationSeed, "variation-seed", 0, "`N`: seed to vary the picture by, one more for each further one; without it a random one")
	f.Float64Var(&req.VariationStrength, "variation-strength", 0, "`F`: share of that seed's noise, 0 to 1")
	f.StringVar(&req.RNG, "rng", "cpu", "`NAME`: draw noise as PyTorch does on cpu or nv")
	size := f.String("size", "", "`WxH`: width and height in pixels; without it that of --init, or the one the model was trained on")
	f.IntVar(&req.Count, "count", 1, "`N`: how many pictures")
	f.IntVar(&req.ClipSkip, "clip-skip", 0, "`N`: layer of the text encoder that is read, from the end: 1 is the last")
	f.StringVar(&req.Embeddings, "embeddings-dir", "", "`DIR`: learned words (textual inversion), each called as its file")
	f.StringVar(&req.LoRAFolder, "lora-dir", "", "`DIR`: where LoRAs are looked for by their names")
	f.Func("lora", "`NAME:W`: a LoRA of --lora-dir, or a path, with its strength (1); may be given several times", func(s string) error {
		l, err := parseLoRA(s)
		req.LoRAs = append(req.LoRAs, l)
		return err
	})
	more := addWays(f, &req)
	guides := addControls(f, &req)
	device, precision := f.device(), f.precision()
	out := f.String("out", "", "`FILE|DIR`: a .png file, or a folder for numbered ones")
	_, done, err := f.parse(args)
	switch {
	case done || err != nil:
		return err
	case !f.given("prompt"):
		return badUsage("generate: --prompt is missing; see latent help generate")
	case *out == "":
		return badUsage("generate: --out is missing: name a .png file or a folder")
	case req.Count < 1:
		return badUsage("generate: --count %d: at least 1 is needed", req.Count)
	case req.ClipSkip < 0:
		return badUsage("generate: --clip-skip %d: 1 is the last layer", req.ClipSkip)
	case f.given("prediction") && req.Prediction != scheduler.PredictEpsilon && req.Prediction != scheduler.PredictVelocity:
		return badUsage("generate: --prediction %q: %s or %s", req.Prediction, scheduler.PredictEpsilon, scheduler.PredictVelocity)
	}
	if *size != "" {
		if req.Width, req.Height, err = parseSize(*size); err != nil {
			return err
		}
	}
	if err := more.apply(f, &req); err != nil {
		return err
	}
	if err := guides.apply(&req); err != nil {
		return err
	}
	if !f.given("cfg") {
		req.Guidance = usualGuidance
		if *model == pipeline.Builtin {
			req.Guidance = builtinGuidance
		}
	}
	if !f.given("seed") {
		req.Seed = uint64(rand.Uint32())
	}
	if !f.given("variation-seed") {
		req.VariationSeed = uint64(rand.Uint32())
	}
	target, err := openOutput(*out, req.Count)
	if err != nil {
		return err
	}
	defer target.close()
	engine, err := startEngine(*device, *precision)
	if err != nil {
		return err
	}
	defer engine.Close()
	return paint(ctx, engine, *model, req, target)
}

// parseLoRA reads NAME, NAME:STRENGTH or NAME:TEXT:UNET, as prompts have it
// between <lora: and >.
func parseLoRA(s string) (l pipeline.LoRA, err error) {
	parts := splitPaths(s)
	l = pipeline.LoRA{Name: parts[0], Text: 1, UNet: 1}
	bad := l.Name == "" || len(parts) > 3
	for i, text := range parts[1:] {
		v, err := strconv.ParseFloat(text, 64)
		bad = bad || err != nil || math.IsNaN(v) || math.IsInf(v, 0)
		if l.UNet = v; i == 0 {
			l.Text = v
		}
	}
	if bad {
		return l, fmt.Errorf("want NAME:STRENGTH, such as fur:0.8")
	}
	return l, nil
}

func scheduleNames() (names []string) {
	for _, s := range scheduler.Schedules() {
		names = append(names, s.Name)
	}
	return names
}

// paint makes the pictures one by one and saves each as soon as it is done.
func paint(ctx context.Context, engine *pipeline.Engine, model string, req pipeline.Request, target *output) error {
	count := req.Count
	var m *meter
	defer func() { m.close() }()
	start := time.Now()
	rescued := 0 // blocks that were told of
	for k := range count {
		made, err := engine.Generate(ctx, model, req.At(k), func(p pipeline.Progress) {
			if m == nil {
				m = newMeter(count * p.Steps)
			}
			done := k*p.Steps + p.Step
			m.set(done, func() []string {
				var which string
				if count > 1 {
					which = fmt.Sprintf("picture %d of %d", k+1, count)
				}
				if done == 0 {
					return []string{which}
				}
				rest := count*p.Steps - done
				return []string{which, left(time.Since(start) / time.Duration(done) * time.Duration(rest))}
			})
		})
		if err != nil {
			if err == ctx.Err() && k > 0 {
				return fmt.Errorf("stopped after %d of %d pictures", k, count)
			}
			return err
		}
		path, err := target.save(made[0])
		if err != nil {
			return err
		}
		m.close()
		if blocks := made[0].Rescued; len(blocks) > rescued {
			rescued = len(blocks)
			fmt.Fprintf(os.Stderr, "numbers overflowed and were computed in float32: %s\n", strings.Join(blocks, ", "))
		}
		seed := fmt.Sprintf("seed %d", made[0].Seed)
		if req.VariationStrength > 0 {
			seed += fmt.Sprintf(", variation seed %d", req.At(k).VariationSeed)
		}
		fmt.Printf("%s  (%s)\n", path, seed)
	}
	return nil
}

// parseSize reads "512x768", width first.
func parseSize(s string) (width, height int, err error) { return parseSizeOf("size", s) }

func parseSizeOf(name, s string) (width, height int, err error) {
	w, h, ok := strings.Cut(strings.ToLower(s), "x")
	width, err1 := strconv.Atoi(w)
	height, err2 := strconv.Atoi(h)
	// Nought would stand for the model's own size.
	if !ok || err1 != nil || err2 != nil || width < 1 || height < 1 {
		return 0, 0, badUsage("--%s %q: want width x height in pixels, such as 512x768", name, s)
	}
	return width, height, nil
}
