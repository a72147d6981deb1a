package library

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latent/gpu"
	_ "latent/gpu/reference"
	"latent/gpu/safetensors"
)

// Text encoders of transformers 4 and autoencoders of 2022 name their
// parameters otherwise.
func TestOpensOtherNames(t *testing.T) {
	dir := copyModel(t)
	rewrite(t, filepath.Join(dir, textWeights), func(entries map[string]safetensors.Entry) {
		for name, e := range maps.Clone(entries) {
			delete(entries, name)
			e.Name = "text_model." + strings.TrimPrefix(name, "text_model.")
			entries[e.Name] = e
		}
	})
	old := strings.NewReplacer("to_q.", "query.", "to_k.", "key.", "to_v.", "value.", "to_out.0.", "proj_attn.")
	renamed := 0
	rewrite(t, filepath.Join(dir, vaeWeights), func(entries map[string]safetensors.Entry) {
		for name, e := range maps.Clone(entries) {
			if e.Name = old.Replace(name); e.Name != name {
				delete(entries, name)
				entries[e.Name] = e
				renamed++
			}
		}
	})
	if renamed != 16 {
		t.Fatalf("%d old names, want 16", renamed)
	}
	if !maps.EqualFunc(weights(openModel(t, dir)), weights(openModel(t, python)), bytes.Equal) {
		t.Error("other weights under old names")
	}
}

// Folders come with variants of the weights, in shards, as torch.save's files, and
// without the tokenizer, in which case its text encoder's tokens must be CLIP's.
func TestOpensOtherFiles(t *testing.T) {
	move := func(from, to string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := weights(openModel(t, python))
	for name, change := range map[string]func(t *testing.T, dir string){
		"fp16": func(t *testing.T, dir string) {
			move(textWeights, "text_encoder/model.fp16.safetensors")(t, dir)
			move(unetWeights, "unet/diffusion_pytorch_model.fp16.safetensors")(t, dir)
		},
		"another variant": move(vaeWeights, "vae/diffusion_pytorch_model.non_ema.safetensors"),
		"fp16 beside another": func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "unet/diffusion_pytorch_model.bad.safetensors"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			move(unetWeights, "unet/diffusion_pytorch_model.fp16.safetensors")(t, dir)
		},
		"shards": func(t *testing.T, dir string) {
			index := map[string]string{}
			for i, keep := range []func(string) bool{
				func(n string) bool { return strings.HasPrefix(n, "down") },
				func(n string) bool { return !strings.HasPrefix(n, "down") },
			} {
				file := fmt.Sprintf("diffusion_pytorch_model-%05d-of-00002.safetensors", i+1)
				data, err := os.ReadFile(filepath.Join(dir, unetWeights))
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, "unet", file)
				if err := os.WriteFile(path, data, 0o644); err != nil {
					t.Fatal(err)
				}
				rewrite(t, path, func(entries map[string]safetensors.Entry) {
					maps.DeleteFunc(entries, func(n string, _ safetensors.Entry) bool { return !keep(n) })
					for n := range entries {
						index[n] = file
					}
				})
			}
			data, err := json.Marshal(map[string]any{"weight_map": index})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "unet/diffusion_pytorch_model.safetensors.index.json"), data, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(dir, unetWeights)); err != nil {
				t.Fatal(err)
			}
		},
		"bin": move(textWeights, "text_encoder/pytorch_model.bin"), // whatever it is called
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyModel(t)
			change(t, dir)
			if !maps.EqualFunc(weights(openModel(t, dir)), want, bytes.Equal) {
				t.Error("other weights")
			}
			if i := Identify(dir); i.Err != nil || i.Kind != KindModel || i.Size < 100_000 {
				t.Errorf("identified as %+v", i)
			}
			if n := len(Parts(dir)); n < 3 {
				t.Errorf("%d files of weights", n)
			}
		})
	}
}

// Every way a folder can be wrong is told in one line that names model and file.
func TestOpenErrors(t *testing.T) {
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string // after "model <path>: "
	}{
		{"no folder", remove("."), "no such file or directory"},
		{"file", func(t *testing.T, dir string) {
			remove(".")(t, dir)
			write(".", "weights")(t, dir)
		}, "not a safetensors file but only 7 bytes; download it again"},
		{"empty folder", func(t *testing.T, dir string) {
			remove(".")(t, dir)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}, "unet/config.json is missing: this is not a whole diffusers model folder"},
		{"no unet config", remove("unet/config.json"), "unet/config.json is missing: this is not a whole diffusers model folder"},
		{"no scheduler", remove("scheduler"), "scheduler/scheduler_config.json is missing: this is not a whole diffusers model folder"},
		{"no tokenizer", remove("tokenizer"), "tokenizer folder is missing: this is not a whole diffusers model folder"},
		{"tokenizer without vocabulary", remove("tokenizer/tokenizer.json"), "tokenizer: vocab.json: file does not exist"},
		{"no weights", remove(vaeWeights), "vae/diffusion_pytorch_model.safetensors: file does not exist"},
		{"other pipeline", func(t *testing.T, dir string) {
			remove("unet")(t, dir)
			write("model_index.json", `{"_class_name":"FluxPipeline"}`)(t, dir)
		}, "is made for diffusers' FluxPipeline, which is not supported: only Stable Diffusion 1.x, 2.x and XL are"},
		{"bad json", write("unet/config.json", "{"), "unet/config.json: U-Net config: unexpected end of JSON input"},
		{"another model's scheduler", write("scheduler/scheduler_config.json", `{"_class_name":"FlowMatchEulerDiscreteScheduler"}`),
			"scheduler/scheduler_config.json: scheduler config: FlowMatchEulerDiscreteScheduler is for flow-matching models (SD 3, Flux), which are not supported"},
		{"truncated", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, unetWeights), 100_000); err != nil {
				t.Fatal(err)
			}
		}, "unet/diffusion_pytorch_model.safetensors: truncated: 100000 of 156112 bytes; download it again"},
		{"missing key", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, unetWeights), func(e map[string]safetensors.Entry) { delete(e, "conv_in.bias") })
		}, "unet/diffusion_pytorch_model.safetensors: weights do not fit the model: 1 missing (conv_in.bias)"},
		{"unexpected key", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, vaeWeights), func(e map[string]safetensors.Entry) {
				e["extra"] = safetensors.Entry{Name: "extra", DType: safetensors.F16, Shape: []int{1}, Data: []byte{0, 0}}
			})
		}, "vae/diffusion_pytorch_model.safetensors: weights do not fit the model: 1 unexpected (extra)"},
		{"other width", write("text_encoder/config.json", `{"model_type":"clip_text_model","hidden_size":16,"intermediate_size":32,"num_attention_heads":2,"num_hidden_layers":2,"max_position_embeddings":10,"vocab_size":65}`),
			"text_encoder/model.safetensors: weights do not fit the model: 1 of another shape (text_model.embeddings.position_embedding.weight [12 16], want [10 16])"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyModel(t)
			c.damage(t, dir)
			dev := device(t)
			_, err := Open(dir, dev, gpu.Float32)
			if err == nil || !strings.HasPrefix(err.Error(), "model "+dir+": "+c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant model %s: %s", err, dir, c.want)
			}
			if used := dev.Memory().InUse; used != 0 {
				t.Errorf("%d bytes stay in use", used)
			}
		})
	}
}
