package trainer

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"latent/gpu"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"
)

// What is forecast is what a training then takes.
func TestForecastOfMemory(t *testing.T) {
	for _, name := range []string{"sd1", "sdxl"} {
		for kind, change := range map[string]func(c *Config){
			"LoRA":        func(c *Config) {},
			"text frozen": func(c *Config) { c.LoRA.TextEncoder = false },
			"recomputed":  func(c *Config) { c.Denoiser.Checkpointed = true; c.Denoiser.Batch = 4 },
			"whole":       func(c *Config) { c.LoRA = nil; c.Denoiser.EMA = 0.9 },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				c := loraConfig(t, basePath(name))
				c.Denoiser.Steps = 1
				change(&c)
				dev := open(t)
				e, err := Forecast(dev, c)
				if err != nil {
					t.Fatal(err)
				}
				dev.ResetPeak()
				if err := Train(context.Background(), dev, c, false, nil); err != nil {
					t.Fatal(err)
				}
				took := dev.Memory().Peak
				if r := float64(e.Memory) / float64(took); r < 0.9 || r > 1.1 {
					t.Errorf("%d bytes are forecast, %d were taken", e.Memory, took)
				}
				if e.Flops < 1e6 || e.Step <= 0 {
					t.Errorf("a step of %g flops takes %v", e.Flops, e.Step)
				}
			})
		}
	}
}

// fullSize writes the config files of Stable Diffusion 1.5, a model without
// weights.
func fullSize(t *testing.T) string {
	t.Helper()
	u, v := unet.Default(), vae.Default()
	u.CrossAttentionDim = unet.Ints{768}
	const down, up = "DownEncoderBlock2D", "UpDecoderBlock2D"
	v.DownBlockTypes, v.UpBlockTypes = []string{down, down, down, down}, []string{up, up, up, up}
	v.BlockOutChannels, v.LayersPerBlock = []int{128, 256, 512, 512}, 2
	text, err := textencoder.ParseConfig([]byte(`{"model_type":"clip_text_model","hidden_size":768,"intermediate_size":3072,
		"num_attention_heads":12,"num_hidden_layers":12,"max_position_embeddings":77,"vocab_size":49408}`))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, cfg := range map[string]any{
		"unet/config.json": u, "vae/config.json": v, "text_encoder/config.json": text,
		"scheduler/scheduler_config.json": map[string]any{"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear"},
	} {
		data, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A LoRA of Stable Diffusion 1.5 at 512×512 fits into few gigabytes.
func TestForecastOfFullSize(t *testing.T) {
	base := fullSize(t)
	for _, c := range []struct {
		name        string
		batch       int
		checkpoints bool
		lora        *LoRA
		most        float64 // GB
	}{
		{"LoRA, batch 1, recomputed", 1, true, &LoRA{}, 4},
		{"LoRA, batch 1", 1, false, &LoRA{}, 7},
		{"LoRA, batch 4, recomputed", 4, true, &LoRA{}, 8},
		{"whole, batch 1, recomputed", 1, true, nil, 20},
	} {
		config := Config{
			Output: "x", Base: base, LoRA: c.lora, Precision: "bf16",
			Data:     Data{Folder: folderOfPictures(t, 2), Resolution: 512},
			Denoiser: Stage{Steps: 1, Batch: c.batch, Checkpointed: c.checkpoints},
		}
		config.SetDefaults()
		e, err := Forecast(hostDevice(t), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.2f GB, %.2f Tflop, %v a step", c.name, float64(e.Memory)/1e9, e.Flops/1e12, e.Step)
		if gb := float64(e.Memory) / 1e9; gb > c.most || gb < c.most/3 {
			t.Errorf("%s: %.2f GB are forecast, want at most %g", c.name, gb, c.most)
		}
	}
}

func hostDevice(t *testing.T) *gpu.Device {
	t.Helper()
	dev, err := gpu.Open("host")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(dev.Close)
	return dev
}
