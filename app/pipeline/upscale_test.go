package pipeline

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latent/app/library"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/noise"
	"latent/vae/esrgan"
)

// tinyUpscaler writes an ESRGAN that doubles, of random weights.
func tinyUpscaler(t *testing.T) string {
	t.Helper()
	return upscalerOf(t, 1)
}

// upscalerOf writes one that doubles so many times.
func upscalerOf(t *testing.T, doubling int) string {
	t.Helper()
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	n, err := esrgan.New(esrgan.Config{Shuffle: 1, Doubling: doubling, Width: 8, Growth: 4, Blocks: 1})
	if err == nil {
		err = nn.Init(n, dev, gpu.Float32, noise.NewRand(1))
	}
	path := filepath.Join(t.TempDir(), "twice.safetensors")
	if err == nil {
		err = nn.Save(path, n, "F16", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUpscale(t *testing.T) {
	e, path := start(t), tinyUpscaler(t)
	for _, c := range []struct{ width, height, wantW, wantH, passes int }{
		{0, 0, 64, 32, 1}, {48, 24, 48, 24, 1}, {128, 64, 128, 64, 2},
	} {
		passes := 0
		out, err := e.Upscale(t.Context(), path, smooth(32, 16), c.width, c.height, func(done, all int) { passes++ })
		if err != nil {
			t.Fatal(err)
		}
		if b := out.Rect; b.Dx() != c.wantW || b.Dy() != c.wantH || passes != c.passes {
			t.Errorf("to %d×%d: a picture of %v after %d passes, want %d×%d after %d", c.width, c.height, b, passes, c.wantW, c.wantH, c.passes)
		}
	}
}

// What cannot end, or could not be opened again, is refused before the work.
func TestUpscaleRefuses(t *testing.T) {
	e := start(t)
	same, eight := upscalerOf(t, 0), upscalerOf(t, 3)
	for _, c := range []struct {
		upscaler      string
		side          int
		width, height int
		want          string
	}{
		{same, 8, 9, 8, "does not enlarge"}, {same, 8, 8, 9, "does not enlarge"},
		{eight, 1100, 0, 0, "64 million pixels"}, {eight, 140, 9000, 9000, "64 million pixels"},
	} {
		_, err := e.Upscale(t.Context(), c.upscaler, smooth(c.side, c.side), c.width, c.height, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d pixels to %d×%d: %v, want %q", c.side, c.width, c.height, err, c.want)
		}
	}
	if out, err := e.Upscale(t.Context(), same, smooth(8, 8), 0, 0, nil); err != nil || out.Rect.Dx() != 8 {
		t.Errorf("a picture to mend: %v", err)
	}
}

func TestWrongUpscalers(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	for name, want := range map[string]string{
		"best": "choose one of lanczos", "gone.pth": "gone.pth: ",
		filepath.Join(dir, "unet", "diffusion_pytorch_model.safetensors"): "U-Net",
	} {
		req := request()
		req.Hires = &Hires{Scale: 2, Upscaler: name}
		if _, err := e.Generate(t.Context(), dir, req, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if _, err := e.Upscale(t.Context(), name, smooth(8, 8), 0, 0, nil); err == nil {
			t.Errorf("%s enlarges", name)
		}
	}
}

// An ESRGAN is opened once for all pictures that want it, found by the names that
// recipes have for it, and closed with the first that does not.
func TestUpscalerStaysOpen(t *testing.T) {
	e, dir, file := start(t), tinyModel(t, 1), tinyUpscaler(t)
	folder := t.TempDir()
	published := filepath.Join(folder, "deeper", "RealESRGAN_x2plus.safetensors")
	if err := os.MkdirAll(filepath.Dir(published), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file, published); err != nil {
		t.Fatal(err)
	}
	if err := e.With(t.Context(), dir, func(m *library.Model) error {
		var b beside
		defer b.nets.close()
		defer b.scaler.close()
		var first *esrgan.Net
		var pix []byte
		for _, name := range []string{published, "realesrgan_X2plus", "R-ESRGAN 2x+"} {
			req := request()
			req.UpscalerFolder, req.Hires = folder, &Hires{Scale: 2, Upscaler: name, Steps: 2}
			made, err := generate(t.Context(), m, &b, req, nil)
			if err != nil {
				return err
			}
			if first == nil {
				first, pix = b.scaler.net, made[0].Image.Pix
			}
			if b.scaler.net != first || first == nil {
				t.Errorf("%s: it is opened again", name)
			}
			if !bytes.Equal(made[0].Image.Pix, pix) {
				t.Errorf("%s: another picture", name)
			}
			if got := made[0].Recipe.HiresUpscaler; got != "RealESRGAN_x2plus" {
				t.Errorf("%s: the recipe says %q", name, got)
			}
		}
		if err := os.Chtimes(published, time.Time{}, time.Unix(1e9, 0)); err != nil {
			return err
		}
		req := request()
		req.Hires = &Hires{Scale: 2, Upscaler: published, Steps: 2}
		if _, err := generate(t.Context(), m, &b, req, nil); err != nil {
			return err
		}
		if b.scaler.net == first {
			t.Error("a file that was written anew is not read")
		}
		req.Hires = nil
		if _, err := generate(t.Context(), m, &b, req, nil); err != nil || b.scaler.net != nil {
			t.Errorf("it stays open, %v", err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"best": "there are RealESRGAN_x2plus", filepath.Join(folder, "gone.pth"): "is not in"} {
		if _, err := FindUpscaler(name, folder); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
