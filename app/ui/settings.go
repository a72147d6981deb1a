package ui

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"

	"latent/gpu/atomicfile"
)

// Settings is what settings.toml holds.
type Settings struct {
	Device     string `toml:"device"`    // one of Engine.Devices
	Precision  string `toml:"precision"` // auto, f32, bf16
	Output     string `toml:"output"`    // folder of finished pictures
	Models     string `toml:"models"`    // folder that trainings write into
	LoRAs      string `toml:"loras"`
	Embeddings string `toml:"embeddings"` // folder of learned words
	VAEs       string `toml:"vae"`        // folder of autoencoders
	Controls   string `toml:"controlnet"` // folder of ControlNets
	Upscalers  string `toml:"upscalers"`  // folder of ESRGANs
	Previews   string `toml:"previews"`   // often, some, none
	Theme      string `toml:"theme"`      // dark, light, system
}

var (
	precisions = []string{"auto", "bf16", "f32"}
	themes     = []string{"dark", "light", "system"}

	previewWishes = []string{"some", "often", "none"}
)

func (s Settings) compute() Compute { return Compute{s.Device, s.Precision} }
func (s Settings) folders() Folders {
	return Folders{s.Models, s.LoRAs, s.Embeddings, s.VAEs, s.Controls, s.Upscalers}
}

// previewEvery is how many steps lie between two previews; 0: there are none.
func previewEvery(wish string, steps int) int {
	switch wish {
	case "none":
		return 0
	case "often":
		return 1
	}
	return max(1, steps/10)
}

// defaultSettings are those of a first start.
func defaultSettings() Settings {
	h := userHomes()
	data := func(name string) string { return filepath.Join(h.data, name) }
	return Settings{
		Device: "auto", Precision: "auto", Previews: "some", Theme: "dark",
		Output: filepath.Join(h.pictures, "Latent"),
		Models: data("models"), LoRAs: data("loras"), Embeddings: data("embeddings"), VAEs: data("vae"),
		Controls: data("controlnet"), Upscalers: data("upscalers"),
	}
}

// settingsPath is where the desktop wants settings to be.
func settingsPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("settings cannot be kept: %w", err)
	}
	return filepath.Join(dir, "latent", "settings.toml"), nil
}

// loadSettings reads path. What it could not use is told in one message: keys
// that it does not know, which stay in the file, or a file that makes no sense,
// which is set aside under another name and never overwritten.
func loadSettings(path string) (Settings, string) {
	s := defaultSettings()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, ""
	}
	if err != nil {
		return s, fmt.Sprintf("settings could not be read, so the defaults are used: %v", err)
	}
	md, err := toml.Decode(string(data), &s)
	if err != nil {
		return defaultSettings(), setAside(path, "the settings file", reason(err)) + ", and the defaults are used"
	}
	var notes []string
	if unknown := md.Undecoded(); len(unknown) > 0 {
		var names []string
		for _, k := range unknown {
			names = append(names, k.String())
		}
		sort.Strings(names)
		notes = append(notes, "unknown settings are kept but have no effect: "+strings.Join(names, ", "))
	}
	d := defaultSettings()
	for _, f := range []struct {
		key     string
		value   *string
		def     string
		allowed []string
	}{
		{"precision", &s.Precision, d.Precision, precisions},
		{"previews", &s.Previews, d.Previews, previewWishes},
		{"theme", &s.Theme, d.Theme, themes},
	} {
		if !slices.Contains(f.allowed, *f.value) {
			notes = append(notes, fmt.Sprintf("%s = %q is none of %s: %s is used", f.key, *f.value, strings.Join(f.allowed, ", "), f.def))
			*f.value = f.def
		}
	}
	for _, f := range []struct{ value, def *string }{{&s.Output, &d.Output}, {&s.Models, &d.Models}, {&s.LoRAs, &d.LoRAs}, {&s.Embeddings, &d.Embeddings}, {&s.VAEs, &d.VAEs}, {&s.Controls, &d.Controls}, {&s.Upscalers, &d.Upscalers}, {&s.Device, &d.Device}} {
		if *f.value == "" {
			*f.value = *f.def
		}
	}
	return s, strings.Join(notes, "; ")
}

// reason is a TOML error in one line.
func reason(err error) string {
	var pe toml.ParseError
	if errors.As(err, &pe) {
		return fmt.Sprintf("line %d: %s", pe.Position.Line, pe.Message)
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}

// setAside renames a file that makes no sense and says so.
func setAside(path, what, why string) string {
	base := strings.TrimSuffix(path, ".toml")
	for i := 1; ; i++ {
		aside := base + ".broken.toml"
		if i > 1 {
			aside = fmt.Sprintf("%s.broken-%d.toml", base, i)
		}
		// Link refuses to overwrite, where rename would not.
		err := os.Link(path, aside)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil {
			return fmt.Sprintf("%s is broken (%s) and could not be set aside (%v)", path, why, atomicfile.Reason(err))
		}
		return fmt.Sprintf("%s is broken (%s): it is kept as %s", what, why, aside)
	}
}

// encodeSettings returns s as a file's content, with the keys of the one at path
// that it does not know. A file that makes no sense is an error: it is left as it
// is.
func encodeSettings(path string, s Settings) ([]byte, error) {
	all := map[string]any{}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, atomicfile.Reason(err)
	}
	if _, err := toml.Decode(string(data), &all); err != nil {
		return nil, fmt.Errorf("the file is broken: %s", reason(err))
	}
	for k, v := range map[string]string{
		"device": s.Device, "precision": s.Precision, "output": s.Output, "models": s.Models, "loras": s.LoRAs,
		"embeddings": s.Embeddings, "vae": s.VAEs, "controlnet": s.Controls, "upscalers": s.Upscalers, "previews": s.Previews, "theme": s.Theme,
	} {
		all[k] = v
	}
	var out bytes.Buffer
	enc := toml.NewEncoder(&out)
	enc.Indent = ""
	err = enc.Encode(all)
	return out.Bytes(), err
}
