package lora

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/safetensors"
	"latent/unet"

	"github.com/google/go-cmp/cmp"
)

// renamed writes a file of testdata with other keys and opens it; an empty key is
// left out.
func renamed(t *testing.T, name string, rename func(string) string) *File {
	t.Helper()
	sf, err := safetensors.Open(filepath.Join("testdata", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer sf.Close()
	var entries []safetensors.Entry
	for _, key := range sf.Names() {
		v, _ := sf.Get(key)
		if key = rename(key); key != "" {
			entries = append(entries, safetensors.Entry{Name: key, DType: v.DType, Shape: v.Shape, Data: v.Data})
		}
	}
	path := filepath.Join(t.TempDir(), "renamed.safetensors")
	if err := safetensors.Write(path, entries, sf.Metadata()); err != nil {
		t.Fatal(err)
	}
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestEverySpelling(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	replace := func(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }
	for _, c := range []struct {
		name, model, file string
		rename            func(string) string
	}{
		{"PEFT with its adapter's name", "sd1", "sd1_peft", replace("lora_A.", "lora_A.default.", "lora_B.", "lora_B.default.")},
		{"diffusers", "sd1", "sd1_peft", replace("lora_A.", "lora.down.", "lora_B.", "lora.up.")},
		{"diffusers before PEFT", "sd1", "sd1_peft", func(key string) string {
			if strings.HasPrefix(key, "text_encoder") {
				return replace("lora_A", "lora_linear_layer.down", "lora_B", "lora_linear_layer.up")(key)
			}
			if !strings.Contains(key, "attn") {
				return replace("lora_A", "lora.down", "lora_B", "lora.up")(key)
			}
			return replace("attn1.", "attn1.processor.", "attn2.", "attn2.processor.", "to_out.0", "to_out",
				".lora_A", "_lora.down", ".lora_B", "_lora.up")(key)
		}},
		{"text encoder of transformers 5", "sd1", "sd1_peft", replace("text_model.", "")},
		{"one text encoder by number", "sd1", "sd1_kohya", replace("lora_te_", "lora_te1_")},
		{"no prefix", "sd1", "sd1_peft", replace("unet.", "")},
		{"PEFT's own", "sd1", "sd1_peft", replace("unet.", "base_model.model.", "text_encoder.", "base_model.model.")},
		{"kohya with diffusers' names for XL", "sdxl", "sdxl_kohya", func(key string) string {
			layer, factor, _ := strings.Cut(key, ".")
			first, ok := strings.CutPrefix(layer, "lora_unet_")
			if !ok {
				return key
			}
			name := diffusersNames(t)[first]
			if name == "" || name == first {
				t.Errorf("%s: %q in diffusers", key, name)
			}
			return "lora_unet_" + name + "." + factor
		}},
		{"ComfyUI", "sd1", "sd1_peft", func(key string) string {
			rest, ok := strings.CutPrefix(key, "unet.down_blocks.0.attentions.0.")
			if !ok {
				return key
			}
			return "diffusion_model.input_blocks.1.1." + rest
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, got := load(t, dev, gpu.Float32, c.model), load(t, dev, gpu.Float32, c.model)
			set(t, New(want.parts(), nil), Use{read(t, c.file), 0.7, 0.4})
			f := renamed(t, c.file, c.rename)
			for _, fit := range set(t, New(got.parts(), nil), Use{f, 0.7, 0.4}) {
				if len(fit.Unmatched) > 0 {
					t.Errorf("unmatched %v", fit.Unmatched)
				}
			}
			if !slices.EqualFunc(want.bits(), got.bits(), bytes.Equal) {
				t.Error("the weights differ")
			}
		})
	}
}

// diffusersNames are the names of XL's layers, by those of the first release.
func diffusersNames(t *testing.T) map[string]string {
	cfg, err := unet.ParseConfig(golden.Read(t, "testdata", "sdxl", "unet", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := unet.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, p := range nn.Params(m) {
		layer, _ := cutLast(p.Key)
		names[strings.ReplaceAll(firstName(m, layer), ".", "_")] = strings.ReplaceAll(layer, ".", "_")
	}
	return names
}

// An alpha of 0, or none, is the rank: the factor is 1.
func TestAlpha(t *testing.T) {
	without := renamed(t, "sd1_kohya", func(key string) string {
		if strings.HasSuffix(key, ".alpha") {
			return ""
		}
		return key
	})
	with := read(t, "sd1_kohya")
	for i, m := range with.modules {
		if got, want := m.multiplier(), 1.5/float64(m.rank()); got != want {
			t.Errorf("%s: alpha/rank %g, want %g", m.key, got, want)
		}
		if got := without.modules[i].multiplier(); got != 1 {
			t.Errorf("%s without alpha: %g", m.key, got)
		}
		m.alpha = 0
		if got := m.multiplier(); got != 1 {
			t.Errorf("%s with alpha 0: %g", m.key, got)
		}
	}
}

func TestFacts(t *testing.T) {
	for name, want := range map[string]Facts{
		"sd1_kohya": {Layers: map[string]int{UNet: 79, Text1: 12}, Kinds: map[string]int{"LoRA": 73, "LoCon": 18}, Ranks: []int{2, 3, 4}, Alphas: []float64{1.5}},
		"sd1_peft":  {Layers: map[string]int{UNet: 40, Text1: 6}, Kinds: map[string]int{"LoRA": 38, "LoCon": 8}, Ranks: []int{2, 3}, Alphas: []float64{1, 1.5, 6}},
		"sd1_loha":  {Layers: map[string]int{UNet: 34}, Kinds: map[string]int{"LoHa": 34}, Ranks: []int{3}, Alphas: []float64{2}},
	} {
		if diff := cmp.Diff(want, read(t, name).Facts()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := read(t, "sdxl_kohya").Family(); got != SDXL {
		t.Errorf("family %q", got)
	}
}

func TestFilesThatAreNoLoRA(t *testing.T) {
	one := make([]byte, 2)
	for _, c := range []struct {
		name    string
		entries []safetensors.Entry
		want    string
	}{
		{"no factors", []safetensors.Entry{{Name: "a.weight", DType: "F16", Shape: []int{1}, Data: one}}, "not a LoRA"},
		{"half a layer", []safetensors.Entry{{Name: "lora_unet_a.lora_up.weight", DType: "F16", Shape: []int{1, 1}, Data: one}}, "lora_unet_a: it has only up"},
		{"ranks", []safetensors.Entry{
			{Name: "lora_unet_a.lora_up.weight", DType: "F16", Shape: []int{1, 1}, Data: one},
			{Name: "lora_unet_a.lora_down.weight", DType: "F16", Shape: []int{2, 1}, Data: make([]byte, 4)}}, "do not fit one another: ranks of 1 and 2"},
		{"DoRA of a difference", []safetensors.Entry{
			{Name: "lora_unet_a.diff", DType: "F16", Shape: []int{1, 1}, Data: one},
			{Name: "lora_unet_a.dora_scale", DType: "F16", Shape: []int{1, 1}, Data: one}}, "a DoRA of a difference"},
		{"magnitudes alone", []safetensors.Entry{{Name: "lora_unet_a.dora_scale", DType: "F16", Shape: []int{1, 1}, Data: one}}, "it has only dora"},
		{"Flux", []safetensors.Entry{{Name: "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight", DType: "F16", Shape: []int{1, 1}, Data: one}}, "it is for Flux"},
		{"integers", []safetensors.Entry{{Name: "lora_unet_a.diff", DType: "I8", Shape: []int{2}, Data: one}}, "is I8; only floating-point"},
		{"alpha", []safetensors.Entry{{Name: "lora_unet_a.alpha", DType: "F16", Shape: []int{1}, Data: []byte{0, 0x7c}}}, "not one number"},
		{"twice", []safetensors.Entry{
			{Name: "unet.a.lora_A.weight", DType: "F16", Shape: []int{1, 1}, Data: one},
			{Name: "unet.a.lora_down.weight", DType: "F16", Shape: []int{1, 1}, Data: one}}, "stands twice"},
	} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := safetensors.Write(path, c.entries, nil); err != nil {
			t.Fatal(err)
		}
		_, err := Read(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "pointer.safetensors")
	if err := os.WriteFile(path, []byte("version https://git-lfs.github.com/spec/v1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "Git LFS") || strings.Count(err.Error(), path) != 1 {
		t.Errorf("error %v", err)
	}
}

// Kinds of adapter that are not read are named, also where they stand beside others.
func TestOtherAdapters(t *testing.T) {
	for key, want := range map[string]string{
		"lora_unet_a.oft_blocks":                        "an OFT or BOFT",
		"lora_unet_a.oft_diag":                          "an OFT or BOFT",
		"base_model.model.a.oft_R.weight":               "an OFT or BOFT",
		"base_model.model.a.boft_R":                     "a BOFT",
		"lora_unet_a.on_input":                          "an IA3",
		"base_model.model.a.ia3_l":                      "an IA3",
		"lora_unet_a.a1.weight":                         "a GLoRA",
		"base_model.model.a.vera_lambda_b":              "a VeRA",
		"base_model.model.a.lora_E":                     "an AdaLoRA",
		"lora_unet_a.wd_for_diff":                       "a DoRA of the difference alone",
		"unet.a.lora_B.bias":                            "a LoRA with biases",
		"lora_unet_mid_block_attentions_0.lora_up.bias": "a LoRA with biases",
	} {
		entries := []safetensors.Entry{
			{Name: key, DType: "F16", Shape: []int{1}, Data: []byte{0, 0}},
			{Name: "lora_unet_b.lora_up.weight", DType: "F16", Shape: []int{1, 1}, Data: []byte{0, 0}},
			{Name: "lora_unet_b.lora_down.weight", DType: "F16", Shape: []int{1, 1}, Data: []byte{0, 0}},
		}
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := safetensors.Write(path, entries, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.HasSuffix(err.Error(), "it is "+want+" ("+key+"), which Latent does not support") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// Any file is read or refused, and one that was read is applied or refused.
func FuzzRead(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "sd1_*.safetensors"))
	if err != nil || len(paths) == 0 {
		f.Fatal(paths, err)
	}
	for _, p := range paths {
		sf, err := safetensors.Open(p)
		if err != nil {
			f.Fatal(err)
		}
		defer sf.Close()
		var entries []safetensors.Entry // of one layer, and one with a kernel
		for _, key := range sf.Names() {
			if v, _ := sf.Get(key); strings.Contains(key, "layers_0_mlp_fc1") || strings.Contains(key, "down_blocks_0_resnets_0_conv1") ||
				strings.Contains(key, "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q") {
				entries = append(entries, safetensors.Entry{Name: key, DType: v.DType, Shape: v.Shape, Data: v.Data})
			}
		}
		var b bytes.Buffer
		if err := safetensors.WriteTo(&b, entries, sf.Metadata()); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	dev, err := gpu.Open("reference")
	if err != nil {
		f.Fatal(err)
	}
	m := load(f, dev, gpu.Float32, "sd1")
	p := New(m.parts(), nil)
	before := m.bits()
	f.Fuzz(func(t *testing.T, data []byte) {
		sf, err := safetensors.Parse(data)
		if err != nil {
			return
		}
		file, err := parse(sf)
		if err != nil {
			return
		}
		file.Facts()
		if _, err := p.Set([]Use{{file, 1, 1}}); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v", err)
		}
		if _, err := p.Set(nil); err != nil || !slices.EqualFunc(before, m.bits(), bytes.Equal) {
			t.Errorf("not taken off: %v", err)
		}
	})
}

// Factors whose sizes agree in all but the kernel's are for another layer.
func TestKernelOfAnotherSize(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m := load(t, dev, gpu.Float32, "sd1")
	p := New(m.parts(), nil)
	f32 := func(name string, shape ...int) safetensors.Entry {
		n := 4
		for _, s := range shape {
			n *= s
		}
		return safetensors.Entry{Name: "lora_unet_down_blocks_0_resnets_0_conv1." + name, DType: "F32", Shape: shape, Data: make([]byte, n)}
	}
	for _, entries := range [][]safetensors.Entry{ // conv1 is [8,8,3,3]
		{f32("lokr_w1", 1, 72), f32("lokr_w2", 8, 1)},
		{f32("lora_up.weight", 8, 1), f32("lora_mid.weight", 1, 1, 2, 2), f32("lora_down.weight", 1, 18)},
		{f32("hada_w1_a", 1, 8), f32("hada_t1", 1, 1, 6, 1), f32("hada_w1_b", 1, 12), f32("hada_w2_a", 8, 1), f32("hada_w2_b", 1, 72)},
	} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := safetensors.Write(path, entries, nil); err != nil {
			t.Fatal(err)
		}
		f, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Set([]Use{{f, 1, 1}}); err == nil || !strings.Contains(err.Error(), "other widths") {
			t.Errorf("%s…: error %v", entries[0].Name, err)
		}
		f.Close()
	}
}

// FuzzSplitKey: any key is taken apart or refused, and the parts are of it.
func FuzzSplitKey(f *testing.F) {
	for _, key := range []string{
		"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", "unet.a.attn1.processor.to_out_lora.up.weight",
		"base_model.model.text_model.x.lora_A.default.weight", "lora_te_x.alpha", "up_blocks.0.dora_scale", ".alpha", "unet.",
	} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		stem, part, _, factor, ok := splitKey(key)
		if ok && (!strings.HasPrefix(key, stem) || part == "" || factor == "") {
			t.Errorf("%q: %q %q %q", key, stem, part, factor)
		}
	})
}
