package gallery

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A line as AUTOMATIC1111's extension writes it (its format of 2023 and later).
const controlled = `a house
Negative prompt: fog
Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x512, Model: m, ControlNet 0: "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 0.8, Resize Mode: Crop and Resize, Processor Res: 512, Threshold A: 100.0, Threshold B: 200.0, Guidance Start: 0.1, Guidance End: 0.9, Pixel Perfect: False, Control Mode: Balanced", ControlNet 2: "Module: none, Model: depth, Weight: 1.0, Resize Mode: Resize and Fill, Processor Res: -1, Guidance Start: 0.0, Guidance End: 1.0, Pixel Perfect: True, Control Mode: My prompt is more important", ControlNet 1: "Module: reference_only, Model: None", Version: v1.10.1`

func TestReadsControls(t *testing.T) {
	r := ParseRecipe(controlled)
	got := r.Controls()
	want := []Control{
		{Module: "canny", Model: "control_v11p_sd15_canny [d14c016b]", Weight: 0.8, ResizeMode: "Crop and Resize", Resolution: 512, A: 100, B: 200,
			Start: 0.1, End: 0.9, Mode: "Balanced"},
		{Module: "none", Model: "depth", Weight: 1, ResizeMode: "Resize and Fill", Resolution: -1, A: -1, B: -1, End: 1, Exact: true, Mode: "My prompt is more important"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if name, hash := got[0].Name(); name != "control_v11p_sd15_canny" || hash != "d14c016b" {
		t.Errorf("%q, %q", name, hash)
	}
	if name, hash := got[1].Name(); name != "depth" || hash != "" {
		t.Errorf("%q, %q", name, hash)
	}
	if a, b := got[0].Unlike(), got[1].Unlike(); a != "" || b != "resize mode Resize and Fill" {
		t.Errorf("unlike are %q and %q", a, b)
	}
	if diff := cmp.Diff(r, ParseRecipe(r.String())); diff != "" {
		t.Error(diff)
	}
}

// What is written comes back, whatever the names.
func TestControlsComeBack(t *testing.T) {
	want := []Control{
		{Module: "canny", Model: "edges [0123abcd]", Weight: 1, ResizeMode: usualResize, Resolution: 512, A: 100, B: 200, End: 1, Exact: true, Mode: usualMode},
		{Module: "none", Model: `"quoted" and é`, Weight: 0.55, ResizeMode: usualResize, Resolution: 8, A: -1, B: -1, Start: 0.25, End: 0.5, Mode: usualMode},
	}
	r := Recipe{Prompt: "p", Steps: 3, Sampler: "DDIM", Width: 8, Height: 8, RNG: "cpu"}
	for i, c := range want {
		r.Extra = append(r.Extra, c.Pair(i))
	}
	text := r.String()
	if line := `ControlNet 0: "Module: canny, Model: edges [0123abcd], Weight: 1, Resize Mode: Crop and Resize, Processor Res: 512, Threshold A: 100, Threshold B: 200, Guidance Start: 0, Guidance End: 1, Pixel Perfect: True, Control Mode: Balanced"`; !strings.Contains(text, line) {
		t.Errorf("%s\nis without\n%s", text, line)
	}
	if diff := cmp.Diff(want, ParseRecipe(text).Controls()); diff != "" {
		t.Error(diff)
	}
	odd := Control{Module: "none", Model: "a, b: c", Weight: 1}
	r.Extra = []Pair{odd.Pair(0)}
	if got := ParseRecipe(r.String()).Controls(); len(got) != 1 || got[0].Model != "a b c" {
		t.Errorf("%+v", got)
	}
}

func FuzzControls(f *testing.F) {
	f.Add(controlled)
	f.Add("x\nSteps: 1, Seed: 2, ControlNet 0: \"Module: none, Model: a [, Weight: NaN\"")
	f.Fuzz(func(t *testing.T, text string) {
		for i, c := range ParseRecipe(text).Controls() {
			name, hash := c.Name()
			if len(name)+len(hash) > len(c.Model) {
				t.Errorf("%q is %q and %q", c.Model, name, hash)
			}
			back := Recipe{Steps: 1, Sampler: "x", Extra: []Pair{c.Pair(i)}}
			if got := ParseRecipe(back.String()).Controls(); len(got) > 0 && got[0].Weight != c.Weight {
				t.Errorf("%+v became %+v", c, got[0])
			}
		}
	})
}
