package gallery

import (
	"encoding/json"
	"fmt"
	"strings"
)

// fromInvokeAI reads the metadata that InvokeAI writes since version 3.
func fromInvokeAI(data []byte) (Recipe, []string, error) {
	type model struct {
		Name      string `json:"name"`
		ModelName string `json:"model_name"` // before version 4
	}
	var m struct {
		Positive  string      `json:"positive_prompt"`
		Negative  string      `json:"negative_prompt"`
		Width     int         `json:"width"`
		Height    int         `json:"height"`
		Seed      json.Number `json:"seed"`
		Steps     int         `json:"steps"`
		CFG       float64     `json:"cfg_scale"`
		Scheduler string      `json:"scheduler"`
		Device    string      `json:"rand_device"`
		ClipSkip  int         `json:"clip_skip"` // layers left out
		Strength  float64     `json:"strength"`
		Model     *model      `json:"model"`
		VAE       *model      `json:"vae"`
		LoRAs     []struct {
			Model  *model  `json:"model"`
			LoRA   *model  `json:"lora"`
			Weight float64 `json:"weight"`
		} `json:"loras"`
		ControlNets []any `json:"controlnets"`
		IPAdapters  []any `json:"ipAdapters"`
		Refiner     any   `json:"refiner_model"`
	}
	if err := decodeJSON(data, &m); err != nil {
		return Recipe{}, nil, fmt.Errorf("damaged InvokeAI metadata: %w", err)
	}
	name := func(m *model) string {
		if m == nil {
			return ""
		}
		return baseName(m.Name + m.ModelName)
	}
	sampler, karras := strings.CutSuffix(m.Scheduler, "_k")
	r := Recipe{
		Prompt: m.Positive, Negative: m.Negative, Width: m.Width, Height: m.Height, Seed: parseSeed(m.Seed.String()),
		Steps: m.Steps, CFGScale: m.CFG, Sampler: displayed(samplers, displayed(invokeSamplers, sampler)),
		ClipSkip: m.ClipSkip + 1, Denoising: m.Strength, Model: name(m.Model), VAE: name(m.VAE), RNG: "cpu",
	}
	r.ClipSkip = r.clipSkip()
	if karras {
		r.ScheduleType = "Karras"
	}
	if m.Device == "cuda" {
		r.RNG = "nv"
	}
	for _, l := range m.LoRAs {
		if lora := name(l.Model) + name(l.LoRA); lora != "" {
			r.Prompt = strings.TrimSpace(r.Prompt + " " + loraTag(lora, l.Weight, l.Weight))
		}
	}
	var unmatched []string
	for _, f := range []struct {
		what string
		used bool
	}{{"ControlNet", len(m.ControlNets) > 0}, {"IP adapter", len(m.IPAdapters) > 0}, {"refiner", m.Refiner != nil}} {
		if f.used {
			unmatched = append(unmatched, f.what)
		}
	}
	return r, unmatched, nil
}

// fromNovelAI reads the settings that NovelAI keeps in a PNG's comment.
func fromNovelAI(data []byte, description string) (Recipe, []string, error) {
	var m struct {
		Prompt   string      `json:"prompt"`
		Negative string      `json:"uc"`
		Steps    int         `json:"steps"`
		Width    int         `json:"width"`
		Height   int         `json:"height"`
		Scale    float64     `json:"scale"`
		Seed     json.Number `json:"seed"`
		Strength float64     `json:"strength"`
		Sampler  string      `json:"sampler"`
		Schedule string      `json:"noise_schedule"`
		SMEA     bool        `json:"sm"`
		Rescale  float64     `json:"cfg_rescale"`
	}
	if err := decodeJSON(data, &m); err != nil {
		return Recipe{}, nil, fmt.Errorf("damaged NovelAI settings: %w", err)
	}
	if m.Prompt == "" {
		m.Prompt = description
	}
	var unmatched []string
	if m.SMEA {
		unmatched = append(unmatched, "SMEA")
	}
	if m.Rescale != 0 {
		unmatched = append(unmatched, "CFG rescale")
	}
	if strings.ContainsAny(m.Prompt+m.Negative, "{}") {
		unmatched = append(unmatched, "{emphasis}") // ×1.05 a brace
	}
	return Recipe{
		Prompt: m.Prompt, Negative: m.Negative, Steps: m.Steps, Width: m.Width, Height: m.Height, CFGScale: m.Scale,
		Seed: parseSeed(m.Seed.String()), Denoising: m.Strength, Sampler: displayed(samplers, strings.TrimPrefix(m.Sampler, "k_")),
		ScheduleType: displayed(schedules, m.Schedule),
	}, unmatched, nil
}
