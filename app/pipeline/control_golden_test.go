package pipeline

import (
	"image"
	"image/color"
	"math"
	"path/filepath"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/unet"
)

// picture reads one that the goldens were painted with.
func picture(f *golden.File, name string) *image.NRGBA {
	v, shape := f.Float32s(name)
	img := image.NewNRGBA(image.Rect(0, 0, shape[1], shape[0]))
	for i := range shape[0] * shape[1] {
		img.SetNRGBA(i%shape[1], i/shape[1], color.NRGBA{uint8(v[3*i]), uint8(v[3*i+1]), uint8(v[3*i+2]), 255})
	}
	return img
}

// Guided by ControlNets every step's latents are those of diffusers.
func TestControlEqualsDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		f := golden.Open(t, "testdata/control.safetensors")
		init, mask := canvasOf(golden.Open(t, "testdata/ways.safetensors"))
		hint := picture(f, "hint")
		for _, c := range []struct {
			name, way string
			change    func(*Request)
		}{
			{"control", "", func(r *Request) { r.Controls = []Control{{Model: "a", Picture: hint, Weight: 0.8}} }},
			{"two", "", func(r *Request) {
				r.Sampler = "euler"
				r.Controls = []Control{
					{Model: "a", Picture: hint, Weight: 0.5, End: 0.6},
					{Model: "testdata/control/b", Picture: init, Weight: 0.7, Start: 0.2},
				}
			}},
			{"img2img", "", func(r *Request) {
				r.Init, r.Strength, r.Controls = init, 0.65, []Control{{Model: "b", Picture: hint, End: 0.5}}
			}},
			{"inpaint", "", func(r *Request) {
				r.Init, r.Mask, r.Strength = init, mask, 1
				r.Controls = []Control{{Model: "a", Picture: hint, Weight: 0.8}}
			}},
			{"nine", "inpaint", func(r *Request) {
				r.Init, r.Mask, r.Strength = init, mask, 1
				r.Controls = []Control{{Model: "small", Picture: hint, Weight: 0.8}}
			}},
			{"xl", "xl", func(r *Request) { r.Controls = []Control{{Model: "xl", Picture: hint, Weight: 0.8}} }},
		} {
			t.Run(c.name, func(t *testing.T) {
				m := openWay(t, dev, gpu.Float32, c.way)
				req := goldenRequest
				req.Negative, req.Sampler, req.ControlFolder = "", "ddim", "testdata/control"
				c.change(&req)
				m.Scheduler.RescaleBetasZeroSNR = m.Scheduler.RescaleBetasZeroSNR && req.Sampler == "ddim"
				out := trajectory(t, m, req, f, c.name)
				if !f.Has(c.name+".picture") || t.Failed() {
					return
				}
				want, _ := f.Float32s(c.name + ".picture")
				psnr := peakSNR(len(want), func(i int) float64 {
					return float64(out[0].Image.Pix[i/3*4+i%3]) - math.RoundToEven(float64(want[i]))
				})
				if !(psnr >= 45) {
					t.Errorf("PSNR %.1f dB against diffusers, want 45", psnr)
				}
			})
		}
	})
}

// A ControlNet's blocks whose numbers overflow float16 are found, named and run in
// float32, be it as it looks at the picture or at each step.
func TestControlOverflowIsRescued(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for born, of := range map[string]func(*unet.ControlNet) *nn.Conv2d{
			"net.controlnet_cond_embedding.blocks.1": func(c *unet.ControlNet) *nn.Conv2d { return c.Hint.Blocks[1] },
			"net.controlnet_down_blocks.1":           func(c *unet.ControlNet) *nn.Conv2d { return c.Down[1] },
		} {
			t.Run(born, func(t *testing.T) {
				cfg, err := unet.ParseControlConfig(golden.Read(t, "testdata/control/b/config.json"))
				if err != nil {
					t.Fatal(err)
				}
				net, err := unet.NewControlNet(cfg)
				if err == nil {
					err = nn.Load(net, dev, gpu.Float32, golden.Open(t, "testdata/control/b/diffusion_pytorch_model.safetensors"))
				}
				if err != nil {
					t.Fatal(err)
				}
				v := of(net).Weight.T.Float32s()
				for i := range v {
					v[i] = min(max(v[i]*1e6, -6e4), 6e4)
				}
				of(net).Weight.T.Write(v)
				path := filepath.Join(t.TempDir(), "net.safetensors")
				if err := nn.Save(path, net, "F32", nil); err != nil {
					t.Fatal(err)
				}
				run := func(dtype gpu.DType) Picture {
					req := goldenRequest
					// So weak that the picture is not all made of what overflows.
					req.Steps, req.Controls = 4, []Control{{Model: path, Picture: smooth(48, 32), Weight: 1e-5}}
					out, err := Generate(t.Context(), openWay(t, dev, dtype, ""), req, nil)
					if err != nil {
						t.Fatal(err)
					}
					return out[0]
				}
				want, got := run(gpu.Float32), run(gpu.Float16)
				if len(want.Rescued) > 0 || len(got.Rescued) == 0 || got.Rescued[0] != born {
					t.Errorf("float32 rescues %v, float16 %v", want.Rescued, got.Rescued)
				}
				psnr := peakSNR(len(want.Image.Pix), func(i int) float64 { return float64(got.Image.Pix[i]) - float64(want.Image.Pix[i]) })
				if !(psnr >= 30) {
					t.Errorf("PSNR %.1f dB against float32, want 30", psnr)
				}
			})
		}
	})
}
