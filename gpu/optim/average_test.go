package optim_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/optim"
)

// The average in float64, from the weights after each step.
func TestAverage(t *testing.T) {
	const decay = 0.6
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, every := range []int{0, 2} {
			m := newLayers(t, dev, gpu.Float32)
			o := newAdamW(t, m, optim.Config{EMADecay: decay, EMAEvery: every})
			var want []float64
			for _, v := range floats(m) {
				want = append(want, float64(v))
			}
			for step := 1; step <= 12; step++ {
				differentiate(dev, m, uint64(step), 1)
				o.Step(0.05)
				if step%max(every, 1) != 0 {
					continue
				}
				d := min(math.Pow(decay, float64(max(every, 1))), float64(1+step)/float64(10+step))
				for i, v := range floats(m) {
					want[i] = d*want[i] + (1-d)*float64(v)
				}
			}
			want32 := make([]float32, len(want))
			for i, v := range want {
				want32[i] = float32(v)
			}

			trained := bits(m)
			var inside []float32
			o.WithAverage(func() { inside = floats(m) })
			if !near(inside, want32, 1e-6) {
				t.Errorf("every %d: average is %v, want %v", every, inside, want32)
			}
			if near(inside, floats(m), 1e-3) {
				t.Errorf("every %d: the average is the weights themselves", every)
			}
			if !bytes.Equal(bits(m), trained) {
				t.Errorf("every %d: WithAverage did not put the weights back", every)
			}
			var values []float32
			for _, p := range nn.Params(m) {
				values = append(values, o.Values()[p.Param].Float32s()...)
			}
			o.AdoptAverage()
			if got := floats(m); !slices.Equal(got, inside) || !slices.Equal(values, inside) {
				t.Errorf("every %d: AdoptAverage gives %v and Values %v, want %v", every, got, values, inside)
			}
		}
	})
}

// Half-precision weights come back bit for bit too, also when f panics, and
// without an average f sees the weights themselves.
func TestWithAveragePutsBack(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, decay := range []float64{0, 0.9} {
			m := newLayers(t, dev, gpu.BFloat16)
			o := newAdamW(t, m, optim.Config{EMADecay: decay})
			for step := range uint64(3) {
				differentiate(dev, m, step, 1)
				o.Step(0.1)
			}
			before := bits(m)
			func() {
				defer func() { recover() }()
				o.WithAverage(func() {
					if bytes.Equal(bits(m), before) != (decay == 0) {
						t.Errorf("with decay %v the weights inside are the wrong ones", decay)
					}
					panic("f fails")
				})
			}()
			if !bytes.Equal(bits(m), before) {
				t.Errorf("with decay %v the weights are others afterwards", decay)
			}
		}
	})
}
