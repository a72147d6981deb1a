package pipeline

import (
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn/golden"
)

var composedPrompts = map[string]struct {
	prompt   string
	guidance float64
}{
	"two":      {"a red fox AND blue sky", 4},
	"weights":  {"a red fox AND blue sky :0.6 AND sea : -0.3", 4},
	"alone":    {"a red fox :0.5", 4},
	"unguided": {"a red fox:0.75 AND blue sky :0.5", 1},
	"plain":    {"a red fox", 4},
}

// Prompts that AND joins give the latents that each prompt alone and a sum in
// Python give; at guidance 1 the negative prompt counts as well.
func TestComposedPrompts(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m, _ := openGolden(t, dev)
		f := golden.Open(t, "testdata/compose.safetensors")
		for name, c := range composedPrompts {
			t.Run(name, func(t *testing.T) {
				req := goldenRequest
				req.Sampler, req.Steps, req.Prompt, req.Guidance = "ddim", 6, c.prompt, c.guidance
				trajectory(t, m, req, f, name)
			})
		}
	})
}

// A prompt may change in its parts, and rescale and a model with a guidance
// embedding take part.
func TestComposedWithOthers(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	paint := func(way, prompt string, change func(*Request)) []float32 {
		req := goldenRequest
		req.Sampler, req.Steps, req.Prompt = "ddim", 3, prompt
		if change != nil {
			change(&req)
		}
		m := openWay(t, dev, gpu.Float32, way)
		var x []float32
		if _, err := Generate(t.Context(), m, req, func(p Progress) {
			if p.State != nil {
				x = p.State().tensors["x.0"]
			}
		}); err != nil {
			t.Fatal(err)
		}
		return x
	}
	rescale := func(r *Request) { r.Rescale = 0.7 }
	for _, c := range []struct {
		what, way, a, b string
		change          func(*Request)
		same            bool
	}{
		{"twice half", "", "a red fox :0.5 AND a red fox :0.5", "a red fox", nil, true},
		{"twice half, rescaled", "", "a red fox :0.5 AND a red fox :0.5", "a red fox", rescale, true},
		{"twice half with a guidance embedding", "lcm", "a red fox :0.5 AND a red fox :0.5", "a red fox", nil, true},
		{"none of it", "", "a red fox AND blue sky :0", "a red fox", nil, true},
		{"another half", "", "a red fox :0.5 AND blue sky :0.5", "a red fox", nil, false},
		{"a schedule in a part", "", "a red fox AND [blue:red:2] sky", "a red fox AND [blue:red:1] sky", nil, false},
		{"a schedule that changes nothing", "", "a red fox AND [blue:blue:2] sky", "a red fox AND blue sky", nil, true},
	} {
		if d := distance(paint(c.way, c.a, c.change), paint(c.way, c.b, c.change)); d < 1e-4 != c.same {
			t.Errorf("%s: %q and %q differ by %g", c.what, c.a, c.b, d)
		}
	}
	req := goldenRequest
	req.Prompt = strings.Repeat("fox AND ", maxComposed) + "fox"
	if _, err := Generate(t.Context(), openWay(t, dev, gpu.Float32, ""), req, nil); err == nil || !strings.Contains(err.Error(), "33 prompts by AND: at most 32") {
		t.Error(err)
	}
}
