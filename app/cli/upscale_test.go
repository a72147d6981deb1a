package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/noise"
	"latent/vae/esrgan"
)

func TestUpscale(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	n, err := esrgan.New(esrgan.Config{Shuffle: 1, Doubling: 2, Width: 8, Growth: 4, Blocks: 1})
	if err == nil {
		err = nn.Init(n, dev, gpu.Float32, noise.NewRand(1))
	}
	dir := t.TempDir()
	net, small, large := filepath.Join(dir, "sharp.safetensors"), filepath.Join(dir, "small.png"), filepath.Join(dir, "large.png")
	if err == nil {
		err = nn.Save(net, n, "F16", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if text := succeed(t, "inspect", net); !strings.Contains(text, "an upscaler (ESRGAN)\n") || strings.Contains(text, "cannot") {
		t.Errorf("inspect says %q", text)
	}
	base := model(t)
	succeed(t, "generate", "--prompt", "a red square", "--model", base, "--steps", "2", "--seed", "3", "--size", "32x32", "--device", "reference", "--out", small)
	for _, c := range []struct {
		flags []string
		want  string
	}{{nil, "128x128"}, {[]string{"--scale", "2"}, "64x64"}} {
		if text := succeed(t, append([]string{"upscale", small, "--upscaler", net, "--device", "reference", "--out", large}, c.flags...)...); !strings.Contains(text, c.want) {
			t.Errorf("%v: %q, want %s", c.flags, text, c.want)
		}
	}
	succeed(t, "upscale", small, "--upscaler", "sharp", "--upscaler-dir", dir, "--scale", "2", "--device", "reference", "--out", large)
	hires := filepath.Join(dir, "hires.png")
	succeed(t, "generate", "--prompt", "a red square", "--model", base, "--steps", "2", "--size", "16x16", "--hires", "2", "--hires-upscaler", "Sharp", "--upscaler-dir", dir, "--device", "reference", "--out", hires)
	if text := succeed(t, "inspect", hires); !strings.Contains(text, "Hires upscaler: sharp") {
		t.Errorf("inspect says %q", text)
	}
	text := succeed(t, "inspect", large)
	for _, want := range []string{"a red square", "Postprocess upscale by: 2", "Postprocess upscaler: sharp"} {
		if !strings.Contains(text, want) {
			t.Errorf("inspect does not say %q:\n%s", want, text)
		}
	}
	for _, c := range []struct {
		flags []string
		code  int
		want  string
	}{
		{[]string{small, "--out", large}, 2, "--upscaler is missing"},
		{[]string{small, "--upscaler", net}, 2, "--out is missing"},
		{[]string{small, "--upscaler", net, "--out", large, "--scale", "0.5"}, 2, "from 1 to 16"},
		{[]string{small, "--upscaler", small, "--out", large}, 1, "upscaler "},
		{[]string{small, "--upscaler", "blunt", "--upscaler-dir", dir, "--out", large}, 1, "there are sharp"},
		{[]string{small, "--upscaler", "sharp", "--out", large}, 1, "no folder of upscalers"},
		{[]string{filepath.Join(dir, "none.png"), "--upscaler", net, "--out", large}, 1, "none.png"},
	} {
		if code, _, text := latent(t, append([]string{"upscale"}, c.flags...)...); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%v: exit %d, %q; want %d, %q", c.flags, code, text, c.code, c.want)
		}
	}
}
