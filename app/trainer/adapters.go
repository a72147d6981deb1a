package trainer

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"latent/app/library"
	"latent/app/library/lora"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/noise"
	"latent/scheduler"
)

// adapters are the LoRA that a training makes.
type adapters struct {
	*run
	parts map[string]any // of the model, by lora's names
	list  []adapter
}

type adapter struct {
	part string
	nn.NamedAdapter
}

// adapts tells whether a layer of a part of the model gets an adapter.
func (l LoRA) adapts(part, key string) bool {
	if part != lora.UNet {
		return strings.HasPrefix(key, "text_model.encoder.layers.")
	}
	return strings.Contains(key, ".attentions.") ||
		l.Conv && (strings.Contains(key, ".resnets.") || strings.Contains(key, "samplers."))
}

// adapt puts adapters beside the model's layers.
func (r *run) adapt() (*adapters, error) {
	a := &adapters{run: r, parts: map[string]any{lora.UNet: r.model.UNet, lora.Text1: r.model.Text}}
	names := []string{lora.UNet}
	if r.model.Text2 != nil {
		a.parts[lora.Text2] = r.model.Text2
	}
	if r.LoRA.TextEncoder {
		names = append(names, lora.Text1)
		if r.model.Text2 != nil {
			names = append(names, lora.Text2)
		}
	}
	rng := noise.NewRand(r.Seed + 0x4c6f5241)
	for _, part := range names {
		list, err := nn.Adapt(a.parts[part], r.dev, r.dtype, r.LoRA.Rank, float32(r.LoRA.Alpha/float64(r.LoRA.Rank)), rng,
			func(key string, _ *nn.Param) bool { return r.LoRA.adapts(part, key) })
		if err != nil {
			return nil, err
		}
		for _, l := range list {
			a.list = append(a.list, adapter{part, l})
		}
	}
	return a, nil
}

// tryInit finds out whether the LoRA to begin with fits, before pictures are read.
func (r *run) tryInit() error {
	if r.LoRA == nil {
		return nil
	}
	a, err := r.adapt()
	if err != nil {
		return err
	}
	defer a.remove()
	return a.begin()
}

// begin gives the adapters the weights of the LoRA that the recipe names, unless a
// checkpoint has theirs.
func (a *adapters) begin() error {
	if a.Init == "" || exists(a.statePath(stateFile(denoiserStage))) {
		return nil
	}
	f, err := lora.Read(a.Init)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	defer f.Close()
	if err := f.Begin(a.parts, a.layers(func(p *nn.Param) *gpu.Tensor { return p.T })); err != nil {
		return fmt.Errorf("init %s does not fit the recipe's lora: %w", a.Init, err)
	}
	return nil
}

// layers are the adapters with the values that of tells.
func (a *adapters) layers(of func(*nn.Param) *gpu.Tensor) (out []lora.Layer) {
	for _, l := range a.list {
		out = append(out, lora.Layer{Part: l.part, Name: l.Key, Down: of(l.Down), Up: of(l.Up), Alpha: a.LoRA.Alpha})
	}
	return out
}

// remove takes the adapters off the model.
func (a *adapters) remove() {
	for _, model := range a.parts {
		nn.Unadapt(model)
	}
}

// params are what is trained.
func (a *adapters) params() (out []nn.Named) {
	for _, l := range a.list {
		out = append(out, prefixed(l.part+"."+l.Key+".", nn.Trainable(l.Adapter))...)
	}
	return out
}

// write writes the LoRA's file; values are those of the parameters.
func (a *adapters) write(path string, values map[*nn.Param]*gpu.Tensor, format string, metadata map[string]string) error {
	layers := a.layers(func(p *nn.Param) *gpu.Tensor { return values[p] })
	return lora.Write(path, a.parts, layers, format, metadata)
}

// metadata says how the LoRA was made, under the names of kohya's programs, which
// others show. Two runs of a recipe write the same: there is no date.
func (r *run) metadata(steps int, batches *batches) map[string]string {
	s := r.Denoiser
	text := func(v any) string { return fmt.Sprint(v) }
	yes := func(b bool) string { return map[bool]string{true: "True", false: "False"}[b] }
	textLR := "None"
	if r.LoRA.TextEncoder {
		textLR = text(r.textLR())
	}
	perPass := batches.perPass()
	m := map[string]string{
		"ss_output_name":                 r.Name,
		"ss_base_model_version":          r.baseVersion(),
		"ss_v2":                          yes(r.model.Family == library.SD2),
		"ss_sd_model_name":               r.model.Name,
		"ss_steps":                       text(steps),
		"ss_max_train_steps":             text(s.Steps),
		"ss_num_epochs":                  text((steps*s.Accumulate + perPass - 1) / perPass),
		"ss_num_batches_per_epoch":       text(perPass),
		"ss_num_train_images":            text(len(r.data.Pass())),
		"ss_num_reg_images":              "0",
		"ss_batch_size_per_device":       text(s.Batch),
		"ss_gradient_accumulation_steps": text(s.Accumulate),
		"ss_gradient_checkpointing":      yes(s.Checkpointed),
		"ss_learning_rate":               text(s.LR),
		"ss_unet_lr":                     text(s.LR),
		"ss_text_encoder_lr":             textLR,
		"ss_lr_scheduler":                map[bool]string{true: "constant", false: s.Schedule}[s.Schedule == ""],
		"ss_lr_warmup_steps":             text(s.Warmup),
		"ss_optimizer":                   fmt.Sprintf("AdamW(betas=(%g, %g),weight_decay=%g)", s.Beta1, s.Beta2, s.WeightDecay),
		"ss_max_grad_norm":               text(s.ClipNorm),
		"ss_mixed_precision":             map[gpu.DType]string{gpu.Float32: "no", gpu.BFloat16: "bf16", gpu.Float16: "fp16"}[r.dtype],
		"ss_seed":                        text(r.Seed),
		"ss_resolution":                  fmt.Sprintf("(%d, %d)", r.Data.Resolution, r.Data.Resolution),
		"ss_enable_bucket":               yes(r.Data.Buckets),
		"ss_caption_dropout_rate":        text(s.CaptionDrop),
		"ss_prior_loss_weight":           text(r.Data.PriorWeight),
		"ss_tag_frequency":               r.tagFrequency(),
		"ss_network_args":                "{}",
		"modelspec.sai_model_spec":       "1.0.0",
		"modelspec.title":                r.Name,
		"modelspec.architecture":         r.architecture() + "/lora",
		"modelspec.implementation":       "https://github.com/Stability-AI/generative-models",
		"modelspec.resolution":           fmt.Sprintf("%dx%d", r.Data.Resolution, r.Data.Resolution),
		"modelspec.prediction_type":      map[bool]string{true: "v", false: "epsilon"}[r.model.Scheduler.PredictionType == scheduler.PredictVelocity],
	}
	if r.LoRA.Conv {
		args, _ := json.Marshal(map[string]string{"conv_dim": text(r.LoRA.Rank), "conv_alpha": text(r.LoRA.Alpha)})
		m["ss_network_args"] = string(args)
	}
	if s.MinSNR > 0 {
		m["ss_min_snr_gamma"] = text(s.MinSNR)
	}
	if s.NoiseOffset > 0 {
		m["ss_noise_offset"] = text(s.NoiseOffset)
	}
	if f, ok := r.data.(*folder); ok {
		if own := slices.IndexFunc(f.Pictures, func(e entry) bool { return e.Class }); own > 0 {
			m["ss_num_reg_images"] = text(len(f.Pictures) - own)
		}
	}
	if h, err := r.model.Hash(); err == nil && h != "" {
		m["ss_new_sd_model_hash"] = h
	}
	return m
}

// baseVersion is the family under the name that kohya's programs give it.
func (r *run) baseVersion() string {
	switch {
	case r.model.Family == library.SDXL:
		return "sdxl_base_v1-0"
	case r.model.Family == library.SD2 && r.model.Scheduler.PredictionType == scheduler.PredictVelocity:
		return "sd_v2_v"
	case r.model.Family == library.SD2:
		return "sd_v2"
	case r.model.Family == library.SD1:
		return "sd_v1"
	}
	return r.model.Name
}

// architecture is the family under its name in ModelSpec.
func (r *run) architecture() string {
	switch r.baseVersion() {
	case "sdxl_base_v1-0":
		return "stable-diffusion-xl-v1-base"
	case "sd_v2_v":
		return "stable-diffusion-v2-768-v"
	case "sd_v2":
		return "stable-diffusion-v2-512"
	case "sd_v1":
		return "stable-diffusion-v1"
	}
	return "latent-diffusion"
}

// tagFrequency counts the captions' parts between commas, by folder.
func (r *run) tagFrequency() string {
	count := map[string]map[string]int{}
	if f, ok := r.data.(*folder); ok {
		for i, e := range f.Pictures {
			dir := filepath.Base(filepath.Dir(f.path(i)))
			for _, tag := range strings.Split(e.Caption, ",") {
				if tag = strings.TrimSpace(tag); tag == "" {
					continue
				}
				if count[dir] == nil {
					count[dir] = map[string]int{}
				}
				count[dir][tag]++
			}
		}
	}
	data, err := json.Marshal(count) // its keys are sorted
	if err != nil {
		return "{}"
	}
	return string(data)
}

// textLR is the learning rate of the text encoders.
func (r *run) textLR() float64 {
	if r.Denoiser.TextLR == 0 {
		return r.Denoiser.LR
	}
	return r.Denoiser.TextLR
}
