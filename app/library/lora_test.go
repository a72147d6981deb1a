package library

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latent/app/library/lora"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/noise"
)

// loraFor writes a LoRA for every layer of a model's U-Net and text encoders that
// is a matrix.
func loraFor(t *testing.T, m *Model) *lora.File {
	t.Helper()
	random := noise.NewCPU(3)
	draw := func(shape ...int) *gpu.Tensor {
		data := make([]float32, shape[0]*shape[1])
		random.Normal(data)
		return m.Device.FromFloat32(data, gpu.Float32, shape...)
	}
	parts := map[string]any{lora.UNet: m.UNet, lora.Text1: m.Text}
	if m.Text2 != nil {
		parts[lora.Text2] = m.Text2
	}
	var layers []lora.Layer
	for part, model := range parts {
		for _, p := range nn.Params(model) {
			if name, ok := strings.CutSuffix(p.Key, ".weight"); ok && p.Kind == nn.Matrix {
				layers = append(layers, lora.Layer{Part: part, Name: name, Down: draw(2, p.Shape[1]), Up: draw(p.Shape[0], 2), Alpha: 1})
			}
		}
	}
	path := filepath.Join(t.TempDir(), "all.safetensors")
	if err := lora.Write(path, parts, layers, safetensors.F16, nil); err != nil {
		t.Fatal(err)
	}
	f, err := lora.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// A LoRA is taken off with the weights of the model's file: of a folder and of a
// single file of every family, in every type.
func TestLoRAs(t *testing.T) {
	for _, c := range cases {
		for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16} {
			single := "testdata/" + c.name + ".safetensors"
			file := openSmall(t, single, c.family, "testdata/"+c.name, dtype)
			file.Path = single
			for kind, m := range map[string]*Model{"folder": openModel16(t, "testdata/"+c.name, dtype), "file": file} {
				if m.Path == "" {
					t.Fatalf("%s %s has no path", c.name, kind)
				}
				before := allWeights(m)
				f := loraFor(t, m)
				p := LoRAs(m)
				fits, err := p.Set([]lora.Use{{File: f, UNet: 1, Text: 1}})
				if err != nil || len(fits[0].Unmatched) > 0 || fits[0].Layers < 40 {
					t.Fatalf("%s %s %v: %v, %v", c.name, kind, dtype, fits, err)
				}
				after := allWeights(m)
				changed := 0
				for key := range after {
					if !bytes.Equal(after[key], before[key]) {
						changed++
					}
				}
				if changed != fits[0].Layers {
					t.Errorf("%s %s %v: %d parameters changed, want %d", c.name, kind, dtype, changed, fits[0].Layers)
				}
				if _, err := p.Set(nil); err != nil {
					t.Fatal(err)
				}
				if !maps.EqualFunc(allWeights(m), before, bytes.Equal) {
					t.Errorf("%s %s %v: the weights are not what they were", c.name, kind, dtype)
				}
			}
		}
	}
}

func TestLoRAsOfAModelThatChanged(t *testing.T) {
	m := openModel(t, copyModel(t))
	f := loraFor(t, m)
	p := LoRAs(m)
	if _, err := p.Set([]lora.Use{{File: f, UNet: 1, Text: 1}}); err != nil {
		t.Fatal(err)
	}
	part := Parts(m.Path)[0]
	if err := os.Chtimes(part, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Set(nil); err == nil || !strings.Contains(err.Error(), "has changed since it was opened") {
		t.Errorf("error %v", err)
	}
}
