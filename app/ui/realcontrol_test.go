package ui

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"latent/app/library"
	"latent/assets"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/noise"
	"latent/unet"
)

// The product's engine lists ControlNets and paints with them.
func TestRealControl(t *testing.T) {
	if !assets.HasModel() {
		t.Skip("there is no built-in model")
	}
	dev, err := gpu.Open("host")
	if err != nil {
		t.Skip(err)
	}
	data, err := fs.ReadFile(assets.Model(), "unet/config.json")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := unet.ParseControlConfig(bytes.Replace(data, []byte("UNet2DConditionModel"), []byte("ControlNetModel"), 1))
	if err != nil {
		t.Fatal(err)
	}
	cfg.HintChannels = []int{8, 8, 8, 8}
	net, err := unet.NewControlNet(cfg)
	if err == nil {
		err = nn.Init(net, dev, gpu.Float32, noise.NewRand(1))
	}
	dir := t.TempDir()
	if err == nil {
		err = nn.Save(filepath.Join(dir, "edges.safetensors"), net, "F16", nil)
	}
	dev.Close()
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 20, 10))); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "black.png"), file.String())

	e := NewEngine()
	defer e.Close()
	want := []Extra{{Path: filepath.Join(dir, "edges.safetensors"), Name: "edges", What: "a ControlNet", Family: string(library.Other)}}
	if got := e.Extras(Folders{Controls: dir}).Controls; !reflect.DeepEqual(got, want) {
		t.Fatalf("listed are %+v, want %+v", got, want)
	}
	m := e.Models("")[0]
	if m.Family != want[0].Family {
		t.Errorf("the built-in model's family is %q", m.Family)
	}
	r := Request{Compute: Compute{"host", "f32"}, Model: m.ID, Prompt: "a fox", Steps: 2, Guidance: 4, Sampler: "DDIM", Seed: 1, Width: 64, Height: 64}
	paint := func() Picture {
		t.Helper()
		p, err := e.Generate(context.Background(), r, func(Progress) {})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	plain := paint()
	r.Controls = []Control{{Net: want[0].Path, Picture: filepath.Join(dir, "black.png"), Preprocessor: "invert", Weight: 1, End: 1}}
	guided := paint()
	if reflect.DeepEqual(plain.Image, guided.Image) {
		t.Error("the control changes nothing")
	}
	if c := guided.Recipe.Controls(); len(c) != 1 || !strings.HasPrefix(c[0].Model, "edges [") || c[0].Module != "invert (from white bg & black line)" {
		t.Errorf("recipe %v", guided.Recipe)
	}
	r.Controls = append(r.Controls, Control{Net: want[0].Path, Picture: filepath.Join(dir, "black.png"), Weight: 0.5, End: 0.6})
	both := paint()
	if reflect.DeepEqual(both.Image, guided.Image) {
		t.Error("the second control changes nothing")
	}
	if c := both.Recipe.Controls(); len(c) != 2 || c[1].Weight != 0.5 || c[1].End != 0.6 {
		t.Errorf("recipe %v", both.Recipe)
	}
	r.Controls = r.Controls[:1]
	r.Controls[0].Picture = filepath.Join(dir, "none.png")
	if _, err := e.Generate(context.Background(), r, func(Progress) {}); err == nil || !strings.Contains(err.Error(), "picture of the control") {
		t.Errorf("without its picture: %v", err)
	}
}
