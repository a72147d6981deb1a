package library

import (
	"bytes"
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
