package optim_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/optim"
	"latent/gpu/safetensors"
	"latent/noise"
)

// layers is a matrix and vectors to optimise.
type layers struct {
	Linear *nn.Linear    `key:"linear"`
	Norm   *nn.LayerNorm `key:"norm"`
}

func newLayers(t *testing.T, dev *gpu.Device, dtype gpu.DType) *layers {
	t.Helper()
	m := &layers{nn.NewLinear(5, 7, true), nn.NewLayerNorm(7, 1e-5)}
	if err := nn.Init(m, dev, dtype, noise.NewRand(1)); err != nil {
		t.Fatal(err)
	}
	return m
}

func newAdamW(t *testing.T, m *layers, c optim.Config) *optim.AdamW {
	t.Helper()
	if c.Beta1 == 0 {
		c.Beta1, c.Beta2, c.Eps = 0.9, 0.99, 1e-8
	}
	o, err := optim.New(nn.Trainable(m), c)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// differentiate gives m the gradients of a loss, times scale.
func differentiate(dev *gpu.Device, m *layers, seed uint64, scale float32) {
	dtype := m.Linear.Weight.T.DType()
	x, target := make([]float32, 3*5), make([]float32, 3*7)
	r := noise.NewRand(seed)
	r.Normal(x)
	r.Normal(target)
	dev.Differentiate(scale, func() *gpu.Tensor {
		y := m.Norm.Forward(m.Linear.Forward(dev.FromFloat32(x, dtype, 3, 5)))
		return gpu.MSE(y, dev.FromFloat32(target, dtype, 3, 7), nil)
	})
}

// bits are the parameters, bit for bit.
func bits(m *layers) []byte {
	var out []byte
	for _, p := range nn.Params(m) {
		out = append(out, p.T.ReadBytes()...)
	}
	return out
}

// With ε far above the gradients, Adam's first step is lr·gradient/ε: so the
// step shows how the gradient was clipped.
func TestClipping(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		step := func(clip float64) (norm, moved float64) {
			m := newLayers(t, dev, gpu.Float32)
			o := newAdamW(t, m, optim.Config{Beta1: 0.9, Beta2: 0.99, Eps: 1e4, ClipNorm: clip})
			differentiate(dev, m, 2, 10)
			before := floats(m)
			norm = o.Step(1e4)
			for i, v := range floats(m) {
				moved += math.Pow(float64(v-before[i]), 2)
			}
			return norm, math.Sqrt(moved)
		}
		norm, moved := step(0)
		if math.Abs(moved/norm-1) > 1e-3 {
			t.Fatalf("unclipped, a gradient of norm %v moved the weights by %v", norm, moved)
		}
		for _, clip := range []float64{norm / 3, norm * 3} {
			got, moved := step(clip)
			if got != norm {
				t.Errorf("norm is %v with clipping at %v, %v without", got, clip, norm)
			}
			if want := min(norm, clip); math.Abs(moved/want-1) > 1e-3 {
				t.Errorf("clipped at %v, a gradient of norm %v counted as %v", clip, norm, moved)
			}
		}
	})
}

func floats(m *layers) []float32 {
	var out []float32
	for _, p := range nn.Params(m) {
		out = append(out, p.T.Float32s()...)
	}
	return out
}

// Without gradients only the decay is left: it takes matrices, not vectors, and
// a parameter that no gradient reached stays as it is.
func TestWeightDecay(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m := newLayers(t, dev, gpu.Float32)
		o := newAdamW(t, m, optim.Config{WeightDecay: 0.5})
		before := bits(m)
		o.Step(0.1)
		if !bytes.Equal(bits(m), before) {
			t.Error("a step without gradients moved the weights")
		}
		for _, p := range nn.Params(m) {
			want := p.T.Float32s()
			differentiate(dev, m, 2, 0) // gradients of zero
			o.Step(0.1)
			if p.Kind == nn.Matrix {
				for i := range want {
					want[i] *= 0.95
				}
			}
			if got := p.T.Float32s(); !near(got, want, 1e-6) {
				t.Errorf("%s: decayed to %v, want %v", p.Key, got, want)
			}
		}
	})
}

func near(got, want []float32, tol float64) bool {
	return slices.EqualFunc(got, want, func(a, b float32) bool { return math.Abs(float64(a-b)) <= tol })
}

func TestGradientsNotFinite(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, bad := range []float64{math.NaN(), math.Inf(1)} {
			m := newLayers(t, dev, gpu.Float32)
			o := newAdamW(t, m, optim.Config{WeightDecay: 0.5, ClipNorm: 1, EMADecay: 0.9})
			differentiate(dev, m, 2, 1)
			o.Step(0.1)
			weights, state := bits(m), o.State("")
			differentiate(dev, m, 3, float32(bad))
			if norm := o.Step(0.1); !math.IsNaN(norm) && !math.IsInf(norm, 0) {
				t.Errorf("gradients of %v have norm %v", bad, norm)
			}
			if o.Steps() != 1 || !bytes.Equal(bits(m), weights) || !same(o.State(""), state) {
				t.Errorf("gradients of %v changed weights or state", bad)
			}
			if m.Linear.Weight.T.Grad() != nil {
				t.Errorf("gradients of %v stay", bad)
			}
		}
	})
}

func same(a, b []safetensors.Entry) bool {
	return slices.EqualFunc(a, b, func(a, b safetensors.Entry) bool {
		return a.Name == b.Name && a.DType == b.DType && slices.Equal(a.Shape, b.Shape) && bytes.Equal(a.Data, b.Data)
	})
}

// A run restored in the middle ends at the same bits.
func TestRestoreContinuesExactly(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
			config := optim.Config{WeightDecay: 0.1, ClipNorm: 1, EMADecay: 0.9}
			m := newLayers(t, dev, dtype)
			o := newAdamW(t, m, config)
			for step := range uint64(6) {
				if step == 3 {
					path := t.TempDir() + "/state.safetensors"
					if err := safetensors.Write(path, o.State("opt."), nil); err != nil {
						t.Fatal(err)
					}
					saved, before := o.State("opt."), bits(m)
					steps := o.Steps()
					o.Free()
					m = newLayers(t, dev, dtype)
					o = newAdamW(t, m, config)
					if err := o.Restore(golden.Open(t, path), "opt.", steps); err != nil {
						t.Fatal(err)
					}
					if !same(o.State("opt."), saved) || !bytes.Equal(bits(m), before) || o.Steps() != 3 {
						t.Errorf("%v: the state is another after Restore", dtype)
					}
				}
				differentiate(dev, m, step, 1)
				o.Step(0.1)
			}

			whole := newLayers(t, dev, dtype)
			p := newAdamW(t, whole, config)
			for step := range uint64(6) {
				differentiate(dev, whole, step, 1)
				p.Step(0.1)
			}
			if !bytes.Equal(bits(m), bits(whole)) || !same(o.State(""), p.State("")) {
				t.Errorf("%v: a restored run differs from one that never stopped", dtype)
			}
		}
	})
}

func TestRestoreRefusesAnotherState(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		o := newAdamW(t, newLayers(t, dev, gpu.Float32), optim.Config{})
		entries := o.State("opt.")
		for name, change := range map[string]func([]safetensors.Entry) []safetensors.Entry{
			"missing": func(e []safetensors.Entry) []safetensors.Entry { return e[1:] },
			"shorter": func(e []safetensors.Entry) []safetensors.Entry {
				e[0].Shape, e[0].Data = []int{1}, e[0].Data[:4]
				return e
			},
		} {
			path := t.TempDir() + "/state.safetensors"
			if err := safetensors.Write(path, change(slices.Clone(entries)), nil); err != nil {
				t.Fatal(err)
			}
			err := o.Restore(golden.Open(t, path), "opt.", 1)
			if err == nil || !strings.Contains(err.Error(), "opt.master.linear.weight") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestNothingToOptimise(t *testing.T) {
	if _, err := optim.New(nil, optim.Config{}); err == nil {
		t.Error("no error without parameters")
	}
}

func TestFreeGivesTheStateBack(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
			m := newLayers(t, dev, dtype)
			before, weights := dev.Memory().InUse, bits(m)
			o := newAdamW(t, m, optim.Config{EMADecay: 0.9})
			differentiate(dev, m, 1, 1)
			o.Free()
			if after := dev.Memory().InUse; after != before {
				t.Errorf("%v: %d bytes in use, %d before", dtype, after, before)
			}
			if !bytes.Equal(bits(m), weights) {
				t.Errorf("%v: the parameters did not stay", dtype)
			}
		}
	})
}
