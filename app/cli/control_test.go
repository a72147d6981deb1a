package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latent/app/pipeline"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/noise"
	"latent/unet"
)

// controlFor writes a ControlNet with random weights for a model and returns its
// folder: it is called edges.
func controlFor(t *testing.T, model string) string {
	t.Helper()
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	data, err := os.ReadFile(filepath.Join(model, "unet", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte("UNet2DConditionModel"), []byte("ControlNetModel"), 1)
	cfg, err := unet.ParseControlConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	cfg.HintChannels = []int{4, 4, 4, 4}
	net, err := unet.NewControlNet(cfg)
	if err == nil {
		err = nn.Init(net, dev, gpu.Float32, noise.NewRand(1))
	}
	dir := t.TempDir()
	if err == nil {
		err = nn.Save(filepath.Join(dir, "edges.safetensors"), net, "F16", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestGenerateWithControls(t *testing.T) {
	dir, out := model(t), filepath.Join(t.TempDir(), "x.png")
	nets := controlFor(t, dir)
	red := filepath.Join(filepath.Dir(dir), "pictures", "red.png")
	edges := filepath.Join(nets, "edges.safetensors")
	if text := succeed(t, "inspect", edges); !strings.Contains(text, "a ControlNet\n") || strings.Contains(text, "cannot") {
		t.Errorf("inspect says %q", text)
	}
	files := map[string]bool{}
	for _, test := range []struct {
		flags []string
		want  []string // of inspect's words
	}{
		{[]string{"--control", "edges:" + red, "--control-dir", nets}, []string{`ControlNet 0: "Module: none, Model: edges [`, "Weight: 1,"}},
		{[]string{"--control", "edges:" + red + ":0.8:0.2-0.7", "--control-dir", nets, "--control-preprocessor", "canny"},
			[]string{"Module: canny", "Weight: 0.8", "Threshold A: 100, Threshold B: 200, Guidance Start: 0.2, Guidance End: 0.7"}},
		{[]string{"--control", edges + ":" + red, "--control", edges + "::2", "--control-preprocessor", "canny:20:60", "--control-preprocessor", "invert", "--init", red},
			[]string{`ControlNet 0: "Module: canny`, "Threshold A: 20, Threshold B: 60", `ControlNet 1: "Module: invert (from white bg & black line)`, "Weight: 2", "Denoising strength: 0.75"}},
	} {
		succeed(t, append([]string{"generate", "--prompt", "a red square", "--model", dir, "--steps", "4", "--seed", "3", "--size", "32x32",
			"--device", "reference", "--precision", "f32", "--out", out}, test.flags...)...)
		text := succeed(t, "inspect", out)
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("inspect does not say %q:\n%s", want, text)
			}
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		files[string(data)] = true
	}
	if len(files) != 3 {
		t.Errorf("%d files differ, want 3", len(files))
	}
}

func TestWrongControls(t *testing.T) {
	dir, empty := model(t), t.TempDir()
	nets := controlFor(t, dir)
	red := filepath.Join(filepath.Dir(dir), "pictures", "red.png")
	for _, test := range []struct {
		flags []string
		code  int
		want  string
	}{
		{[]string{"--control", ":x"}, 2, "canny:house.png:0.8:0-0.7"},
		{[]string{"--control", "edges:" + red + ":strong"}, 2, "NET:FILE"},
		{[]string{"--control", "edges:" + red + ":1:0.8-0.2"}, 2, "NET:FILE"},
		{[]string{"--control", "edges"}, 2, "--init"},
		{[]string{"--control", "edges:" + filepath.Join(empty, "none.png")}, 1, "--control"},
		{[]string{"--control", "edges:" + red}, 1, "no folder of ControlNets"},
		{[]string{"--control", "edges:" + red, "--control-dir", empty}, 1, "none in"},
		{[]string{"--control", "depth:" + red, "--control-dir", nets}, 1, "there are edges"},
		{[]string{"--control", "edges:" + red, "--control-dir", nets, "--model", pipeline.Builtin}, 1, "ControlNet "},
		{[]string{"--control", red + ":" + red}, 1, "is a picture, not a model"},
		{[]string{"--control", "edges:" + red, "--control-preprocessor", "openpose"}, 2, "none, canny, invert"},
		{[]string{"--control", "edges:" + red, "--control-preprocessor", "blur:900"}, 2, "between 0.01 and 64"},
		{[]string{"--control", "edges:" + red, "--control-preprocessor", "canny:x"}, 2, "low threshold"},
		{[]string{"--control", "edges:" + red, "--control-preprocessor", "invert:3"}, 2, "0 settings"},
		{[]string{"--control-preprocessor", "canny"}, 2, "one for each"},
	} {
		args := append([]string{"generate", "--prompt", "red", "--model", dir, "--device", "reference", "--steps", "1", "--size", "32x32",
			"--out", filepath.Join(empty, "x.png")}, test.flags...)
		code, _, stderr := latent(t, args...)
		if code != test.code || !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q, want %d, %q", test.flags, code, stderr, test.code, test.want)
		}
	}
}

func TestParseControl(t *testing.T) {
	for s, want := range map[string]controlFlag{
		"canny":                       {Control: pipeline.Control{Model: "canny"}},
		"canny:a.png":                 {pipeline.Control{Model: "canny"}, "a.png"},
		"canny::0.5":                  {pipeline.Control{Model: "canny", Weight: 0.5}, ""},
		`C:\n\c.pth:D:/a.png:-1:.1-1`: {pipeline.Control{Model: `C:\n\c.pth`, Weight: -1, Start: 0.1, End: 1}, "D:/a.png"},
	} {
		if got, err := parseControl(s); got != want || err != nil {
			t.Errorf("%s is %+v, %v; want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", ":a.png", "c:a.png:", "c:a.png:0", "c:a.png:1:0.5", "c:a.png:1:0-2", "c:a:1:0-1:5", "c:a:NaN"} {
		if got, err := parseControl(s); err == nil {
			t.Errorf("%q is %+v", s, got)
		}
	}
}

func FuzzParseControl(f *testing.F) {
	for _, s := range []string{"canny:a.png:0.8:0-0.7", "C:/x::1", "::::", "c:a:1:-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := parseControl(s); err == nil && (c.Model == "" || c.End > 1 || c.Start < 0) {
			t.Errorf("%q is %+v", s, c)
		}
		if p, err := parsePreprocessor(s); err == nil && p.name == "" {
			t.Errorf("%q names no preprocessor", s)
		}
	})
}
