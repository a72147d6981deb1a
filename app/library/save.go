package library

import (
	"encoding/json"
	"os"
	"path/filepath"

	"latent/gpu"
	"latent/gpu/atomicfile"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/textencoder"
)

// Save writes the model as a diffusers folder. Each file is replaced whole;
// model_index.json, which makes the folder a model, comes last. format is "F16",
// "BF16" or "F32"; values replaces parameters' values (see nn.Entries).
func Save(folder string, m *Model, format string, values func(nn.Named) *gpu.Tensor) (err error) {
	defer gpu.Catch(&err)
	type file struct {
		dir, stem  string
		model, cfg any
	}
	vocabularies := map[string]textencoder.Vocabulary{"tokenizer": m.Vocabulary}
	files := []file{
		{"text_encoder", "model", m.Text, textConfig{m.Text.Config, "float32"}},
		{"unet", "diffusion_pytorch_model", m.UNet, m.UNet.Config},
		{"vae", "diffusion_pytorch_model", m.VAE, m.VAE.Config},
	}
	index := map[string]any{
		"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0",
		"text_encoder": []any{"transformers", "CLIPTextModel"}, "tokenizer": []any{"transformers", "CLIPTokenizer"},
		"unet": []any{"diffusers", "UNet2DConditionModel"}, "vae": []any{"diffusers", "AutoencoderKL"},
		"scheduler": []any{"diffusers", m.Scheduler.ClassName},
	}
	if m.Text2 != nil {
		vocabularies["tokenizer_2"] = m.Vocabulary2
		files = append(files, file{"text_encoder_2", "model", m.Text2, textConfig{m.Text2.Config, "float32"}})
		index["_class_name"] = "StableDiffusionXLPipeline"
		index["text_encoder_2"], index["tokenizer_2"] = []any{"transformers", "CLIPTextModelWithProjection"}, []any{"transformers", "CLIPTokenizer"}
		index["force_zeros_for_empty_prompt"] = m.ZeroNegative
	} else {
		index["safety_checker"], index["feature_extractor"] = []any{nil, nil}, []any{nil, nil}
		index["requires_safety_checker"] = false
	}
	for dir, v := range vocabularies {
		dir = filepath.Join(folder, dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for name, data := range v {
			if err := atomicfile.WriteFile(filepath.Join(dir, name), data); err != nil {
				return err
			}
		}
	}
	for _, f := range files {
		dir := filepath.Join(folder, f.dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		path := filepath.Join(dir, f.stem+".safetensors")
		if err := safetensors.Write(path, nn.Entries(f.model, format, values), map[string]string{"format": "pt"}); err != nil {
			return err
		}
		if err := writeJSON(filepath.Join(dir, "config.json"), f.cfg); err != nil {
			return err
		}
	}
	dir := filepath.Join(folder, "scheduler")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dir, "scheduler_config.json"), m.Scheduler); err != nil {
		return err
	}
	return writeJSON(filepath.Join(folder, "model_index.json"), index)
}

// textConfig says in which type to compute: without it transformers 5 takes that
// of the weights file, and diffusers takes float32 for the parts beside it.
type textConfig struct {
	textencoder.Config
	DType string `json:"dtype"`
}

// writeJSON replaces path by v as indented JSON.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(path, append(data, '\n'))
}
