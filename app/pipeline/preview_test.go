package pipeline

import (
	"image"
	"image/color"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latent/app/library"
	"latent/gpu"
)

func TestPreviews(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m := openWay(t, dev, gpu.Float32, "")
	tiny, err := OpenTiny("../../vae/testdata/tiny", dev, gpu.Float32)
	if err != nil {
		t.Fatal(err)
	}
	preview := func(req Request) image.Image {
		var img image.Image
		if _, err := Generate(t.Context(), m, req, func(p Progress) {
			if p.Preview != nil {
				img = p.Preview
			}
		}); err != nil {
			t.Fatal(err)
		}
		return img
	}
	req := goldenRequest
	req.Preview = 3
	decoded := preview(req)
	req.Tiny = tiny
	if img := preview(req); img.Bounds() != image.Rect(0, 0, 48, 32) || cmp.Equal(img, decoded) {
		t.Errorf("TAESD's preview is %v, or the model's own", img.Bounds())
	}
	m.Family, req.Tiny = library.SD1, nil
	if b := preview(req).Bounds(); b != image.Rect(0, 0, 6, 4) {
		t.Errorf("the linear preview is %v", b)
	}
	// A latent of ones in one channel is that channel's colour.
	for family, want := range map[library.Family]color.NRGBA{
		library.SD1: {165, 154, 154, 255}, library.SDXL: {188, 179, 183, 255},
	} {
		if got := linear([]float32{1, 0, 0, 0}, 1, 1, 4, family).NRGBAAt(0, 0); got != want {
			t.Errorf("%s: %v, want %v", family, got, want)
		}
	}
}

func TestFindTiny(t *testing.T) {
	dir := t.TempDir()
	if path := FindTiny(dir, library.SD1); path != "" {
		t.Errorf("found %s in an empty folder", path)
	}
	copyOver(t, filepath.Join(dir, "vae_approx"), "../../vae/testdata/tiny")
	path := FindTiny(dir, library.SD1)
	if filepath.Base(path) != "taesd_decoder.safetensors" {
		t.Fatalf("found %q", path)
	}
	if path := FindTiny(dir, library.SDXL); path != "" {
		t.Errorf("%s is not for SDXL", path)
	}
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	tiny, err := OpenTiny(path, dev, gpu.Float32)
	if err != nil || tiny.Decoder == nil || tiny.Encoder != nil {
		t.Errorf("%+v, %v", tiny, err)
	}
	for _, wrong := range []string{"testdata/golden.safetensors", "testdata/model", "nowhere"} {
		if _, err := OpenTiny(wrong, dev, gpu.Float32); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
