package trainer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latent/app/library"
	"latent/app/library/lora"
	"latent/gpu"
	"latent/gpu/optim"
	"latent/gpu/safetensors"
	"latent/noise"
	"latent/unet"
)

// loraConfig is a recipe for a LoRA of a base.
func loraConfig(t *testing.T, base string) Config {
	t.Helper()
	c := Config{
		Output: filepath.Join(t.TempDir(), "ramp"), Base: base, Seed: 5, SaveFormat: "f32",
		Data:     Data{Folder: folderOfPictures(t, 5), Resolution: 32},
		Denoiser: Stage{Steps: 6, Batch: 2, LR: 1e-2, Schedule: "linear", Checkpoint: 1, CaptionDrop: 0.3, MinSNR: 5, NoiseOffset: 0.1},
		LoRA:     &LoRA{Rank: 3, Alpha: 2, Conv: true, TextEncoder: true},
	}
	c.SetDefaults()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// bases are small models that diffusers made, one of each family.
var bases = []string{"sd1", "sd2", "sdxl"}

func basePath(name string) string { return filepath.Join("../library/testdata", name) }

// outputs are what U-Net and text encoders compute of some input.
func outputs(m *library.Model) []float32 {
	dev := m.Device
	var out []float32
	dev.Scope(func() []*gpu.Tensor {
		ids := make([][][]int32, 1)
		for _, e := range m.Encoders() {
			ids[0] = append(ids[0], e.Tokenizer.Encode("a colour ramp"))
		}
		cond := (&texts{run: &run{model: m, dev: dev}}).forward(ids)
		x := make([]float32, 8*8*4)
		noise.NewRand(1).Normal(x)
		added := &unet.Added{Pooled: cond.Pooled, TimeIDs: [][]float32{square(32).floats()}}
		y := m.UNet.Forward(dev.FromFloat32(x, m.DType, 1, 8, 8, 4), []float32{500}, cond.Context, added)
		out = append(y.Float32s(), cond.Context.Float32s()...)
		return nil
	})
	return out
}

// The file of a LoRA, put on its base, gives the trained model.
func TestLoRAFileGivesTheTrainedModel(t *testing.T) {
	for _, name := range bases {
		t.Run(name, func(t *testing.T) {
			c := loraConfig(t, basePath(name))
			var state []byte
			err := Train(context.Background(), open(t), c, false, func(p Progress) {
				if p.Stage == "denoiser" && p.Step == c.Denoiser.Steps {
					state, _ = os.ReadFile(p.Checkpoint)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(c.Output, State)); err == nil {
				t.Error("the state is still there")
			}

			// The trained model: the base with the adapters of the last checkpoint.
			dev := open(t)
			r := &run{Training: &Training{Config: c}, dev: dev, dtype: gpu.Float32}
			if err := r.openModel(); err != nil {
				t.Fatal(err)
			}
			defer r.model.Close()
			before := outputs(r.model)
			a, err := r.adapt()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(outputs(r.model), before) {
				t.Error("new adapters change the model")
			}
			path := filepath.Join(t.TempDir(), "state.safetensors")
			if err := os.WriteFile(path, state, 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := safetensors.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			opt, err := optim.New(a.params(), optim.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := opt.Restore(f, "", 1); err != nil {
				t.Fatal(err)
			}
			want := outputs(r.model)
			opt.Free()
			a.remove()
			if !slices.Equal(outputs(r.model), before) {
				t.Error("the base has changed")
			}

			file, err := lora.Read(c.Result())
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			fits, err := library.LoRAs(r.model).Set([]lora.Use{{File: file, UNet: 1, Text: 1}})
			if err != nil {
				t.Fatal(err)
			}
			if len(fits[0].Unmatched) > 0 || fits[0].Layers != len(a.list) {
				t.Errorf("%d of %d layers, unmatched %v", fits[0].Layers, len(a.list), fits[0].Unmatched)
			}
			got := outputs(r.model)
			if d := distance(got, want); d > 1e-5 {
				t.Errorf("the file's model is %g away from the trained one", d)
			}
			if d := distance(before, want); d < 1e-3 {
				t.Errorf("training moved the model by %g only", d)
			}
		})
	}
}

// distance is |a−b|/|b|.
func distance(a, b []float32) float64 {
	var d, n float64
	for i := range b {
		d += float64(a[i]-b[i]) * float64(a[i]-b[i])
		n += float64(b[i]) * float64(b[i])
	}
	return d / n // of squares: 1e-5 is 0.3 %
}

func TestLoRAMetadata(t *testing.T) {
	c := loraConfig(t, basePath("sdxl"))
	if err := Train(context.Background(), open(t), c, false, nil); err != nil {
		t.Fatal(err)
	}
	f, err := lora.Read(c.Result())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for key, want := range map[string]string{
		"ss_network_module": "networks.lora", "ss_network_dim": "3", "ss_network_alpha": "2",
		"ss_base_model_version": "sdxl_base_v1-0", "ss_output_name": "ramp", "ss_steps": "6", "ss_learning_rate": "0.01",
		"ss_resolution": "(32, 32)", "ss_num_train_images": "5", "ss_num_epochs": "2", "ss_num_batches_per_epoch": "3",
		"ss_network_args": `{"conv_alpha":"2","conv_dim":"3"}`, "ss_noise_offset": "0.1", "ss_min_snr_gamma": "5",
		"modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
	} {
		if f.Metadata[key] != want {
			t.Errorf("%s is %q, want %q", key, f.Metadata[key], want)
		}
	}
	var tags map[string]map[string]int
	if err := json.Unmarshal([]byte(f.Metadata["ss_tag_frequency"]), &tags); err != nil {
		t.Error(err)
	}
	if want := map[string]int{"a colour ramp": 5}; !maps.Equal(tags[filepath.Base(c.Data.Folder)], want) {
		t.Errorf("tags %v", tags)
	}
	if h, err := lora.AddNetHash(c.Result()); err != nil || h != f.Metadata["sshs_model_hash"] {
		t.Errorf("hash %s, %v; the file says %s", h, err, f.Metadata["sshs_model_hash"])
	}
	if len(f.Metadata["ss_new_sd_model_hash"]) != 64 {
		t.Errorf("the base's hash is %q", f.Metadata["ss_new_sd_model_hash"])
	}
}

func result(t *testing.T, c Config) []byte {
	t.Helper()
	data, err := os.ReadFile(c.Result())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A stopped LoRA goes on to the very same file, whether its text encoder moves or
// was encoded once.
func TestResumedLoRAIsTheSame(t *testing.T) {
	for _, text := range []bool{true, false} {
		c := loraConfig(t, basePath("sd1"))
		c.LoRA.TextEncoder = text
		c.Data.Buckets, c.Data.Resolution = true, 64
		c.Data.Folder = t.TempDir()
		drawPictures(t, c.Data.Folder, [][2]int{{64, 64}, {100, 50}, {50, 100}, {70, 60}, {120, 60}})
		want := map[key]float64{}
		if err := losses(t, c, false, "", 0, want); err != nil {
			t.Fatal(err)
		}
		wantFile := result(t, c)
		for _, at := range []int{1, 4} {
			c.Output = filepath.Join(t.TempDir(), "ramp")
			got := map[key]float64{}
			if err := losses(t, c, false, "denoiser", at, got); !errors.Is(err, context.Canceled) {
				t.Fatalf("stopped run gave %v", err)
			}
			if err := losses(t, c, true, "", 0, got); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got, want) {
				t.Errorf("stopped at %d: losses %v, want %v", at, got, want)
			}
			if !bytes.Equal(result(t, c), wantFile) {
				t.Errorf("stopped at %d: another file", at)
			}
		}
		if err := losses(t, c, false, "", 0, want); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("a second training over the file: %v", err)
		}
	}
}

// Text that is encoded once is the text that is encoded each time.
func TestKeptTextEqualsFresh(t *testing.T) {
	for _, name := range []string{"sd1", "sd2", "sdxl"} {
		c := loraConfig(t, basePath(name))
		r := &run{Training: &Training{Config: c}, ctx: context.Background(), dev: open(t), dtype: gpu.Float32}
		if err := r.openData(); err != nil {
			t.Fatal(err)
		}
		if err := r.openModel(); err != nil {
			t.Fatal(err)
		}
		defer r.model.Close()
		if err := os.MkdirAll(filepath.Join(c.Output, State), 0o755); err != nil {
			t.Fatal(err)
		}
		cache, err := r.cacheLatents()
		if err != nil {
			t.Fatal(err)
		}
		kept, err := r.encodings(cache, false)
		if err != nil {
			t.Fatal(err)
		}
		defer kept.close()
		fresh, err := r.encodings(cache, true)
		if err != nil {
			t.Fatal(err)
		}
		dropped := []bool{false, true}
		a, b := kept.batch([]int{1, 2}, dropped), fresh.batch([]int{1, 2}, dropped)
		for what, pair := range map[string][2]*gpu.Tensor{"context": {a.Context, b.Context}, "pooled": {a.Pooled, b.Pooled}} {
			if (pair[0] == nil) != (name != "sdxl" && what == "pooled") || (pair[0] == nil) != (pair[1] == nil) {
				t.Fatalf("%s: %s is %v and %v", name, what, pair[0], pair[1])
			}
			if pair[0] == nil {
				continue
			}
			x, y := pair[0].Float32s(), pair[1].Float32s()
			if d := distance(x, y); d > 1e-10 {
				t.Errorf("%s: kept %s is %g away", name, what, d)
			}
			zero := !slices.ContainsFunc(x[len(x)/2:], func(v float32) bool { return v != 0 })
			if zero != r.model.ZeroNegative {
				t.Errorf("%s: the dropped caption's %s is zero: %v, want %v", name, what, zero, r.model.ZeroNegative)
			}
		}
	}
}
