package library

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	_ "latent/gpu/reference"
	"latent/gpu/safetensors"
)

// The files of python's parts.
const (
	textWeights = "text_encoder/model.safetensors"
	unetWeights = "unet/diffusion_pytorch_model.safetensors"
	vaeWeights  = "vae/diffusion_pytorch_model.safetensors"
)

// python is a model that diffusers and transformers wrote.
const python = "../pipeline/testdata/model"

func device(t *testing.T) *gpu.Device {
	t.Helper()
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

func openModel(t *testing.T, path string) *Model {
	t.Helper()
	m, err := Open(path, device(t), gpu.Float32)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// copyModel copies python into a folder to be changed.
func copyModel(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fox")
	if err := os.CopyFS(dir, os.DirFS(python)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// files reads a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// weights are a model's parameters by part and name.
func weights(m *Model) map[string][]byte {
	out := map[string][]byte{}
	for part, model := range map[string]any{"text_encoder.": m.Text, "unet.": m.UNet, "vae.": m.VAE} {
		for _, p := range nn.Params(model) {
			out[part+p.Key] = p.T.ReadBytes()
		}
	}
	return out
}

// What Save writes Open reads, and a second Save writes the same bytes.
func TestSaveThenOpen(t *testing.T) {
	for _, format := range []string{"F16", "F32"} { // the weights are those of an F16 file
		m := openModel(t, python)
		first, second := t.TempDir(), t.TempDir()
		if err := Save(first, m, format, nil); err != nil {
			t.Fatal(err)
		}
		again := openModel(t, first)
		if again.Name != filepath.Base(first) {
			t.Errorf("%s: the model is called %q", format, again.Name)
		}
		if !maps.EqualFunc(weights(m), weights(again), bytes.Equal) {
			t.Errorf("%s: other weights", format)
		}
		const prompt = "a red fox, and the sky"
		if got, want := again.Tokenizer.Encode(prompt), m.Tokenizer.Encode(prompt); !slices.Equal(got, want) {
			t.Errorf("%s: tokens %v, want %v", format, got, want)
		}
		if err := Save(second, again, format, nil); err != nil {
			t.Fatal(err)
		}
		if got, want := files(t, second), files(t, first); !maps.Equal(got, want) {
			t.Errorf("%s: a second round wrote other files", format)
		}
		for name := range files(t, first) {
			if strings.HasPrefix(filepath.Base(name), ".") {
				t.Errorf("%s: left %s behind", format, name)
			}
		}
	}
}

func TestSaveTakesValuesInPlace(t *testing.T) {
	m, dir := openModel(t, python), t.TempDir()
	if err := Save(dir, m, "F32", func(p nn.Named) *gpu.Tensor {
		return gpu.Scale(2, p.T)
	}); err != nil {
		t.Fatal(err)
	}
	got, want := openModel(t, dir).UNet.ConvIn.Weight.T.Float32s(), m.UNet.ConvIn.Weight.T.Float32s()
	for i := range want {
		if got[i] != 2*want[i] {
			t.Fatalf("weight %d is %v, want 2·%v", i, got[i], want[i])
		}
	}
}

func TestOpenFSEqualsOpen(t *testing.T) {
	m, err := OpenFS(os.DirFS(python), "inside", device(t), gpu.Float32)
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "inside" || !maps.EqualFunc(weights(m), weights(openModel(t, python)), bytes.Equal) {
		t.Error("OpenFS gives another model")
	}
}

// rewrite replaces a weights file by its changed entries.
func rewrite(t *testing.T, path string, change func(map[string]safetensors.Entry)) {
	t.Helper()
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries := map[string]safetensors.Entry{}
	for _, name := range f.Names() {
		v, _ := f.Get(name)
		entries[name] = safetensors.Entry{Name: name, DType: v.DType, Shape: v.Shape, Data: v.Data}
	}
	change(entries)
	if err := safetensors.Write(path, slices.Collect(maps.Values(entries)), nil); err != nil {
		t.Fatal(err)
	}
}

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

// An index that leads out of its folder is refused.
func TestShardsStayInTheirFolder(t *testing.T) {
	dir := copyModel(t)
	if err := os.Remove(filepath.Join(dir, unetWeights)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "unet/diffusion_pytorch_model.safetensors.index.json"), []byte(`{"weight_map":{"a":"../vae/x"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, device(t), gpu.Float32); err == nil || !strings.Contains(err.Error(), `"../vae/x" is not a file beside it`) {
		t.Error(err)
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

func TestSaveErrors(t *testing.T) {
	m := openModel(t, python)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Save(file, m, "F16", nil); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("saving over a file: %v", err)
	}
}
