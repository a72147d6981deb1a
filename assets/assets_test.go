package assets

import (
	"io/fs"
	"testing"

	"github.com/BurntSushi/toml"
)

// TestModelIsWhole catches a model committed in part: the folder is a note
// alone, or all that a diffusers model needs.
func TestModelIsWhole(t *testing.T) {
	if _, err := fs.Stat(Model(), "README.md"); err != nil {
		t.Errorf("the folder says nothing of itself: %v", err)
	}
	if !HasModel() {
		t.Skip("no model is built in")
	}
	for _, name := range []string{
		"text_encoder/config.json", "text_encoder/model.safetensors",
		"tokenizer/vocab.json", "tokenizer/merges.txt",
		"unet/config.json", "unet/diffusion_pytorch_model.safetensors",
		"vae/config.json", "vae/diffusion_pytorch_model.safetensors",
		"scheduler/scheduler_config.json",
	} {
		if _, err := fs.Stat(Model(), name); err != nil {
			t.Error(err)
		}
	}
}

func TestVersion(t *testing.T) {
	var app struct{ Details struct{ Version string } }
	if _, err := toml.DecodeFile("../FyneApp.toml", &app); err != nil {
		t.Fatal(err)
	}
	if app.Details.Version != Version {
		t.Errorf("Version is %s, FyneApp.toml says %s", Version, app.Details.Version)
	}
}
