package pipeline

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latent/app/gallery"
	"latent/app/library"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/noise"
)

func randomEntry(name string, seed uint64, shape ...int) safetensors.Entry {
	n := 1
	for _, s := range shape {
		n *= s
	}
	v := make([]float32, n)
	noise.NewRand(seed).Normal(v)
	var data []byte
	for _, f := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
	}
	return safetensors.Entry{Name: name, DType: safetensors.F32, Shape: shape, Data: data}
}

// writeLoRA writes one of rank 2 for the first matrix of the U-Net and of the
// text encoder.
func writeLoRA(t *testing.T, e *Engine, model, path string, seed uint64) {
	t.Helper()
	var entries []safetensors.Entry
	err := e.With(t.Context(), model, func(m *library.Model) error {
		for prefix, part := range map[string]any{"lora_unet_": m.UNet, "lora_te_": m.Text} {
			for _, p := range nn.Params(part) {
				if layer, ok := strings.CutSuffix(p.Key, ".weight"); ok && p.Kind == nn.Matrix && strings.Contains(p.Key, "attn") {
					name := prefix + strings.ReplaceAll(layer, ".", "_")
					entries = append(entries, randomEntry(name+".lora_down.weight", seed, 2, p.Shape[1]), randomEntry(name+".lora_up.weight", seed+1, p.Shape[0], 2))
					break
				}
			}
		}
		return nil
	})
	if err == nil {
		err = safetensors.Write(path, entries, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestLoRAs(t *testing.T) {
	e, dir, folder := start(t), tinyModel(t, 1), t.TempDir()
	writeLoRA(t, e, dir, filepath.Join(folder, "fur.safetensors"), 1)
	if err := os.Mkdir(filepath.Join(folder, "more"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeLoRA(t, e, dir, filepath.Join(folder, "more", "snow.safetensors"), 5)
	pix := func(change func(*Request)) []uint8 {
		t.Helper()
		req := request()
		req.LoRAFolder = folder
		change(&req)
		return paint(t, e, dir, req)[0].Image.Pix
	}
	prompt := func(more string) func(*Request) { return func(r *Request) { r.Prompt += more } }
	plain := pix(prompt(""))
	one := pix(prompt("<lora:fur:0.8>"))
	both := pix(prompt(" <lora:fur:0.8> <lora:snow:0.5>"))
	if cmp.Equal(plain, one) || cmp.Equal(one, both) {
		t.Error("a LoRA changes nothing")
	}
	for name, change := range map[string]func(*Request){
		"taken off":              prompt(""),
		"at nought":              prompt("<lora:fur:0>"),
		"in the negative prompt": func(r *Request) { r.Negative += "<lora:fur:0.8>" },
	} {
		if !cmp.Equal(plain, pix(change)) {
			t.Errorf("%s: the picture is not the plain one", name)
		}
	}
	for name, change := range map[string]func(*Request){
		"named in the request": func(r *Request) { r.LoRAs = []LoRA{{"fur", 0.8, 0.8}} },
		"by its path":          func(r *Request) { r.LoRAs = []LoRA{{filepath.Join(folder, "fur.safetensors"), 0.8, 0.8}} },
		"in other letters":     prompt("<lora:FUR:0.8>"),
	} {
		if !cmp.Equal(one, pix(change)) {
			t.Errorf("%s: the picture is not that of the LoRA", name)
		}
	}
	if cmp.Equal(one, pix(func(r *Request) { r.LoRAs = []LoRA{{"fur", 0.8, 0}} })) {
		t.Error("the text encoder's strength does not count")
	}
	// The function alone leaves the model as it was.
	err := e.With(t.Context(), dir, func(m *library.Model) error {
		req := request()
		for _, more := range []string{"<lora:fur:0.8>", ""} {
			req.Prompt, req.LoRAFolder = "a red fox"+more, folder
			out, err := Generate(t.Context(), m, req, nil)
			if err != nil {
				return err
			}
			if want := map[bool][]uint8{true: plain, false: one}[more == ""]; !cmp.Equal(want, out[0].Image.Pix) {
				t.Errorf("with %q another picture", more)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	// A file that was written anew counts as it is now.
	writeLoRA(t, e, dir, filepath.Join(folder, "fur.safetensors"), 9)
	if now := pix(prompt("<lora:fur:0.8>")); cmp.Equal(one, now) || cmp.Equal(plain, now) {
		t.Error("the LoRA is still the old one")
	}

	req := request()
	req.LoRAFolder, req.LoRAs = folder, []LoRA{{"snow", 0.5, 0.25}}
	r := paint(t, e, dir, req)[0].Recipe
	if r.Prompt != "a red fox <lora:snow:0.25:0.5>" || len(r.LoraHashes) != 1 || r.LoraHashes[0].Key != "snow" || len(r.LoraHashes[0].Value) != 12 {
		t.Errorf("recipe %q with %v", r.Prompt, r.LoraHashes)
	}
	back := gallery.ParseRecipe(r.String())
	req.Prompt, req.LoRAs = back.Prompt, nil
	if !cmp.Equal(paint(t, e, dir, req)[0].Image.Pix, pix(func(r *Request) { r.LoRAs = []LoRA{{"snow", 0.5, 0.25}} })) {
		t.Error("the recipe makes another picture")
	}

	if err := safetensors.Write(filepath.Join(folder, "alien.safetensors"), []safetensors.Entry{
		randomEntry("lora_unet_nowhere_to_q.lora_down.weight", 1, 2, 3), randomEntry("lora_unet_nowhere_to_q.lora_up.weight", 1, 3, 2),
	}, nil); err != nil {
		t.Fatal(err)
	}
	for more, want := range map[string]string{
		"<lora:rain:1>":     "there are alien, fur, snow",
		"<lora:alien:1>":    "for another model",
		"<lora:fur:strong>": "strong",
		"<hypernet:fur:1>":  "hypernet",
	} {
		req := request()
		req.Prompt, req.LoRAFolder = "fox "+more, folder
		if _, err := e.Generate(t.Context(), dir, req, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", more, err, want)
		}
	}
	if !cmp.Equal(plain, pix(prompt(""))) {
		t.Error("after errors the picture is not the plain one")
	}
}

// A model's file that is written anew below a LoRA is opened again.
func TestLoRAOnAModelThatChanges(t *testing.T) {
	e, dir, folder := start(t), tinyModel(t, 1), t.TempDir()
	writeLoRA(t, e, dir, filepath.Join(folder, "fur.safetensors"), 1)
	plain := paint(t, e, dir, request())[0].Image.Pix
	with := func(prompt string) []uint8 {
		req := request()
		req.Prompt, req.LoRAFolder = req.Prompt+prompt, folder
		return paint(t, e, dir, req)[0].Image.Pix
	}
	one := with("<lora:fur:0.8>")
	later := time.Now().Add(time.Hour)
	for _, touch := range []func(){
		func() {
			if !cmp.Equal(plain, with("")) {
				t.Error("the LoRA is not taken off")
			}
		},
		func() {
			err := e.With(t.Context(), dir, func(m *library.Model) error {
				out, err := Generate(t.Context(), m, request(), nil)
				if err == nil && !cmp.Equal(plain, out[0].Image.Pix) {
					t.Error("With has a model with a LoRA")
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		},
	} {
		if !cmp.Equal(one, with("<lora:fur:0.8>")) {
			t.Error("the LoRA does not count as before")
		}
		later = later.Add(time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "unet", vaeWeights), later, later); err != nil {
			t.Fatal(err)
		}
		touch()
	}
}

func TestLearnedWords(t *testing.T) {
	e, dir, folder := start(t), tinyModel(t, 1), t.TempDir()
	width := 0
	if err := e.With(t.Context(), dir, func(m *library.Model) error { width = m.Text.Config.HiddenSize; return nil }); err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]int{"sky": width, "wide": width + 1} {
		if err := safetensors.Write(filepath.Join(folder, name+".safetensors"), []safetensors.Entry{randomEntry("emb_params", 3, 2, w)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	req := request()
	req.Prompt = "a red sky"
	plain := paint(t, e, dir, req)[0].Image.Pix
	req.Embeddings = folder
	got := paint(t, e, dir, req)[0]
	if cmp.Equal(plain, got.Image.Pix) {
		t.Error("the learned word changes nothing")
	}
	file, err := os.ReadFile(filepath.Join(folder, "sky.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	want := []gallery.Pair{{Key: "sky", Value: fmt.Sprintf("%x", sha256.Sum256(file))[:12]}}
	if diff := cmp.Diff(want, got.Recipe.TextualInversionHashes); diff != "" {
		t.Error(diff)
	}
	req.Prompt, req.Negative = "a red skyline", "" // another word
	if got := paint(t, e, dir, req)[0].Recipe.TextualInversionHashes; got != nil {
		t.Errorf("the recipe names %v, which the prompt does not", got)
	}
	req.Prompt = "a wide sky"
	if _, err := e.Generate(t.Context(), dir, req, nil); err == nil || !strings.Contains(err.Error(), "wide") {
		t.Errorf("a word of another width: %v", err)
	}
	req = request()
	req.Embeddings = filepath.Join(folder, "none")
	paint(t, e, dir, req)
}

// Weights, schedules and clip skip of a prompt reach the picture.
func TestPromptSyntax(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	pix := func(prompt string) []uint8 {
		req := request()
		req.Prompt = prompt
		return paint(t, e, dir, req)[0].Image.Pix
	}
	red, blue := pix("red"), pix("blue")
	for prompt, want := range map[string][]uint8{"[red:blue:0]": blue, "[red:blue:3]": red, "(red:1)": red} {
		if !cmp.Equal(pix(prompt), want) {
			t.Errorf("%s is not what it stands for", prompt)
		}
	}
	for _, prompt := range []string{"(red:1.5)", "[red:blue:0.5]", "[red|blue]", "red BREAK blue"} {
		if got := pix(prompt); cmp.Equal(got, red) || cmp.Equal(got, blue) {
			t.Errorf("%s is read as one of its words", prompt)
		}
	}
	long := pix(strings.Repeat("a red fox, ", 40))
	if cmp.Equal(long, pix(strings.Repeat("a red fox, ", 20))) {
		t.Error("what is beyond the first chunk is cut off")
	}
	req := request()
	req.ClipSkip = 2
	if _, err := e.Generate(t.Context(), dir, req, nil); err == nil || !strings.Contains(err.Error(), "clip skip is 2, the text encoder has 1") {
		t.Errorf("clip skip does not reach the text encoder: %v", err)
	}
}
