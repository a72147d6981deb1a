package ui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func saveSettings(path string, s Settings) error {
	data, err := encodeSettings(path, s)
	if err != nil {
		return err
	}
	return keep(path, data)
}

func TestSettingsRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "latent", "settings.toml")
	s, message := loadSettings(path)
	if message != "" || s != defaultSettings() {
		t.Fatalf("a first start gave %+v and %q", s, message)
	}
	want := Settings{Device: "host", Precision: "f32", Output: "/tmp/p", Models: "/tmp/m \"q\"", LoRAs: "/tmp/l", Embeddings: "/tmp/e", VAEs: "/tmp/v", Controls: "/tmp/c", Upscalers: "/tmp/u", Previews: "none", Theme: "light"}
	if err := saveSettings(path, want); err != nil {
		t.Fatal(err)
	}
	if s, message = loadSettings(path); s != want || message != "" {
		t.Errorf("read back %+v, %q", s, message)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("the folder holds %v, want the settings alone", left)
	}
}

func TestUnknownSettingsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.toml")
	write(t, path, "theme = \"light\"\nfuture = 7\n[window]\nwidth = 900\n")
	s, message := loadSettings(path)
	if s.Theme != "light" || !strings.Contains(message, "future") || !strings.Contains(message, "window") {
		t.Errorf("theme %q, message %q must name the unknown keys", s.Theme, message)
	}
	s.Theme = "dark"
	if err := saveSettings(path, s); err != nil {
		t.Fatal(err)
	}
	text := read(t, path)
	for _, want := range []string{"theme = \"dark\"", "future = 7", "[window]", "width = 900"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is lost from\n%s", want, text)
		}
	}
}

func TestBrokenSettingsAreSetAside(t *testing.T) {
	for name, text := range map[string]string{
		"syntax": "theme = dark\n[[[", "type": "theme = 3\n", "binary": "\x00\x01\x02", "twice": "theme = \"dark\"\ntheme = \"light\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "settings.toml")
			for i, aside := range []string{"settings.broken.toml", "settings.broken-2.toml"} {
				write(t, path, text)
				s, message := loadSettings(path)
				if s != defaultSettings() {
					t.Errorf("settings %+v, want the defaults", s)
				}
				if !strings.Contains(message, aside) {
					t.Errorf("message %q must name %s", message, aside)
				}
				if got := read(t, filepath.Join(dir, aside)); got != text {
					t.Errorf("round %d: %s holds %q", i, aside, got)
				}
				if err := saveSettings(path, s); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Somebody may edit the file while the window is open.
func TestSaveLeavesBrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.toml")
	write(t, path, "half = ")
	if err := saveSettings(path, defaultSettings()); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v must say that the file is broken", err)
	}
	if got := read(t, path); got != "half = " {
		t.Errorf("the file was overwritten with %q", got)
	}
}

func TestSettingsOfNoMeaning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.toml")
	write(t, path, "theme = \"pink\"\noutput = \"\"\n")
	s, message := loadSettings(path)
	if s != defaultSettings() || !strings.Contains(message, "pink") {
		t.Errorf("%+v, %q", s, message)
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("theme = \"light\"\n")
	f.Add("a = [1, {b = 2}]\n[c.d]\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "settings.toml")
		write(t, path, text)
		s, _ := loadSettings(path)
		if err := saveSettings(path, s); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, _ := loadSettings(path)
		if again != s {
			t.Fatalf("%q: saved %+v, read %+v", text, s, again)
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
