package pipeline

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latent/gpu"
	"latent/gpu/nn/golden"
)

// DeepCache and guidance that ends early go the ways of their authors' package and of
// diffusers.
func TestShortCutsEqualDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		f, controls := golden.Open(t, "testdata/fast.safetensors"), golden.Open(t, "testdata/control.safetensors")
		for _, c := range []struct {
			name, way string
			change    func(*Request)
		}{
			{"cache_3", "", func(r *Request) { r.CacheInterval = 3 }},
			{"cache_2_euler", "", func(r *Request) { r.CacheInterval, r.Sampler = 2, "euler" }},
			{"cache_xl", "xl", func(r *Request) { r.CacheInterval = 5 }},
			{"cache_control", "", func(r *Request) {
				r.CacheInterval = 3
				r.Controls = []Control{{Model: "testdata/control/b", Picture: picture(controls, "hint"), Weight: 0.8}}
			}},
			{"end", "", func(r *Request) { r.GuidanceEnd = 0.6 }},
		} {
			t.Run(c.name, func(t *testing.T) {
				m := openWay(t, dev, gpu.Float32, c.way)
				req := goldenRequest
				req.Negative, req.Sampler = "", "ddim"
				c.change(&req)
				m.Scheduler.RescaleBetasZeroSNR = m.Scheduler.RescaleBetasZeroSNR && req.Sampler == "ddim"
				trajectory(t, m, req, f, c.name)
			})
		}
	})
}

// A picture that is gone on with after any step is the same with DeepCache too: it
// goes back to where the whole U-Net is next.
func TestResumedPictureWithDeepCache(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	req := request()
	req.Sampler, req.Steps, req.CacheInterval = "ddpm", 6, 2
	req.Prompt = "a [red:blue:3] fox" // the text changes before a shallow step
	states := map[int]*State{}
	whole, err := e.Generate(t.Context(), dir, req, func(p Progress) {
		if p.State != nil {
			s := p.State()
			states[s.Step] = s
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(states) != 3 || states[2] == nil || states[3] == nil || states[4] == nil {
		t.Fatalf("%d states, want those after 2, 3 and 4 steps", len(states))
	}
	for n, s := range states {
		resumed := req
		resumed.Resume = s
		out, err := start(t).Generate(t.Context(), dir, resumed, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole, out); diff != "" {
			t.Errorf("gone on after %d steps the picture differs: %s", n, diff)
		}
	}
}

// What shortens nothing changes nothing, and what makes no sense is refused.
func TestShortCuts(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	paint := func(change func(*Request)) (string, error) {
		req := request()
		req.Steps = 6
		change(&req)
		out, err := e.Generate(t.Context(), dir, req, nil)
		if err != nil {
			return "", err
		}
		return string(out[0].Image.Pix), nil
	}
	plain, err := paint(func(*Request) {})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Request)
		same   bool
	}{
		"a cache of one step":              {func(r *Request) { r.CacheInterval = 1 }, true},
		"a cache of two":                   {func(r *Request) { r.CacheInterval = 2 }, false},
		"guidance throughout":              {func(r *Request) { r.GuidanceEnd = 1 }, true},
		"guidance from the second step on": {func(r *Request) { r.GuidanceStart = 0.15 }, false},
		"guidance but in the last step":    {func(r *Request) { r.GuidanceEnd = 0.9 }, false},
	} {
		got, err := paint(c.change)
		if err != nil {
			t.Error(name, err)
		} else if (got == plain) != c.same {
			t.Errorf("%s: the same picture: %t, want %t", name, got == plain, c.same)
		}
	}
	for want, change := range map[string]func(*Request){
		"cache interval -1: ":                      func(r *Request) { r.CacheInterval = -1 },
		"guidance from 0.5 to 0.25 of the steps: ": func(r *Request) { r.GuidanceStart, r.GuidanceEnd = 0.5, 0.25 },
		"guidance from 0 to 2 of the steps: ":      func(r *Request) { r.GuidanceEnd = 2 },
	} {
		if _, err := paint(change); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}
