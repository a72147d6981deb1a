package pipeline

import (
	"math"
	"strings"
	"testing"

	"latent/app/library"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
)

// Weights that overflow float16 are found, named and run in float32: the picture
// is then near that of float32.
func TestOverflowIsRescued(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, c := range []struct {
			born string
			of   func(m *library.Model) *nn.Conv2d
		}{
			{"unet.down_blocks.1.resnets.0", func(m *library.Model) *nn.Conv2d { return m.UNet.DownBlocks[1].Resnets[0].Conv2 }},
			{"vae.decoder.up_blocks.1.resnets.0", func(m *library.Model) *nn.Conv2d { return m.VAE.Decoder.UpBlocks[1].Resnets[0].Conv2 }},
			{"vae.encoder.down_blocks.1.resnets.0", func(m *library.Model) *nn.Conv2d { return m.VAE.Encoder.DownBlocks[1].Resnets[0].Conv2 }},
		} {
			t.Run(c.born, func(t *testing.T) {
				run := func(dtype gpu.DType) (pix []uint8, born []string) {
					m := openWay(t, dev, dtype, "")
					w := c.of(m).Weight.T
					v := w.Float32s()
					for i := range v {
						v[i] = min(max(v[i]*1e6, -6e4), 6e4)
					}
					w.Write(v)
					req := goldenRequest
					req.Steps, req.Init, req.Strength = 4, smooth(48, 32), 1
					out, err := Generate(t.Context(), m, req, func(p Progress) { born = p.Rescued })
					if err != nil {
						t.Fatal(err)
					}
					if m.UNet.Rescue != nil || m.VAE.Rescue != nil {
						t.Error("the model stays watched over")
					}
					// Decoding comes after the last report.
					return out[0].Image.Pix, append(born, out[0].Rescued...)
				}
				want, none := run(gpu.Float32)
				got, born := run(gpu.Float16)
				if len(none) > 0 || len(born) == 0 || born[0] != c.born {
					t.Errorf("float32 rescues %v, float16 %v", none, born)
				}
				psnr := peakSNR(len(want), func(i int) float64 { return float64(got[i]) - float64(want[i]) })
				t.Logf("PSNR %.1f dB", psnr)
				if !(psnr >= 30) {
					t.Errorf("PSNR %.1f dB against float32, want 30", psnr)
				}
			})
		}
	})
}

// What float32 cannot help is an error that says so.
func TestDamagedWeightsAreAnError(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	for dtype, want := range map[gpu.DType]string{gpu.Float32: "damaged", gpu.BFloat16: "unet.down_blocks.0.resnets.0"} {
		m := openWay(t, dev, dtype, "")
		b := m.UNet.DownBlocks[0].Resnets[0].Conv1.Bias.T
		v := b.Float32s()
		v[0] = float32(math.NaN())
		b.Write(v)
		_, err := Generate(t.Context(), m, goldenRequest, nil)
		if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(want, "unet.")) || !strings.Contains(err.Error(), "step 1 of 10") {
			t.Errorf("%v: %v", dtype, err)
		}
	}
}
