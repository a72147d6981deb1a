package unet

import (
	"math"
	"slices"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
)

// Blocks whose float16 output overflows are found and run in float32; what comes
// out is then what float32 gives. The first one's numbers go over a skip
// connection to the way up.
func TestRescueOfOverflow(t *testing.T) {
	type part struct {
		key string
		of  func(m *Model) *nn.Conv2d
	}
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, c := range []part{
			{"conv_in", func(m *Model) *nn.Conv2d { return m.ConvIn }},
			{"down_blocks.0.resnets.0", func(m *Model) *nn.Conv2d { return m.DownBlocks[0].Resnets[0].Conv2 }},
			{"mid_block.resnets.1", func(m *Model) *nn.Conv2d { return m.MidBlock.Resnets[1].Conv2 }},
			{"conv_out", func(m *Model) *nn.Conv2d { return m.ConvOut }},
		} {
			t.Run(c.key, func(t *testing.T) {
				forward := func(dtype gpu.DType, rescue *nn.Rescue) *gpu.Tensor {
					m, _, in := load(t, dev, dtype, "sd1")
					w := c.of(m).Weight.T
					v := w.Float32s()
					for i := range v {
						v[i] *= 60000 // and less than 65504 in themselves
						v[i] = min(max(v[i], -60000), 60000)
					}
					w.Write(v)
					if rescue != nil {
						rescue.Model, m.Rescue = m, rescue
					}
					return m.Forward(in.x, in.t, in.cond, &in.added)
				}
				want := forward(gpu.Float32, nil).Float32s()
				if forward(gpu.Float16, nil).Finite() {
					t.Fatal("the weights do not overflow: there is nothing to rescue")
				}
				var r nn.Rescue
				got := forward(gpu.Float16, &r).Float32s()
				if !slices.Equal(r.Born, []string{c.key}) {
					t.Errorf("born in %q", r.Born)
				}
				var diff, all float64
				for i, w := range want {
					diff += math.Pow(float64(got[i]-w), 2)
					all += float64(w) * float64(w)
				}
				if e := math.Sqrt(diff / all); !(e < 0.02) {
					t.Errorf("off by %.2g", e)
				}
			})
		}
	})
}
