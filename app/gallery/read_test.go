package gallery

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata/foreign holds pictures as other programs write them.
func TestReadRecipe(t *testing.T) {
	webui := Recipe{
		Prompt: "猫 café", Negative: "bad", Steps: 3, Sampler: "Euler a", CFGScale: 7, Seed: 9, Width: 16, Height: 8,
		Model: "x", RNG: "nv", ClipSkip: 1, Extra: []Pair{{"ControlNet 0", "Module: canny"}},
	}
	simple := Recipe{
		Prompt: "a \"red\" cat 猫\nsleeping", Negative: "blurry", Steps: 20, Sampler: "DPM++ 2M", ScheduleType: "Karras",
		CFGScale: 7.5, Seed: math.MinInt64 + 5, Width: 512, Height: 768, Model: "v1-5-pruned", RNG: "cpu",
	}
	for _, c := range []struct {
		file, source string
		want         Recipe
		unmatched    []string
	}{
		{"a1111.jpg", WebUI, webui, []string{"ControlNet 0"}},
		{"a1111.webp", WebUI, webui, []string{"ControlNet 0"}},
		{"little.jpg", WebUI, webui, []string{"ControlNet 0"}},
		{"comfy.png", ComfyUI, simple, nil},
		{"comfy.webp", ComfyUI, simple, nil},
		{"comfy_loras.png", ComfyUI, Recipe{
			Prompt: "ink drawing <lora:ink:0.8> <lora:hands:0.5:1>", Steps: 12, Sampler: "Euler a", ScheduleType: "Normal",
			CFGScale: 7.5, Seed: 42, Width: 16, Height: 8, Model: "v1-5-pruned", VAE: "vae-ft-mse", ClipSkip: 2, Denoising: 0.5, RNG: "cpu",
		}, []string{"LatentUpscaleBy"}},
		{"comfy_custom.png", ComfyUI, Recipe{
			Prompt: "a cat BREAK a dog", Steps: 8, Sampler: "UniPC", ScheduleType: "SGM Uniform", CFGScale: 5, Seed: 77,
			Width: 1024, Height: 1024, Model: "sdxl", VAE: "x", RNG: "cpu",
		}, []string{"ModelSamplingDiscrete", "batch_size"}},
		{"comfy_cycle.png", ComfyUI, Recipe{
			Steps: 20, Sampler: "DPM++ 2M", ScheduleType: "Karras", CFGScale: 7.5, Width: 16, Height: 8, RNG: "cpu",
		}, []string{"ConditioningCombine", "KSampler", "an earlier KSampler"}},
		{"invoke.png", InvokeAI, Recipe{
			Prompt: "a cat <lora:ink:0.75>", Negative: "bad", Steps: 30, Sampler: "DPM++ 2M", ScheduleType: "Karras", CFGScale: 6.5,
			Seed: 12, Width: 512, Height: 640, Model: "sdxl", ClipSkip: 2, RNG: "cpu",
		}, []string{"ControlNet"}},
		{"novel.png", NovelAI, Recipe{
			Prompt: "a cat", Negative: "lowres", Steps: 28, Sampler: "Euler a", ScheduleType: "Karras", CFGScale: 11,
			Seed: 4032454211, Denoising: 0.7, Width: 16, Height: 8,
		}, nil},
	} {
		r, source, unmatched, err := ReadRecipe(filepath.Join("testdata", "foreign", c.file))
		if err != nil || source != c.source {
			t.Errorf("%s: from %q, %v; want from %q", c.file, source, err, c.source)
			continue
		}
		if diff := cmp.Diff(c.want, r); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.file, diff)
		}
		if diff := cmp.Diff(c.unmatched, unmatched); diff != "" {
			t.Errorf("%s, unmatched (-want +got):\n%s", c.file, diff)
		}
	}
	for file, want := range map[string]string{"none.jpg": "no recipe", "none.webp": "no recipe", "comfy_none.png": "no sampler"} {
		if _, _, _, err := ReadRecipe(filepath.Join("testdata", "foreign", file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", file, err, want)
		}
	}
}

func TestReadsItsOwn(t *testing.T) {
	data, err := Encode(testImage(), full("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	r, source, unmatched, err := DecodeRecipe(bytes.NewReader(data))
	if err != nil || source != Latent {
		t.Errorf("from %q, %v", source, err)
	}
	if diff := cmp.Diff(full("a", "b"), r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Skip CFG", "Note", "Empty"}, unmatched); diff != "" {
		t.Errorf("unmatched (-want +got):\n%s", diff)
	}
}

// Some programs keep infotext in the EXIF block of a PNG.
func TestReadsEXIFOfPNG(t *testing.T) {
	jpeg, err := os.ReadFile(filepath.Join("testdata", "foreign", "a1111.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	exif, err := exifOfJPEG(bytes.NewReader(jpeg))
	if err != nil || exif == nil {
		t.Fatal(exif, err)
	}
	r, source, _, err := DecodeRecipe(bytes.NewReader(pngWith(t, "tEXtSoftware\x00x", "eXIf"+string(exif))))
	if err != nil || source != WebUI || r.Prompt != "猫 café" {
		t.Errorf("prompt %q from %q, %v", r.Prompt, source, err)
	}
}

func TestWithoutNaN(t *testing.T) {
	for in, want := range map[string]string{
		`{"a": NaN, "b": [-Infinity, Infinity]}`: `{"a": null, "b": [null, null]}`,
		`"NaN \" NaN", NaN`:                      `"NaN \" NaN", null`,
		`-1, Na`:                                 `-1, Na`,
		`"\`:                                     `"\`,
	} {
		if got := string(withoutNaN([]byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func foreign(f *testing.F, add func(data []byte)) {
	f.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "foreign", "*"))
	if err != nil || len(paths) == 0 {
		f.Fatal(paths, err)
	}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		add(data)
	}
}

// Any file is read or refused, and what was read can be written.
func FuzzDecodeRecipe(f *testing.F) {
	foreign(f, func(data []byte) { f.Add(data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		r, _, _, err := DecodeRecipe(bytes.NewReader(data))
		if err != nil {
			return
		}
		if text := r.String(); len(text) > 100*len(data)+1000 {
			t.Errorf("%d bytes gave %d", len(data), len(text))
		}
	})
}

func FuzzParseEXIF(f *testing.F) {
	foreign(f, func(data []byte) {
		if at := bytes.Index(data, []byte("MM\x00*")); at >= 0 {
			f.Add(data[at:])
		}
		if at := bytes.Index(data, []byte("II*\x00")); at >= 0 {
			f.Add(data[at:])
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		for k, v := range parseEXIF(data) {
			if len(v) > 3*len(data) {
				t.Errorf("%s: %d bytes gave %d", k, len(data), len(v))
			}
		}
	})
}

func FuzzComfyUI(f *testing.F) {
	foreign(f, func(data []byte) {
		if texts, _, err := readPNG(bytes.NewReader(data)); err == nil && texts["prompt"] != "" {
			f.Add([]byte(texts["prompt"]))
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, unmatched, err := fromComfyUI(data)
		if err == nil && len(r.Prompt) > 100*len(data) || len(unmatched) > 100 {
			t.Errorf("%d bytes gave a prompt of %d and %d remarks", len(data), len(r.Prompt), len(unmatched))
		}
	})
}

// A graph of many nodes that all lead to one another takes no longer than its
// size: no walk branches.
func TestLargeGraph(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`{"s": {"class_type": "SaveImage", "inputs": {"images": ["0", 0]}}`)
	const n = 20000
	for i := range n {
		b.WriteString(strings.NewReplacer("I", strconv.Itoa(i), "J", strconv.Itoa((i+1)%n)).Replace(
			`, "I": {"class_type": "X", "inputs": {"images": ["J", 0], "a": ["J", 0], "b": ["0", 0], "text": ["J", 0], "value": ["J", 0]}}`))
	}
	b.WriteString("}")
	if _, _, err := fromComfyUI(b.Bytes()); err == nil {
		t.Error("a sampler was found")
	}
}
