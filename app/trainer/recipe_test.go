package trainer

import (
	"path/filepath"
	"strings"
	"testing"

	"latent/app/library"
	"latent/gpu/nn/golden"
	"latent/unet"
	"latent/vae"

	"github.com/google/go-cmp/cmp"
)

const goodRecipe = `
output = "out/fox"
base = "model.safetensors"
[data]
folder = "pictures"
resolution = 512
[denoiser]
steps = 10
`

func TestParseConfig(t *testing.T) {
	for _, c := range []struct {
		name, more string
		want       *LoRA
	}{
		{"no LoRA", "", nil},
		{"defaults", "[lora]", &LoRA{Rank: 16, Alpha: 16}},
		{"alpha follows rank", "[lora]\nrank = 4", &LoRA{Rank: 4, Alpha: 4}},
		{"all", "[lora]\nrank = 8\nalpha = 1\nconv = true\ntext_encoder = true", &LoRA{8, 1, true, true}},
	} {
		config, err := ParseConfig([]byte(goodRecipe + c.more))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, config.LoRA); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		want := "out/fox"
		if c.want != nil {
			want = filepath.Join("out/fox", "fox.safetensors")
		}
		if got := config.Result(); got != want {
			t.Errorf("%s: it writes %s, want %s", c.name, got, want)
		}
	}
}

// Every mistake is told in one line that names the setting.
func TestParseConfigErrors(t *testing.T) {
	for _, c := range []struct{ replace, by, want string }{
		{`base = "model.safetensors"`, "", "set either base"},
		{`base = "model.safetensors"`, `skeleton = "s"`, "autoencoder.steps"},
		{"steps = 10", "steps = 0", "denoiser.steps 0"},
		{"steps = 10", "steps = 10\nlearning_rate = 2", "denoiser.learning_rate 2"},
		{"steps = 10", "steps = 10\ntext_encoder_learning_rate = -1", "text_encoder_learning_rate -1"},
		{"steps = 10", "steps = 10\nnoise_offset = 3", "noise_offset"},
		{"steps = 10", "steps = 10\nmin_snr_gamma = nan", "min_snr_gamma"},
		{"steps = 10", "steps = 10\n[lora]\nrank = -1", "lora.rank -1"},
		{"steps = 10", "steps = 10\n[lora]\nrank = 5000", "lora.rank 5000"},
		{"steps = 10", "steps = 10\n[lora]\nalpha = -4", "lora.alpha -4"},
		{"steps = 10", "steps = 10\n[lora]\nranks = 4", `unknown setting "lora.ranks"`},
		{"steps = 10", `steps = 10` + "\n" + `lr_scheduler = "triangle"`, `unknown learning-rate schedule "triangle"`},
		{"resolution = 512", "resolution = 500", "data.resolution 500"},
		{"resolution = 512", "resolution = 520\nbuckets = true", "multiple of 64"},
		{"resolution = 512", "prior_weight = -1", "data.prior_weight -1"},
		{`folder = "pictures"`, "postcard = 4\nclass_folder = \"c\"", "data.class_folder"},
		{`folder = "pictures"`, "postcard = 4\nbuckets = true", "data.buckets"},
	} {
		text := strings.Replace(goodRecipe, c.replace, c.by, 1)
		_, err := ParseConfig([]byte(text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", c.by, err, c.want)
		}
	}
	if _, err := ParseConfig([]byte(strings.Replace(goodRecipe, `base = "model.safetensors"`, `skeleton = "s"`+"\n[autoencoder]\nsteps = 1\n[lora]\n", 1))); err == nil {
		t.Error("a LoRA of no model is accepted")
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(goodRecipe)
	f.Add("\"\\\n") // the message quotes the line's end
	f.Add(goodRecipe + "[lora]\nrank = 4\n[samples]\nevery = 3\nprompts = [\"a\"]")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := ParseConfig([]byte(text)); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}

// What a U-Net wants beside the picture, the time and the text decides whether a
// folder of pictures can train it.
func TestTrainable(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *unet.Config)
		want   string
	}{
		{"plain", func(c *unet.Config) {}, ""},
		{"text pooled from the context, as the built-in model's", func(c *unet.Config) {
			c.AdditionEmbedType, c.AdditionEmbedTypeNumHeads = "text", 2
		}, ""},
		{"inpainting", func(c *unet.Config) { c.InChannels = 9 }, "it inpaints"},
		{"unCLIP", func(c *unet.Config) { c.ClassEmbedType, c.ProjectionClassEmbeddingsInputDim = "projection", 8 }, "it is told a class"},
		{"LCM", func(c *unet.Config) { c.TimeCondProjDim = 8 }, "it is a consistency model"},
	} {
		cfg, err := unet.ParseConfig(golden.Read(t, "../library/testdata/sd1/unet/config.json"))
		if err != nil {
			t.Fatal(err)
		}
		c.change(&cfg)
		m := &library.Model{VAE: &vae.Model{Config: vae.Default()}}
		if m.UNet, err = unet.New(cfg); err != nil {
			t.Fatal(c.name, err)
		}
		r := &run{Training: &Training{Config: Config{Base: "m", Data: Data{Resolution: 64}}}, model: m}
		err = r.trainable()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
