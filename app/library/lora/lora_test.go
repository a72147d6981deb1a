package lora

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	_ "latent/gpu/host"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	_ "latent/gpu/reference"
	"latent/textencoder"
	"latent/unet"
)

// A model is a small pipeline of testdata with the inputs of its golden outputs.
type model struct {
	name   string
	unet   *unet.Model
	te     []*textencoder.Model
	file   *golden.File
	x      *gpu.Tensor
	cond   *gpu.Tensor
	pooled *gpu.Tensor
}

func load(t testing.TB, dev *gpu.Device, dtype gpu.DType, name string) *model {
	t.Helper()
	m := &model{name: name, file: golden.Open(t, "testdata", "golden.safetensors")}
	cfg, err := unet.ParseConfig(golden.Read(t, "testdata", name, "unet", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if m.unet, err = unet.New(cfg); err != nil {
		t.Fatal(err)
	}
	weights := func(model any, part string, rename func(string) string) {
		f := golden.Open(t, "testdata", name, part, "model.safetensors")
		if err := nn.Load(model, dev, dtype, nn.Renamed(f, rename)); err != nil {
			t.Fatal(part, err)
		}
	}
	weights(m.unet, "unet", func(s string) string { return s })
	for _, part := range []string{Text1, Text2}[:map[string]int{"sd1": 1, "sdxl": 2}[name]] {
		cfg, err := textencoder.ParseConfig(golden.Read(t, "testdata", name, part, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		te, err := textencoder.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		weights(te, part, textencoder.Rename)
		m.te = append(m.te, te)
	}
	m.x, m.cond = m.file.Tensor(dev, dtype, name+".x"), m.file.Tensor(dev, dtype, name+".cond")
	if name == "sdxl" {
		m.pooled = m.file.Tensor(dev, dtype, name+".pooled")
	}
	return m
}

func (m *model) parts() map[string]any {
	parts := map[string]any{UNet: m.unet}
	for i, te := range m.te {
		parts[[]string{Text1, Text2}[i]] = te
	}
	return parts
}

// check compares the outputs with the golden ones of a case.
func (m *model) check(t *testing.T, name string) {
	t.Helper()
	var added unet.Added
	if m.pooled != nil {
		added.Pooled = m.pooled
		added.TimeIDs = [][]float32{{64, 64, 0, 0, 64, 64}, {64, 64, 0, 0, 64, 64}}
	}
	const tol = 1e-4
	m.file.Close(m.name+"."+name+".y", m.unet.Forward(m.x, []float32{3, 871}, m.cond, &added), tol)
	for i, te := range m.te {
		ids := [][]int32{{18, 5, 6, 12, 19, 19}, {18, 1, 19, 19, 19, 19}}
		m.file.Close(m.name+"."+name+"."+[]string{Text1, Text2}[i], te.Forward(ids).LastHidden, tol)
	}
}

// bits are all weights as they lie on the device.
func (m *model) bits() (out [][]byte) {
	for _, part := range []string{UNet, Text1, Text2} {
		for _, p := range nn.Params(m.parts()[part]) {
			out = append(out, p.T.ReadBytes())
		}
	}
	return out
}

func read(t testing.TB, name string) *File {
	t.Helper()
	f, err := Read(filepath.Join("testdata", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func set(t testing.TB, p *Patcher, uses ...Use) []Fit {
	t.Helper()
	fits, err := p.Set(uses)
	if err != nil {
		t.Fatal(err)
	}
	return fits
}

func TestEqualsDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range []string{"sd1", "sdxl"} {
			t.Run(name, func(t *testing.T) {
				m := load(t, dev, gpu.Float32, name)
				kohya, peft := read(t, name+"_kohya"), read(t, name+"_peft")
				p := New(m.parts(), nil)
				for _, c := range []struct {
					name string
					uses []Use
				}{
					{"base", nil}, {"kohya", []Use{{kohya, 1, 1}}}, {"peft", []Use{{peft, 1, 1}}},
					{"both", []Use{{kohya, 0.8, 0.8}, {peft, -0.5, -0.5}}}, {"apart", []Use{{kohya, 0.75, 0.25}}}, {"base", nil},
				} {
					for _, fit := range set(t, p, c.uses...) {
						if len(fit.Unmatched) > 0 || fit.Layers == 0 {
							t.Errorf("%s: %d layers, unmatched %v", c.name, fit.Layers, fit.Unmatched)
						}
					}
					m.check(t, c.name)
				}
			})
		}
	})
}

// PEFT computes LoHa and LoKr as LyCORIS does; LoCon with a middle is three
// convolutions one after the other. α/√r is PEFT's.
func TestOtherKinds(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m := load(t, dev, gpu.Float32, "sd1")
		p := New(m.parts(), nil)
		set(t, p, Use{read(t, "sd1_rslora"), 1, 1})
		m.check(t, "rslora")
		for _, name := range []string{"sd1_loha", "sd1_loha_tucker", "sd1_lokr", "sd1_lokr_tucker", "sd1_lokr_whole", "sd1_locon_mid"} {
			set(t, p, Use{read(t, name), 1, 1})
			m.check(t, name)
		}
	})
}

func TestTakenOffBitForBit(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16} {
			t.Run(dtype.String(), func(t *testing.T) {
				m := load(t, dev, dtype, "sd1")
				a, b, c := read(t, "sd1_kohya"), read(t, "sd1_peft"), read(t, "sd1_loha")
				before := m.bits()
				same := func(what string, got, want [][]byte) {
					t.Helper()
					if !slices.EqualFunc(got, want, bytes.Equal) {
						t.Errorf("%s: the weights differ", what)
					}
				}
				p := New(m.parts(), nil)
				uses := []Use{{a, 0.8, 0.6}, {b, -0.5, 1}, {c, 0.3, 0}}
				set(t, p, uses...)
				applied := m.bits()
				if slices.EqualFunc(applied, before, bytes.Equal) {
					t.Error("nothing was applied")
				}
				set(t, p, uses...)
				same("twice", m.bits(), applied)
				set(t, p, Use{a, 2, 2}, Use{c, 1, 1})
				set(t, p, uses...)
				same("by way of other strengths", m.bits(), applied)
				set(t, p, Use{b, 0, 0})
				same("strength 0", m.bits(), before)
				if len(p.patched) != 0 {
					t.Errorf("%d copies are kept", len(p.patched))
				}
				set(t, p, uses...)
				set(t, p)
				same("taken off", m.bits(), before)

				inUse := dev.Memory().InUse
				set(t, p, uses...)
				set(t, p)
				if now := dev.Memory().InUse; now != inUse {
					t.Errorf("%d bytes in use, %d before", now, inUse)
				}
			})
		}
	})
}

// The originals can come from the model's file; then nothing is kept.
func TestReadsOriginalsAgain(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16} {
			m, q := load(t, dev, dtype, "sd1"), load(t, dev, dtype, "sd1")
			want := m.bits()
			gone := false
			p := New(m.parts(), func(part string, params []nn.Named) error {
				if gone {
					return errors.New("the file is gone")
				}
				f := golden.Open(t, "testdata", "sd1", part, "model.safetensors")
				return nn.Reload(nn.Renamed(f, map[string]func(string) string{UNet: strings.Clone, Text1: textencoder.Rename}[part]), params...)
			})
			a := read(t, "sd1_kohya")
			set(t, p, Use{a, 1, 1})
			set(t, p, Use{a, 0.5, 1})
			for _, patch := range p.patched {
				if patch.bytes != nil {
					t.Fatal("a copy is kept")
				}
			}
			set(t, New(q.parts(), nil), Use{a, 0.5, 1})
			if !slices.EqualFunc(m.bits(), q.bits(), bytes.Equal) {
				t.Error("the weights differ from those computed from copies")
			}
			gone = true
			if _, err := p.Set(nil); err == nil || !strings.Contains(err.Error(), "opened again") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
			gone = false
			set(t, p)
			if !slices.EqualFunc(want, m.bits(), bytes.Equal) {
				t.Error("the weights differ from the original")
			}
		}
	})
}

func TestForAnotherModel(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m := load(t, dev, gpu.Float32, "sd1")
	before := m.bits()
	p := New(m.parts(), nil)
	set(t, p, Use{read(t, "sd1_peft"), 1, 1})
	for _, name := range []string{"sdxl_kohya", "sdxl_peft"} {
		_, err := p.Set([]Use{{read(t, name), 1, 1}})
		if err == nil || !strings.Contains(err.Error(), "is for another model") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v", name, err)
		}
		if !slices.EqualFunc(m.bits(), before, bytes.Equal) {
			t.Errorf("%s: the weights are not the original ones", name)
		}
	}
	q := New(map[string]any{UNet: m.unet}, nil)
	fits := set(t, q, Use{read(t, "sd1_kohya"), 1, 1})
	if len(fits) != 1 || len(fits[0].Unmatched) != 12 || fits[0].Unmatched[0] != "lora_te_text_model_encoder_layers_0_mlp_fc1" {
		t.Errorf("unmatched without a text encoder: %v", fits)
	}
	f := read(t, "sd1_kohya")
	f.Close()
	if _, err := q.Set([]Use{{f, 1, 1}}); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a closed file: %v", err)
	}
}
