package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latent/app/library"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"

	_ "latent/gpu/host"
)

// TestFullSize compares a model of full size with what diffusers computes, as
// parity/make.py prepared it in the folders of LATENT_PARITY: minutes and
// gigabytes, so not without being asked. A file model.safetensors in the folder,
// the same model in one file, is compared too.
func TestFullSize(t *testing.T) {
	list := os.Getenv("LATENT_PARITY")
	if list == "" {
		t.Skip("LATENT_PARITY names no folders of parity/make.py")
	}
	dev, err := gpu.Open("host")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	for _, folder := range filepath.SplitList(list) {
		paths := []string{folder}
		if file := filepath.Join(folder, "model.safetensors"); exists(file) {
			paths = append(paths, file)
		}
		for _, path := range paths {
			t.Run(path, func(t *testing.T) {
				m, err := library.Open(path, dev, gpu.Float32)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				f := golden.Open(t, folder, "golden.safetensors")
				fullSizeParts(t, m, f)
				fullSizePictures(t, m, f)
			})
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// What parity/make.py asks diffusers for.
var fullSizeRequest = Request{
	Prompt: "a photograph of an astronaut riding a horse, golden hour", Negative: "blurry, low quality",
	Steps: 10, Guidance: 5, Seed: 1234, RNG: "cpu", Count: 1,
}

// fullSizeParts compares text embeddings and one call of the U-Net.
func fullSizeParts(t *testing.T, m *library.Model, f *golden.File) {
	near := func(name string, got []float32, want string) {
		t.Helper()
		w, _ := f.Float32s(want)
		off := distance(got, w)
		t.Logf("%s within %.1e", name, off)
		if !(off < 1e-3) {
			t.Errorf("%s is off by %.2g, want < 1e-3", name, off)
		}
	}
	m.Device.Scope(func() []*gpu.Tensor {
		cond, err := m.Encoders().Encode([]string{fullSizeRequest.Negative, fullSizeRequest.Prompt}, textencoder.Options{})
		if err != nil {
			t.Fatal(err)
		}
		context := gpu.Rows(cond.Context, 1, 2)
		near("negative prompt's embedding", gpu.Rows(cond.Context, 0, 1).Float32s(), "uncond")
		near("prompt's embedding", context.Float32s(), "cond")
		var added *unet.Added
		if cond.Pooled != nil {
			pooled := gpu.Rows(cond.Pooled, 1, 2)
			near("pooled embedding", pooled.Float32s(), "pooled")
			added = &unet.Added{Pooled: pooled, TimeIDs: [][]float32{{512, 512, 0, 0, 512, 512}}}
		}
		near("U-Net", m.UNet.Forward(f.Tensor(m.Device, gpu.Float32, "unet.x"), []float32{501}, context, added).Float32s(), "unet.out")
		return nil
	})
}

// fullSizePictures compares the last latents and the picture of each sampler and
// schedule.
func fullSizePictures(t *testing.T, m *library.Model, f *golden.File) {
	for _, name := range f.Names() {
		name, ok := strings.CutPrefix(name, "picture.")
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			want, shape := f.Float32s("picture." + name)
			req := fullSizeRequest
			req.Width, req.Height = shape[1], shape[0]
			req.Sampler, req.Schedule, _ = strings.Cut(name, ".")
			var latents []float32
			out, err := Generate(t.Context(), m, req, func(p Progress) {
				if p.State != nil && p.Step == p.Steps {
					latents = p.State().tensors["x.0"]
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			last, _ := f.Float32s("latents." + name)
			off := distance(latents, last)
			psnr := peakSNR(len(want), func(i int) float64 { return float64(out[0].Image.Pix[i/3*4+i%3]) - float64(want[i]) })
			t.Logf("latents within %.1e, PSNR %.1f dB", off, psnr)
			if !(off < 1e-3) || !(psnr >= 45) {
				t.Errorf("latents are off by %.2g, PSNR %.1f dB; want < 1e-3 and 45 dB", off, psnr)
			}
		})
	}
}

// TestFullSizeControl compares a ControlNet of full size with what diffusers computes,
// as parity/control.py prepared it in the folder LATENT_PARITY_CONTROL.
func TestFullSizeControl(t *testing.T) {
	folder := os.Getenv("LATENT_PARITY_CONTROL")
	if folder == "" {
		t.Skip("LATENT_PARITY_CONTROL names no folder of parity/control.py")
	}
	dev, err := gpu.Open("host")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	base := unet.Default()
	base.CrossAttentionDim = unet.Ints{768}
	m := &library.Model{Family: library.SD1, UNet: &unet.Model{Encoder: unet.Encoder{Config: base}}, VAE: &vae.Model{Config: vae.Default()},
		Device: dev, DType: gpu.Float32}
	m.VAE.Config.BlockOutChannels = []int{128, 256, 512, 512}
	begun := time.Now()
	c, err := library.OpenControlNet(filepath.Join(folder, "control_sd15_random.pth"), m)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Logf("opened in %v, %d parameters", time.Since(begun), nn.Count(c.ControlNet))
	f := golden.Open(t, folder, "golden.safetensors")
	tensor := func(name string) *gpu.Tensor { return f.Tensor(dev, gpu.Float32, name) }
	hint := c.Embed(tensor("picture"))
	code := c.TimeCode(dev, gpu.Float32, []float32{501}, 1)
	begun = time.Now()
	r := c.Forward(tensor("x"), code, hint, tensor("cond"), nil)
	t.Logf("a step took %v", time.Since(begun))
	near := func(name string, x *gpu.Tensor) {
		want, _ := f.Float32s(name)
		off := distance(x.Float32s(), want)
		t.Logf("%s within %.1e", name, off)
		if !(off < 1e-3) {
			t.Errorf("%s is off by %.2g, want < 1e-3", name, off)
		}
	}
	near("mid", r.Mid)
	for i, x := range r.Down {
		near(fmt.Sprint("down.", i), x)
	}
}
