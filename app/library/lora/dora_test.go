package lora

import (
	"bytes"
	"slices"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/safetensors"
	"latent/unet"
)

// DoRAs compute what PEFT computes, and what the definition says where PEFT has
// none; off they leave every bit as it was.
func TestDoRA(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m := load(t, dev, gpu.Float32, "sd1")
		before := m.bits()
		want := golden.Open(t, "testdata", "golden_dora.safetensors")
		p := New(m.parts(), nil)
		for _, c := range []struct {
			golden, file string
			strength     float32
		}{
			{"sd1_dora_peft", "sd1_dora_peft", 1}, {"sd1_dora_peft", "sd1_dora", 1}, {"sd1_dora_part", "sd1_dora", 0.4},
			{"sd1_dora_columns", "sd1_dora_columns", 1}, {"sd1_dora_loha", "sd1_dora_loha", 1},
		} {
			f := read(t, c.file)
			fit := set(t, p, Use{f, c.strength, 1})[0]
			if len(fit.Unmatched) > 0 || fit.Layers < 20 || f.Facts().Kinds["DoRA"] != fit.Layers {
				t.Errorf("%s: %d layers, unmatched %v, %v", c.file, fit.Layers, fit.Unmatched, f.Facts().Kinds)
			}
			want.Close("sd1."+c.golden+".y", m.unet.Forward(m.x, []float32{3, 871}, m.cond, &unet.Added{}), 1e-4)
			set(t, p)
			if !slices.EqualFunc(before, m.bits(), bytes.Equal) {
				t.Fatalf("%s is not off", c.file)
			}
		}
	})
}

// Beside others a DoRA adds what it adds alone: all count from W₀.
func TestDoRAWithOthers(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	const key = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
	value := func(uses ...Use) []float32 {
		m := load(t, dev, gpu.Float32, "sd1")
		set(t, New(m.parts(), nil), uses...)
		for _, p := range nn.Params(m.unet) {
			if p.Key == key {
				return p.T.Float32s()
			}
		}
		t.Fatal("no", key)
		return nil
	}
	dora, columns, other := Use{read(t, "sd1_dora"), 0.5, 1}, Use{read(t, "sd1_dora_columns"), 0.25, 1}, Use{read(t, "sd1_kohya"), 0.75, 1}
	base, a, b, c := value(), value(dora), value(columns), value(other)
	for _, uses := range [][]Use{{dora, columns, other}, {other, dora, columns}} {
		for i, got := range value(uses...) {
			if want := a[i] + b[i] + c[i] - 2*base[i]; got-want > 1e-5 || want-got > 1e-5 {
				t.Fatalf("%d is %g, want %g", i, got, want)
			}
		}
	}
}

// The lengths of a DoRA's magnitudes tell what they belong to, and the rest is for
// another model.
func TestMagnitudes(t *testing.T) {
	view := func(shape ...int) safetensors.View { return safetensors.View{Shape: shape} }
	for _, c := range []struct {
		factor  string
		shape   []int
		out, in int
		rows    bool
		ok      bool
	}{
		{"dora", []int{8, 1}, 8, 4, true, true}, {"dora", []int{8}, 8, 8, true, true}, {"dora", []int{1, 4}, 8, 4, false, true},
		{"dora", []int{1, 8}, 8, 8, false, true}, {"dora", []int{8, 1, 1, 1}, 8, 8, true, true}, {"dora", []int{1, 4, 1, 1}, 8, 4, false, true},
		{"dora", []int{1, 8, 1, 1}, 8, 4, true, true}, {"dora", []int{3, 1}, 8, 4, true, false}, {"dora", []int{1, 3}, 8, 4, true, false},
		{"magnitude", []int{8}, 8, 8, true, true}, {"magnitude", []int{1, 8, 1, 1}, 8, 8, true, true}, {"magnitude", []int{4}, 8, 4, true, false},
	} {
		m := module{factors: map[string]safetensors.View{c.factor: view(c.shape...)}}
		factor, rows, ok := m.magnitudes(c.out, c.in)
		if factor != c.factor || ok != c.ok || ok && rows != c.rows {
			t.Errorf("%s %v of [%d,%d]: %s %v %v", c.factor, c.shape, c.out, c.in, factor, rows, ok)
		}
	}
}
