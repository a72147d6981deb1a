package library

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latent/gpu"
	"latent/gpu/safetensors"
	"latent/scheduler"
)

// vaeFile writes the autoencoder inside a small model in one file as a file of its
// own, its first bias changed, with the names given.
func vaeFile(t *testing.T, path, prefix string) {
	t.Helper()
	f, err := safetensors.Open("testdata/sd1.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var entries []safetensors.Entry
	for _, name := range f.Names() {
		if rest, ok := strings.CutPrefix(name, ldmVAE); ok {
			v, _ := f.Get(name)
			data := bytes.Clone(v.Data)
			if rest == "decoder.conv_in.bias" {
				clear(data)
			}
			entries = append(entries, safetensors.Entry{Name: prefix + rest, DType: v.DType, Shape: v.Shape, Data: data})
		}
	}
	for _, name := range []string{"global_step", "model_ema.decay"} { // of its training
		entries = append(entries, safetensors.Entry{Name: name, DType: safetensors.F32, Shape: []int{}, Data: make([]byte, 4)})
	}
	if err := safetensors.Write(path, entries, nil); err != nil {
		t.Fatal(err)
	}
}

// An autoencoder replaces the model's from a file or a folder, under either names.
func TestReplaceVAE(t *testing.T) {
	dir := t.TempDir()
	ldm, prefixed := filepath.Join(dir, "ldm.safetensors"), filepath.Join(dir, "prefixed.safetensors")
	vaeFile(t, ldm, "")
	vaeFile(t, prefixed, ldmVAE)
	own := weights(openModel(t, "testdata/sd1"))
	for _, c := range []struct {
		path    string
		changed bool
	}{
		{ldm, true}, {prefixed, true},
		{"testdata/sd1/vae/diffusion_pytorch_model.safetensors", false}, // a file with its config beside it
		{"testdata/sd1/vae", false}, {"testdata/sd1", false}, {"testdata/sd1.safetensors", false},
	} {
		for _, model := range []string{"folder", "file"} {
			o := Options{VAE: c.path}
			var m *Model
			var err error
			if model == "folder" {
				m, err = o.Open("testdata/sd1", device(t), gpu.Float32)
			} else {
				m, err = smallFile(t, "testdata/sd1.safetensors", SD1, "testdata/sd1", gpu.Float32, o)
			}
			if err != nil {
				t.Errorf("%s in a %s: %v", c.path, model, err)
				continue
			}
			got := weights(m)
			for key, data := range got {
				want := own[key]
				if c.changed && key == "vae.decoder.conv_in.bias" {
					want = make([]byte, len(data))
				}
				if !bytes.Equal(data, want) {
					t.Errorf("%s in a %s: %s has another value", c.path, model, key)
				}
			}
			if len(got) != len(own) {
				t.Errorf("%s in a %s: %d parameters, want %d", c.path, model, len(got), len(own))
			}
		}
	}
}

func TestReplaceVAEErrors(t *testing.T) {
	wide := filepath.Join(t.TempDir(), "flux.safetensors")
	writeHeader(t, wide, shapes{"decoder.up.0.block.0.conv1.weight": {1}, "decoder.conv_in.weight": {512, 16, 3, 3}}, nil)
	lora := filepath.Join(t.TempDir(), "lora.safetensors")
	writeHeader(t, lora, shapes{"x.lora_down.weight": {4, 8}}, nil)
	for path, want := range map[string]string{
		wide:                "makes latents of 16 channels, as Stable Diffusion 3 and Flux have, where the model's have 4",
		lora:                "is a LoRA, not an autoencoder",
		"absent":            "no such file or directory",
		t.TempDir():         "config.json is missing",
		"testdata/sd1/unet": `_class_name is "UNet2DConditionModel"`,
	} {
		dev := device(t)
		_, err := Options{VAE: path}.Open("testdata/sd1", dev, gpu.Float32)
		if err == nil || !strings.Contains(err.Error(), "autoencoder "+path+": ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if used := dev.Memory().InUse; used != 0 {
			t.Errorf("%s: %d bytes stay in use", path, used)
		}
	}
}

// A model in one file without autoencoder wants one, and takes one.
func TestFileWithoutVAE(t *testing.T) {
	s := fullSize(t, SD1, 4)
	for name := range s {
		if strings.HasPrefix(name, ldmVAE) {
			delete(s, name)
		}
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	writeHeader(t, path, s, nil)
	if _, err := Open(path, device(t), gpu.Float32); err == nil || !strings.Contains(err.Error(), "holds no autoencoder: choose a file that is one") {
		t.Error(err)
	}
	small := filepath.Join(t.TempDir(), "small.safetensors")
	data, err := os.ReadFile("testdata/sd1.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(small, data, 0o644); err != nil {
		t.Fatal(err)
	}
	rewrite(t, small, func(entries map[string]safetensors.Entry) {
		for name := range entries {
			if strings.HasPrefix(name, ldmVAE) {
				delete(entries, name)
			}
		}
	})
	m, err := smallFile(t, small, SD1, "testdata/sd1", gpu.Float32, Options{VAE: "testdata/sd1/vae"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(weights(m)), len(weights(openModel(t, "testdata/sd1"))); got != want {
		t.Errorf("%d parameters, want %d", got, want)
	}
}

func TestPredictionOption(t *testing.T) {
	for model, want := range map[string]string{"testdata/sd1": scheduler.PredictEpsilon, "testdata/sd2": scheduler.PredictVelocity} {
		if m := openModel(t, model); m.Scheduler.PredictionType != want {
			t.Errorf("%s predicts %s", model, m.Scheduler.PredictionType)
		}
	}
	m, err := Options{Prediction: scheduler.PredictEpsilon}.Open("testdata/sd2", device(t), gpu.Float32)
	if err != nil || m.Scheduler.PredictionType != scheduler.PredictEpsilon {
		t.Errorf("%v", err)
	}
	if _, err := (Options{Prediction: "guess"}).Open("testdata/sd2", device(t), gpu.Float32); err == nil || !strings.Contains(err.Error(), `prediction_type is "guess"`) {
		t.Error(err)
	}
}

// The number of training steps tells the two models of Stable Diffusion 2 apart,
// in a checkpoint as in a safetensors file.
func TestGlobalStep(t *testing.T) {
	f, err := OpenTensors("testdata/sd1.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := globalStep(f); n != 470000 {
		t.Errorf("global step %d, want 470000", n)
	}
	for steps, want := range map[float32]string{875000: scheduler.PredictEpsilon, 220000: scheduler.PredictVelocity} {
		var b bytes.Buffer
		if err := safetensors.WriteTo(&b, []safetensors.Entry{{Name: "global_step", DType: safetensors.I64, Shape: []int{}, Data: le64(int64(steps))}}, nil); err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := prediction(f, traits{family: SD2, channels: 4}, nil); got != want {
			t.Errorf("%v steps: %s, want %s", steps, got, want)
		}
	}
}

// Settings beside a model of Stable Diffusion 2 say what it predicts.
func TestYAML(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	writeHeader(t, path, fullSize(t, SD2, 4), nil)
	for yaml, want := range map[string]string{
		"": scheduler.PredictVelocity, // none
		"model:\n  params:\n    parameterization: \"v\"\n    unet_config:\n": scheduler.PredictVelocity,
		"model:\n  params:\n    unet_config:\n":                              scheduler.PredictEpsilon,
		"theme: dark\n":                                                      scheduler.PredictVelocity, // another program's
	} {
		beside := strings.TrimSuffix(path, ".safetensors") + ".yaml"
		os.Remove(beside)
		if yaml != "" {
			if err := os.WriteFile(beside, []byte(yaml), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := Identify(path).Prediction; got != want {
			t.Errorf("%q: %s, want %s", yaml, got, want)
		}
	}
}

func le64(n int64) []byte {
	out := make([]byte, 8)
	for i := range out {
		out[i] = byte(n >> (8 * i))
	}
	return out
}

// The second text encoder and what SDXL says of empty prompts survive a Save.
func TestSaveSDXL(t *testing.T) {
	m, dir := openModel(t, "testdata/sdxl"), t.TempDir()
	if m.Family != SDXL || !m.ZeroNegative || m.Text2 == nil || m.Tokenizer2 == nil || m.Path != "testdata/sdxl" || m.Name != "sdxl" {
		t.Fatalf("%+v", m)
	}
	if err := Save(dir, m, "F32", nil); err != nil {
		t.Fatal(err)
	}
	again := openModel(t, dir)
	got, want := allWeights(again), allWeights(m)
	if len(got) != len(want) || again.Family != SDXL || !again.ZeroNegative {
		t.Fatalf("%d parameters of %d", len(got), len(want))
	}
	for key := range want {
		if !bytes.Equal(got[key], want[key]) {
			t.Errorf("%s has another value", key)
		}
	}
	if w, h := m.NativeSize(); w != 16 || h != 16 || m.Inpaints() {
		t.Errorf("%d×%d", w, h)
	}
}

// A hash is that of the file's bytes, kept for as long as the file is the same.
func TestHash(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	path := filepath.Join(t.TempDir(), "m.safetensors")
	write := func(text string, at time.Time) string {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	check := func(want string) {
		t.Helper()
		if got, err := Hash(path); err != nil || got != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	early := time.Unix(1e9, 0)
	first := write("first", early)
	check(first)
	write("other", early) // same size and time: the kept one
	check(first)
	check(write("other", early.Add(time.Second)))
	if ShortHash(first) != first[:10] || ShortHash("") != "" {
		t.Error("short hash")
	}
	cache, where := readHashes()
	if len(cache) != 1 {
		t.Errorf("the cache holds %v", cache)
	}
	for _, damaged := range []string{"null", "[", "{}"} {
		if err := os.WriteFile(where, []byte(damaged), 0o644); err != nil {
			t.Fatal(err)
		}
		check(write("again", early))
	}
	if _, err := Hash(filepath.Join(t.TempDir(), "absent")); err == nil || strings.Count(err.Error(), "absent") != 1 {
		t.Error(err)
	}
}

// A folder's hash is its U-Net's, the same inside a file system.
func TestModelHash(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	data, err := os.ReadFile("testdata/sd1/unet/diffusion_pytorch_model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	inside, err := OpenFS(os.DirFS("testdata/sd1"), "inside", device(t), gpu.Float32)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Model{openModel(t, "testdata/sd1"), inside} {
		if got, err := m.Hash(); err != nil || got != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %s, %v", m.Name, got, err)
		}
	}
	if got, err := (&Model{}).Hash(); err != nil || got != "" {
		t.Errorf("a model that is no file: %q, %v", got, err)
	}
}
