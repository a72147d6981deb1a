package pipeline

import (
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latent/app/gallery"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/noise"
	"latent/unet"
)

// writeControl writes a ControlNet with random weights for a model that tinyModel
// wrote, and returns its path.
func writeControl(t *testing.T, model string, seed uint64) string {
	t.Helper()
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	data := golden.Read(t, model, "unet", "config.json")
	text := strings.Replace(string(data), "UNet2DConditionModel", "ControlNetModel", 1)
	text = strings.Replace(text, "{", `{"conditioning_embedding_out_channels":[2,3,4,5],`, 1)
	cfg, err := unet.ParseControlConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	net, err := unet.NewControlNet(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.Init(net, dev, gpu.Float32, noise.NewRand(seed)); err != nil {
		t.Fatal(err)
	}
	for _, p := range nn.Params(net.Hint) { // else eight layers leave little of the picture
		v := p.T.Float32s()
		for i := range v {
			v[i] *= 3
		}
		p.T.Write(v)
	}
	path := filepath.Join(t.TempDir(), "net.safetensors")
	if err := nn.Save(path, net, "F32", nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// guided are the ways to a picture, each guided.
func guided(net string, change func(*Request)) Request {
	req := request()
	req.Sampler = "ddpm" // which draws noise at every step
	change(&req)
	req.Controls = []Control{
		{Model: net, Picture: smooth(50, 40), Weight: 2, End: 0.7},
		{Model: net, Picture: smooth(32, 16), Preprocessor: "canny", A: 20, B: 60},
	}
	return req
}

// In each mode a guided picture is another one than without, the same again, in a
// batch as alone, and gone on with.
func TestControlInAllModes(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	net := writeControl(t, dir, 9)
	for name, change := range modes {
		t.Run(name, func(t *testing.T) {
			req := guided(net, change)
			var states []*State
			whole, err := e.Generate(t.Context(), dir, req, func(p Progress) {
				if p.State != nil {
					states = append(states, p.State())
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			req.Count = 2
			batch := paint(t, e, dir, req)
			if diff := cmp.Diff(whole[0], batch[0]); diff != "" {
				t.Errorf("again: %s", diff)
			}
			if diff := cmp.Diff(paint(t, e, dir, req.At(1))[0], batch[1]); diff != "" {
				t.Errorf("alone: %s", diff)
			}
			req.Count = 1
			for _, s := range states {
				req.Resume = s
				if diff := cmp.Diff(whole, paint(t, e, dir, req)); diff != "" {
					t.Errorf("gone on after %d steps: %s", s.Step, diff)
				}
			}
			other := req
			other.Controls = append([]Control{{Model: net, Picture: smooth(51, 40), Weight: 2, End: 0.7}}, req.Controls[1:]...)
			if _, err := e.Generate(t.Context(), dir, other, nil); err == nil || !strings.Contains(err.Error(), "another request") {
				t.Errorf("goes on with another control's picture: %v", err)
			}
			req.Resume, req.Controls = nil, nil
			if cmp.Equal(whole[0].Image.Pix, paint(t, e, dir, req)[0].Image.Pix) {
				t.Error("the controls change nothing")
			}
		})
	}
}

// Each setting of a control changes the picture.
func TestControlDecidesThePicture(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	net, second := writeControl(t, dir, 9), writeControl(t, dir, 10)
	paintWith := func(c Control) []byte {
		req := request()
		req.Controls = []Control{c}
		return paint(t, e, dir, req)[0].Image.Pix
	}
	plain := Control{Model: net, Picture: smooth(32, 16)}
	base := paintWith(plain)
	if !cmp.Equal(base, paintWith(Control{Model: net, Picture: smooth(32, 16), Weight: 1, End: 1, Preprocessor: "none"})) {
		t.Error("the defaults are others")
	}
	for name, change := range map[string]func(*Control){
		"net": func(c *Control) { c.Model = second }, "picture": func(c *Control) { c.Picture = spot(32, 16, image.Rect(3, 3, 20, 9)) },
		"weight": func(c *Control) { c.Weight = 0.9 }, "start": func(c *Control) { c.Start = 0.3 }, "end": func(c *Control) { c.End = 0.7 },
		"preprocessor": func(c *Control) { c.Preprocessor = "invert" },
	} {
		c := plain
		change(&c)
		if cmp.Equal(base, paintWith(c)) {
			t.Errorf("another %s gives the same picture", name)
		}
	}
	// A share of the steps that holds no step.
	c := plain
	c.Start, c.End = 0.1, 0.3
	if req := request(); !cmp.Equal(paint(t, e, dir, req)[0].Image.Pix, paintWith(c)) {
		t.Error("a control of no step changes the picture")
	}
}

// Without a picture of its own a control goes by the one to begin at; where the
// masked part alone is painted, by that part of it.
func TestControlOfThePictureToBeginAt(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	net := writeControl(t, dir, 9)
	for name, change := range modes {
		req := request()
		if change(&req); req.Init == nil {
			continue
		}
		req.Controls = []Control{{Model: net}}
		a := paint(t, e, dir, req)[0]
		req.Controls[0].Picture = req.Init
		if b := paint(t, e, dir, req)[0]; !cmp.Equal(a, b) {
			t.Errorf("%s: pictures differ", name)
		}
		if name == "masked part" {
			changed := smooth(80, 50)
			changed.SetNRGBA(0, 0, color.NRGBA{255, 0, 0, 255}) // far from the mask
			req.Controls[0].Picture = changed
			if b := paint(t, e, dir, req)[0]; !cmp.Equal(a.Image, b.Image) {
				t.Error("what lies outside of the part changes the picture")
			}
		}
	}
}

// Nets stay open from one request to the next, and no longer.
func TestControlNetsAreKeptAndReopened(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	net := writeControl(t, dir, 9)
	req := request()
	memory := func() (n int) {
		paint(t, e, dir, req)
		err := e.submit(t.Context(), func(w *worker) error {
			n = w.dev.Memory().InUse
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	without := memory()
	req.Controls = []Control{{Model: net, Picture: smooth(32, 16)}}
	with := memory()
	if again := memory(); again != with || with <= without {
		t.Errorf("%d bytes in use, then %d and %d with a net", without, with, again)
	}
	a := paint(t, e, dir, req)[0].Image
	data, err := os.ReadFile(writeControl(t, dir, 10))
	if err == nil {
		err = os.WriteFile(net, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(a, paint(t, e, dir, req)[0].Image) {
		t.Error("a net written anew is not opened again")
	}
	req.Controls = nil
	if n := memory(); n != without {
		t.Errorf("%d bytes in use, %d before the net", n, without)
	}
}

func TestControlInTheRecipe(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	net := writeControl(t, dir, 9)
	req := guided(net, func(*Request) {})
	r := gallery.ParseRecipe(paint(t, e, dir, req)[0].Recipe.String())
	got := r.Controls()
	want := []gallery.Control{
		{Module: "none", Weight: 2, A: -1, B: -1, End: 0.7},
		{Module: "canny", Weight: 1, A: 20, B: 60, End: 1},
	}
	for i := range want {
		want[i].ResizeMode, want[i].Mode, want[i].Resolution, want[i].Exact = "Crop and Resize", "Balanced", 16, true
		if i < len(got) {
			name, hash := got[i].Name()
			if name != "net" || len(hash) != 8 {
				t.Errorf("model %q", got[i].Model)
			}
			got[i].Model = ""
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatOfAControlIsRefused(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	net := writeControl(t, dir, 9)
	good := Control{Model: net, Picture: smooth(32, 16)}
	for _, c := range []struct {
		change func(*Control)
		want   string
	}{
		{func(c *Control) { c.Model = "" }, "needs a ControlNet"},
		{func(c *Control) { c.Picture = nil }, "needs a picture, or one to begin at"},
		{func(c *Control) { c.Picture = image.NewNRGBA(image.Rectangle{}) }, "needs a picture"},
		{func(c *Control) { c.Preprocessor = "openpose" }, `unknown preprocessor "openpose"`},
		{func(c *Control) { c.Preprocessor, c.A = "blur", 100 }, "between 0.01 and 64"},
		{func(c *Control) { c.Weight = math.NaN() }, "not a number"},
		{func(c *Control) { c.Start, c.End = 0.6, 0.4 }, "from 0.6 to 0.4 of the steps"},
		{func(c *Control) { c.End = 1.5 }, "between 0 and 1"},
		{func(c *Control) { c.Model = "edges" }, `ControlNet "edges": no folder of ControlNets is chosen`},
		{func(c *Control) { c.Model = filepath.Join(dir, "unet") }, "is a U-Net of a diffusers model, not a ControlNet"},
		{func(c *Control) { c.Model = "../../unet/testdata/control/sdxl" }, "other blocks"},
	} {
		req := request()
		control := good
		c.change(&control)
		req.Controls = []Control{control}
		_, err := e.Generate(t.Context(), dir, req, func(Progress) { t.Errorf("%+v began", control) })
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q, want one line with %q", err, c.want)
		}
	}
	req := request()
	req.Controls = make([]Control, maxControls+1)
	if _, err := e.Generate(t.Context(), dir, req, nil); err == nil || !strings.Contains(err.Error(), "at most 8") {
		t.Error(err)
	}
}
