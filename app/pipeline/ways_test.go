package pipeline

import (
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latent/app/library"
	"latent/gpu"
	"latent/gpu/nn/golden"
)

// overlaid is the folder of testdata/model with one of testdata/ways over it.
func overlaid(t *testing.T, way string) string {
	t.Helper()
	dir := t.TempDir()
	copyOver(t, dir, "testdata/model")
	if way != "" {
		copyOver(t, dir, filepath.Join("testdata/ways", way))
	}
	if way == "xl" {
		copyOver(t, filepath.Join(dir, "tokenizer_2"), "testdata/model/tokenizer")
	}
	return dir
}

// copyOver is os.CopyFS that replaces files.
func copyOver(t *testing.T, dir, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(dir, rel), 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func openWay(t *testing.T, dev *gpu.Device, dtype gpu.DType, way string) *library.Model {
	t.Helper()
	m, err := library.Open(overlaid(t, way), dev, dtype)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// canvasOf reads the picture and the mask that the goldens were painted with.
func canvasOf(f *golden.File) (init *image.NRGBA, mask *image.Gray) {
	v, shape := f.Float32s("init")
	init = image.NewNRGBA(image.Rect(0, 0, shape[1], shape[0]))
	for i := range shape[0] * shape[1] {
		init.SetNRGBA(i%shape[1], i/shape[1], color.NRGBA{uint8(v[3*i]), uint8(v[3*i+1]), uint8(v[3*i+2]), 255})
	}
	v, _ = f.Float32s("mask")
	mask = image.NewGray(init.Rect)
	for i, p := range v {
		mask.Pix[i] = uint8(p)
	}
	return init, mask
}

// Every way to a picture takes diffusers' way.
func TestWaysEqualDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		f := golden.Open(t, "testdata/ways.safetensors")
		init, mask := canvasOf(f)
		for _, c := range []struct {
			name, way string
			change    func(*Request)
		}{
			{"img2img", "", func(r *Request) { r.Init, r.Strength = init, 0.65 }},
			{"img2img_ddpm", "", func(r *Request) { r.Init, r.Strength, r.Sampler = init, 1, "ddpm" }},
			{"inpaint", "", func(r *Request) { r.Init, r.Mask, r.Strength = init, mask, 1 }},
			{"inpaint_ddpm", "", func(r *Request) { r.Init, r.Mask, r.Strength, r.Sampler = init, mask, 0.65, "ddpm" }},
			{"nine", "inpaint", func(r *Request) { r.Init, r.Mask, r.Strength = init, mask, 1 }},
			{"nine_ddpm", "inpaint", func(r *Request) { r.Init, r.Mask, r.Strength, r.Sampler = init, mask, 0.65, "ddpm" }},
			{"rescale", "", func(r *Request) { r.Rescale = 0.7 }},
			{"lcm", "lcm", func(r *Request) {}},
			{"euler_a", "", func(r *Request) { r.Init, r.Strength, r.Sampler = init, 0.65, "euler_a" }},
			{"dpmpp_2m", "", func(r *Request) { r.Init, r.Strength, r.Sampler = init, 0.65, "dpmpp_2m" }},
			{"heun", "", func(r *Request) { r.Sampler = "heun" }},
			{"euler", "", func(r *Request) { r.Init, r.Mask, r.Strength, r.Sampler = init, mask, 0.65, "euler" }},
			{"xl", "xl", func(r *Request) {}},
			{"xl_sizes", "xl", func(r *Request) {
				r.Negative = "sea"
				r.Sizes = &Sizes{OriginalHeight: 64, OriginalWidth: 96, CropTop: 4, CropLeft: 8, TargetHeight: 40, TargetWidth: 56}
			}},
			{"xl_img2img", "xl", func(r *Request) { r.Init, r.Strength = init, 0.65 }},
		} {
			t.Run(c.name, func(t *testing.T) {
				m := openWay(t, dev, gpu.Float32, c.way)
				req := goldenRequest
				req.Negative, req.Sampler = "", "ddim"
				c.change(&req)
				m.Scheduler.RescaleBetasZeroSNR = m.Scheduler.RescaleBetasZeroSNR && strings.HasPrefix(req.Sampler, "dd")
				out := trajectory(t, m, req, f, c.name)
				if !f.Has(c.name+".picture") || t.Failed() {
					return
				}
				want, _ := f.Float32s(c.name + ".picture")
				if req.Mask != nil {
					// diffusers does not put the kept pixels back: here they must be those of init.
					for i := range want {
						if mask.Pix[i/3] == 0 {
							want[i] = float32(init.Pix[i/3*4+i%3])
						}
					}
				}
				psnr := peakSNR(len(want), func(i int) float64 {
					if req.Mask != nil && mask.Pix[i/3] != 0 && mask.Pix[i/3] != 255 {
						return 0 // a mixture
					}
					return float64(out[0].Image.Pix[i/3*4+i%3]) - math.RoundToEven(float64(want[i]))
				})
				if !(psnr >= 45) {
					t.Errorf("PSNR %.1f dB against diffusers, want 45", psnr)
				}
			})
		}
	})
}

// In bfloat16 the host's picture is near that of float32.
func TestBFloat16OnTheHost(t *testing.T) {
	dev, err := gpu.Open("host")
	if err != nil {
		t.Skip(err)
	}
	defer dev.Close()
	for _, way := range []string{"", "inpaint", "xl"} {
		var pix [2][]uint8
		for i, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
			out, err := Generate(t.Context(), openWay(t, dev, dtype, way), goldenRequest, nil)
			if err != nil {
				t.Fatal(err)
			}
			pix[i] = out[0].Image.Pix
		}
		psnr := peakSNR(len(pix[0]), func(i int) float64 { return float64(pix[0][i]) - float64(pix[1][i]) })
		t.Logf("%q: PSNR %.1f dB", way, psnr)
		if !(psnr >= 30) {
			t.Errorf("%q: PSNR %.1f dB against float32, want 30", way, psnr)
		}
	}
}
