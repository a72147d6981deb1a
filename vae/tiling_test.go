package vae

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/noise"
)

// narrow makes bands a few rows high until the test ends.
func narrow(t *testing.T, bytes int) {
	saved := bandBytes
	bandBytes = bytes
	t.Cleanup(func() { bandBytes = saved })
}

func TestBandsComputeTheSame(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range cases {
			for _, bytes := range []int{1, 1 << 10, 5 << 10} { // one row, a few, about half
				t.Run(fmt.Sprintf("%s/%d", name, bytes), func(t *testing.T) {
					narrow(t, bytes)
					m, f := load(t, dev, gpu.Float32, name)
					m.Tiling = TileOn
					got, err := m.EncodeMoments(f.Tensor(dev, gpu.Float32, "x"))
					if err != nil {
						t.Fatal(err)
					}
					f.Close("moments", got, 1e-4)
					if got, err = m.Decode(f.Tensor(dev, gpu.Float32, "z")); err != nil {
						t.Fatal(err)
					}
					f.Close("picture", got, 1e-4)
				})
			}
		}
	})
}

// roughness is the mean of |x[y+1]−x[y]| over each row y of a picture [1,H,W,C].
func roughness(x []float32, h int) []float64 {
	n := len(x) / h
	out := make([]float64, h-1)
	for y := range out {
		for i := range n {
			out[y] += math.Abs(float64(x[(y+1)*n+i] - x[y*n+i]))
		}
		out[y] /= float64(n)
	}
	return out
}

// worst is how much the roughness of any row differs between two pictures,
// relative to the mean of all.
func worst(got, want []float64) float64 {
	var most, sum float64
	for y := range want {
		most = max(most, math.Abs(got[y]-want[y]))
		sum += want[y]
	}
	return most / sum * float64(len(want))
}

// No row is rougher than in the picture that was decoded whole. Two halves
// decoded by themselves show that a seam would be seen.
func TestBandsHaveNoSeam(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m, _ := load(t, dev, gpu.Float32, "sd")
		const h, w, c = 24, 10, 4
		z := make([]float32, h*w*c)
		noise.NewRand(3).Normal(z)
		for i := range z {
			z[i] += float32(i) / float32(len(z)) * 4 // a slope: statistics differ from place to place
		}
		decode := func(z []float32) []float32 {
			x, err := m.Decode(dev.FromFloat32(z, gpu.Float32, 1, len(z)/w/c, w, c))
			if err != nil {
				t.Fatal(err)
			}
			return x.Float32s()
		}
		m.Tiling = TileOff
		whole := decode(z)
		halves := append(decode(z[:len(z)/2]), decode(z[len(z)/2:])...)
		m.Tiling = TileOn
		narrow(t, 16<<10)
		tiled := decode(z)

		off := 0.0
		for i := range whole {
			off = max(off, math.Abs(float64(tiled[i]-whole[i])))
		}
		want := roughness(whole, 2*h)
		seam, naive := worst(roughness(tiled, 2*h), want), worst(roughness(halves, 2*h), want)
		t.Logf("bands: off by %.1e at most, rows rougher by %.1e; two halves: %.2g", off, seam, naive)
		if !(off < 1e-4 && seam < 1e-4) {
			t.Errorf("bands are off by %.2g and rows rougher by %.2g, want < 1e-4", off, seam)
		}
		if naive < 0.02 {
			t.Errorf("two halves are rougher by %.2g only: the measure sees no seam", naive)
		}
	})
}

// Bands need less memory, and are chosen by themselves where that matters.
func TestBandsNeedLessMemory(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m, _ := load(t, dev, gpu.Float32, "sd")
	narrow(t, 4<<10)
	peak := func(tiling Tiling) int {
		m.Tiling = tiling
		z := dev.Full(1, gpu.Float32, 1, 32, 32, 4)
		defer z.Free()
		dev.ResetPeak()
		before := dev.Memory().InUse
		x, err := m.Decode(z)
		if err != nil {
			t.Fatal(err)
		}
		x.Free()
		return dev.Memory().Peak - before
	}
	if whole, bands := peak(TileOff), peak(TileOn); bands > whole*6/10 {
		t.Errorf("bands take %d bytes at most, the whole %d", bands, whole)
	}

	sd := Default()
	sd.BlockOutChannels = []int{128, 256, 512, 512}
	m.Config, m.Tiling = sd, TileAuto
	for _, c := range []struct {
		side  int
		dtype gpu.DType
		want  bool
	}{{512, gpu.BFloat16, false}, {512, gpu.Float32, true}, {768, gpu.BFloat16, true}, {256, gpu.Float32, false}} {
		if got := m.tiles(c.side, c.side, c.dtype); got != c.want {
			t.Errorf("%d pixels square in %v: bands %v, want %v", c.side, c.dtype, got, c.want)
		}
	}
}

// A block whose float16 output overflows is found and run in float32; the
// picture is then that of float32.
func TestRescueOfOverflow(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, tiling := range []Tiling{TileOff, TileOn} {
			narrow(t, 4<<10)
			overflow := func(dtype gpu.DType) *Model {
				m, _ := load(t, dev, dtype, "sd")
				m.Tiling = tiling
				// What the second block gives is beyond the 65504 of float16 and rests
				// in the residual stream until the last norm.
				r := m.Decoder.UpBlocks[0].Resnets[1]
				w := r.Conv2.Weight.T
				v := w.Float32s()
				for i := range v {
					v[i] *= 60000
				}
				w.Write(v)
				return m
			}
			z := make([]float32, 6*5*4)
			noise.NewRand(1).Normal(z)
			decode := func(m *Model, dtype gpu.DType) *gpu.Tensor {
				y, err := m.Decode(dev.FromFloat32(z, dtype, 1, 6, 5, 4))
				if err != nil {
					t.Fatal(err)
				}
				return y
			}
			want := decode(overflow(gpu.Float32), gpu.Float32)
			m := overflow(gpu.Float16)
			if decode(m, gpu.Float16).Finite() {
				t.Fatal("the weights do not overflow: there is nothing to rescue")
			}
			m.Rescue = &nn.Rescue{Model: m}
			got := decode(m, gpu.Float16)
			if !slices.Equal(m.Rescue.Born, []string{"decoder.up_blocks.0.resnets.1"}) {
				t.Errorf("born in %q", m.Rescue.Born)
			}
			for _, p := range nn.Params(m) {
				if len(p.Shape) > 1 && p.T.DType() != gpu.Float16 {
					t.Errorf("%s stays %v", p.Key, p.T)
				}
			}
			if e := distance(got.Float32s(), want.Float32s()); !(e < 0.02) {
				t.Errorf("the rescued picture is off by %.2g", e)
			}
		}
	})
}

func distance(got, want []float32) float64 {
	var diff, all float64
	for i, w := range want {
		diff += math.Pow(float64(got[i]-w), 2)
		all += float64(w) * float64(w)
	}
	return math.Sqrt(diff / all)
}
