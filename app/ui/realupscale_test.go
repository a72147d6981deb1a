package ui

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"latent/app/gallery"
	"latent/assets"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/noise"
	"latent/vae/esrgan"
)

// The product's engine lists ESRGANs, paints with one between the passes, and enlarges
// a finished picture.
func TestRealUpscale(t *testing.T) {
	if !assets.HasModel() {
		t.Skip("there is no built-in model")
	}
	dev, err := gpu.Open("host")
	if err != nil {
		t.Skip(err)
	}
	n, err := esrgan.New(esrgan.Config{Shuffle: 1, Doubling: 1, Width: 8, Growth: 4, Blocks: 1})
	if err == nil {
		err = nn.Init(n, dev, gpu.Float32, noise.NewRand(1))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "twice.safetensors")
	if err == nil {
		err = nn.Save(file, n, "F16", nil)
	}
	dev.Close()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "words.txt"), "no upscaler")
	e := NewEngine()
	defer e.Close()
	want := []Extra{{Path: file, Name: "twice", What: "an upscaler (ESRGAN)"}}
	if got := e.Extras(Folders{Upscalers: dir}).Upscalers; !reflect.DeepEqual(got, want) {
		t.Fatalf("listed are %+v, want %+v", got, want)
	}
	if (Folders{Upscalers: dir}).of(file) != dir {
		t.Error("an upscaler that is added goes elsewhere")
	}
	r := Request{Compute: Compute{"host", "f32"}, Model: e.Models("")[0].ID, Prompt: "a fox", Steps: 2, Guidance: 4, Sampler: "DDIM", Seed: 1, Width: 64, Height: 64}
	paint := func(r Request) Picture {
		t.Helper()
		p, err := e.Generate(context.Background(), r, func(Progress) {})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	r.SecondPass = SecondPass{Hires: 2}
	filtered := paint(r)
	r.HiresUpscaler = file
	doing := map[string]bool{}
	if _, err := e.Generate(context.Background(), r, func(p Progress) { doing[p.Doing] = true }); err != nil || !doing["Enlarging, tile 1 of 1"] {
		t.Errorf("it says that it does %v, %v", doing, err)
	}
	if p := paint(r); reflect.DeepEqual(p.Image, filtered.Image) || p.Recipe.HiresUpscaler != "twice" {
		t.Errorf("between the passes it changes nothing, or the recipe does not say: %q", p.Recipe.HiresUpscaler)
	}
	small := filepath.Join(dir, "small.png")
	if err := gallery.Save(small, filtered.Image, filtered.Recipe); err != nil {
		t.Fatal(err)
	}
	r = Request{Compute: r.Compute, Upscale: file, Init: small, Steps: 1, Width: 128, Height: 128}
	steps := 0
	p, err := e.Generate(context.Background(), r, func(p Progress) { steps = p.Steps })
	if err != nil {
		t.Fatal(err)
	}
	if b := p.Image.Bounds(); b.Dx() != 256 || steps != 1 || p.Recipe.Prompt != "a fox" || upscaledOf(p.Recipe) != "twice" {
		t.Errorf("a picture of %v in %d tiles, recipe %+v", b, steps, p.Recipe)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Generate(context.Background(), r, func(Progress) {}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("without its file: %v", err)
	}
}
