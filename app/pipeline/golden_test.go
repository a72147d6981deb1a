package pipeline

import (
	"fmt"
	"math"
	"testing"

	"latent/app/library"
	"latent/gpu"
	"latent/gpu/nn/golden"
)

// What testdata/make_golden.py asked diffusers for.
var goldenRequest = Request{
	Prompt: "a red fox, blue sky", Negative: "sea", Steps: 10, Guidance: 4, Seed: 1234,
	RNG: "cpu", Width: 48, Height: 32, Count: 1,
}

var goldenCases = []struct {
	name, sampler string
	eta           float64
}{{"ddim", "ddim", 0}, {"ddim_eta", "ddim", 0.5}, {"ddpm", "ddpm", 0}}

func openGolden(t *testing.T, dev *gpu.Device) (*library.Model, *golden.File) {
	t.Helper()
	m, err := library.Open("testdata/model", dev, gpu.Float32)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m, golden.Open(t, "testdata/golden.safetensors")
}

// From the same seed every step's latents are those of diffusers.
func TestTrajectoryEqualsDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m, f := openGolden(t, dev)
		for _, c := range goldenCases {
			t.Run(c.name, func(t *testing.T) {
				req := goldenRequest
				req.Sampler, req.Eta = c.sampler, c.eta
				trajectory(t, m, req, f, c.name)
			})
		}
	})
}

// trajectory compares the latents after each step with those called name.latents.
func trajectory(t *testing.T, m *library.Model, req Request, f *golden.File, name string) []Picture {
	t.Helper()
	want, shape := f.Float32s(name + ".latents")
	n, steps, worst := len(want)/shape[0], 0, 0.0
	out, err := Generate(t.Context(), m, req, func(p Progress) {
		if p.Stage != StageDenoise || p.Step == 0 {
			return
		}
		steps++
		if p.State == nil {
			return // DeepCache
		}
		s := p.State() // with DeepCache of an earlier step
		got := s.tensors["x.0"]
		if p.Step > shape[0] || len(got) != n {
			t.Fatalf("step %d of %d has %d numbers, want %d steps of %d", p.Step, p.Steps, len(got), shape[0], n)
		}
		off := distance(got, want[(s.Step-1)*n:s.Step*n])
		worst = max(worst, off)
		if !(off < 1e-3) {
			t.Errorf("step %d: latents are off by %.2g, want < 1e-3", s.Step, off)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if steps != shape[0] {
		t.Errorf("%d steps, want %d", steps, shape[0])
	}
	t.Logf("latents within %.1e", worst)
	return out
}

// distance is |got−want|/|want|.
func distance(got, want []float32) float64 {
	var diff, all float64
	for i, w := range want {
		diff += math.Pow(float64(got[i]-w), 2)
		all += float64(w) * float64(w)
	}
	return math.Sqrt(diff / all)
}

// peakSNR is the peak signal-to-noise ratio in dB of n values of 0 to 255, of which
// value i is off by error(i).
func peakSNR(n int, error func(i int) float64) float64 {
	sum := 0.0
	for i := range n {
		sum += error(i) * error(i)
	}
	return 10 * math.Log10(255*255*float64(n)/sum)
}

func TestPictureEqualsDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m, f := openGolden(t, dev)
		for _, c := range goldenCases {
			t.Run(c.name, func(t *testing.T) {
				req := goldenRequest
				req.Sampler, req.Eta = c.sampler, c.eta
				out, err := Generate(t.Context(), m, req, nil)
				if err != nil {
					t.Fatal(err)
				}
				want, shape := f.Float32s(c.name + ".picture")
				if b := out[0].Image.Bounds(); fmt.Sprint(shape) != fmt.Sprint([]int{b.Dy(), b.Dx(), 3}) {
					t.Fatalf("picture of %v, want %v", b, shape)
				}
				psnr := peakSNR(len(want), func(i int) float64 {
					// Rounding to 8 bits costs nothing that way.
					return float64(out[0].Image.Pix[i/3*4+i%3]) - math.RoundToEven(float64(want[i]))
				})
				t.Logf("PSNR %.1f dB", psnr)
				if !(psnr >= 45) {
					t.Errorf("PSNR %.1f dB against diffusers, want 45", psnr)
				}
			})
		}
	})
}

func TestTokensEqualTransformers(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m, f := openGolden(t, dev)
	want, _ := f.Float32s("ids")
	var got []float32
	for _, id := range m.Tokenizer.Encode(goldenRequest.Prompt) {
		got = append(got, float32(id))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("tokens %v, want %v", got, want)
	}
}
