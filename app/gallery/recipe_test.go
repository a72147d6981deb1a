package gallery

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var nastyTexts = []string{
	"", "a red cat", "a cat,\nsleeping\n\nby the fire", "  indented\n  lines \n", "\n", "tab\tand\rreturn\r\n",
	"Negative prompt: not really", "good\nNegative prompt: still good\nSteps: 1, Sampler: x, Seed: 2",
	"Steps: 20, Sampler: Euler, CFG scale: 7", `quotes "inside" and 'out' \ back\\slash \n`, "colon: comma, <lora:x:0.5>",
	"猫 🎨👩‍👩‍👧 שלום مرحبا", "café ÿ", "nul\x00bell\x07\x1b", "\u2028\u2029\u00a0\ufeff", strings.Repeat("long ", 2000),
	`"`, `""`, `{"a": 1}`, "a:b", " x", "&<>", "trailing \t ", `((a:1.2), [b], \(c\))`, `ends with \`, ", Hashes: {\"model\": \"x\"}",
	"a\nSteps: 20, Sampler: Euler, Hashes: {}\nNegative prompt: b", "Lora hashes: \"a: b\", c", "e\u0301 \u200f\u202eabc",
}

func full(prompt, negative string) Recipe {
	return Recipe{
		Prompt: prompt, Negative: negative, Steps: 20, Sampler: "DDIM", ScheduleType: "Automatic", CFGScale: 7.5,
		Seed: math.MinInt64, Width: 512, Height: 768, ModelHash: "6ce0161689", Model: "v1-5, \"pruned\": final",
		VAE: "kl-f8, ema", VAEHash: "735e4c3a44", VariationSeed: 7, VariationStrength: 0.1, Denoising: 0.55, MaskBlur: 4,
		ClipSkip: 2, ENSD: 31337, Emphasis: "No norm", HiresUpscale: 1.5, HiresWidth: 768, HiresHeight: 1152, HiresSteps: 12,
		HiresUpscaler: "Latent (nearest)", RNG: "nv", Eta: 0.25, Version: "Latent 1.0",
		LoraHashes:             []Pair{{"style one", "0123456789ab"}, {"b", ""}},
		TextualInversionHashes: []Pair{{"EasyNegative", "66a7279a8877"}},
		Hashes:                 []Pair{{"model", "6ce0161689"}, {"lora:a {x}, b", "01"}, {"embed:\"q\"", ""}},
		Extra:                  []Pair{{"Skip CFG", "2"}, {"Note", "a: b, \"c\"\nd"}, {"Empty", ""}},
	}
}

func TestRecipeRoundTrip(t *testing.T) {
	for _, a := range nastyTexts {
		for _, b := range nastyTexts {
			want := full(a, b)
			if diff := cmp.Diff(want, ParseRecipe(want.String())); diff != "" {
				t.Errorf("prompt %.40q, negative %.40q (-want +got):\n%s", a, b, diff)
			}
		}
		want := Recipe{Prompt: "p", Sampler: a, ScheduleType: a, ModelHash: a, Model: a, Extra: []Pair{{"Note", a}}}
		if diff := cmp.Diff(want, ParseRecipe(want.String())); diff != "" {
			t.Errorf("value %.40q (-want +got):\n%s", a, diff)
		}
	}
	if diff := cmp.Diff(Recipe{}, ParseRecipe(Recipe{}.String())); diff != "" {
		t.Errorf("empty recipe (-want +got):\n%s", diff)
	}
}

func TestRecipeIsInfotext(t *testing.T) {
	r := Recipe{
		Prompt: "a red cat", Negative: "blurry", Steps: 20, Sampler: "Euler a", ScheduleType: "Karras", CFGScale: 7,
		Seed: 42, Width: 512, Height: 640, ModelHash: "6ce0161689", Model: "v1-5", RNG: "cpu", Eta: 0.5,
	}
	want := "a red cat\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, " +
		"Seed: 42, Size: 512x640, Model hash: 6ce0161689, Model: v1-5, Eta: 0.5, RNG: CPU"
	if got := r.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	r = Recipe{Prompt: "x", Sampler: "DDIM", Eta: 1, Model: "a, b", Extra: []Pair{{"bad:key", "1"}}}
	want = "x\nSteps: 0, Sampler: DDIM, CFG scale: 0, Seed: 0, Size: 0x0, Model: \"a, b\", Eta DDIM: 1"
	if got := r.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestForeignInfotext(t *testing.T) {
	for _, c := range []struct {
		text string
		want Recipe
	}{
		{"only a prompt, with: a colon", Recipe{Prompt: "only a prompt, with: a colon"}},
		{"two pairs\nSteps: 20, Seed: 1", Recipe{Prompt: "two pairs\nSteps: 20, Seed: 1"}},
		{"cat\nSteps: 20, Seed: 1, Size: 64x32", Recipe{Prompt: "cat", Steps: 20, Seed: 1, Width: 64, Height: 32}},
		{"cat \n dog\nNegative prompt:\nbad\nworse\nSteps: 2, Sampler: DPM++ 2M, CFG scale: 3.5, ",
			Recipe{Prompt: "cat\ndog", Negative: "bad\nworse", Steps: 2, Sampler: "DPM++ 2M", CFGScale: 3.5}},
		{"x\nSteps: many, Seed: 12.5, CFG scale: NaN, Size: big", Recipe{Prompt: "x"}},
		{"x\nSteps: 1, Seed: 2, Lora hashes: \"a: 1, b: 2\", ControlNet 0: \"Module: none\", Lora hashes: z",
			Recipe{Prompt: "x", Steps: 1, Seed: 2, LoraHashes: []Pair{{"z", ""}}, Extra: []Pair{{"ControlNet 0", "Module: none"}}}},
		{"x\nSteps: 1, Sampler: DPM++ 2M Karras, Seed: 18446744073709551615, Clip skip: 1, Hires resize: 1024x0",
			Recipe{Prompt: "x", Steps: 1, Sampler: "DPM++ 2M Karras", Seed: -1, HiresWidth: 1024}},
		{"x\nSteps: 1, Seed: 2, Hashes: {\"model\": \"ab, cd\", \"lora:Seed\": \"9\"}, Lora hashes: \"a: 1, b: 2\", Version: v1.9",
			Recipe{Prompt: "x", Steps: 1, Seed: 2, Hashes: []Pair{{"model", "ab, cd"}, {"lora:Seed", "9"}},
				LoraHashes: []Pair{{"a", "1"}, {"b", "2"}}, Version: "v1.9"}},
		{"x\nSteps: 1, Seed: 2, Hashes: \"{\\\"model\\\": \\\"ab\\\"}\", ENSD: 31337",
			Recipe{Prompt: "x", Steps: 1, Seed: 2, Hashes: []Pair{{"model", "ab"}}, ENSD: 31337}},
		{"x\nSteps: 1, Seed: 2, Hashes: {\"model\": 5}", Recipe{Prompt: "x", Steps: 1, Seed: 2, Extra: []Pair{{"Hashes", "{\"model\": 5}"}}}},
		{"x\nSteps: 1, Seed: 2, Note: \"open", Recipe{Prompt: "x", Steps: 1, Seed: 2, Extra: []Pair{{"Note", "\"open"}}}},
	} {
		if diff := cmp.Diff(c.want, ParseRecipe(c.text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, diff)
		}
	}
}

// Any text is read, and what was read comes back unchanged.
func FuzzParseRecipe(f *testing.F) {
	for _, s := range nastyTexts {
		f.Add(s)
		f.Add(full(s, s).String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		want := ParseRecipe(text)
		if diff := cmp.Diff(want, ParseRecipe(want.String())); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", want.String(), diff)
		}
	})
}

func ExampleParseRecipe() {
	r := ParseRecipe("a red cat\nNegative prompt: blurry\nSteps: 20, Sampler: DDIM, CFG scale: 7.5, Seed: 42, Size: 512x512")
	fmt.Printf("%q without %q: %d steps of %s\n", r.Prompt, r.Negative, r.Steps, r.Sampler)
	// Output: "a red cat" without "blurry": 20 steps of DDIM
}

// AUTOMATIC1111 has a schedule for each sampler where none is chosen.
func TestAutomaticSchedule(t *testing.T) {
	for _, c := range []struct{ sampler, schedule, want string }{
		{"DPM++ 2M", "Automatic", "Karras"},
		{"DPM++ 2M SDE", "Automatic", "Exponential"},
		{"Euler a", "Automatic", "Uniform"},
		{"DDIM", "Automatic", "Automatic"},
		{"DPM++ 2M", "SGM Uniform", "SGM Uniform"},
		{"DPM++ 2M", "", ""}, // before version 1.9
	} {
		r, _, _ := fromInfotext(Recipe{Prompt: "a cat", Steps: 20, Sampler: c.sampler, ScheduleType: c.schedule}.String())
		if r.ScheduleType != c.want {
			t.Errorf("%s with %q is of schedule %q, want %q", c.sampler, c.schedule, r.ScheduleType, c.want)
		}
	}
}

func TestSaveErrorsAreOneLine(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "folder.png")
	if err := os.MkdirAll(filepath.Join(folder, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	tooLong := Recipe{Prompt: strings.Repeat("x", maxText)}
	for _, c := range []struct {
		path   string
		recipe Recipe
		want   string
	}{
		{filepath.Join(dir, "absent", "a.png"), Recipe{}, "no such file or directory"},
		{filepath.Join(dir, "file", "a.png"), Recipe{}, "not a directory"},
		{folder, Recipe{}, "cannot save " + folder},
		{filepath.Join(dir, "long.png"), tooLong, "too long"},
	} {
		err := Save(c.path, testImage(), c.recipe)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), ".tmp") {
			t.Errorf("%s: error %v, want one line with %q", c.path, err, c.want)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("left behind: %v %v", files, err)
	}
}
