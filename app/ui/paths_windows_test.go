package ui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUserPlaces(t *testing.T) {
	places, err := userPlaces()
	if err != nil {
		t.Fatal(err)
	}
	s := defaultSettings()
	local, roaming := os.Getenv("LOCALAPPDATA"), os.Getenv("APPDATA")
	if local == "" || roaming == "" {
		t.Fatal("the test needs a user with folders")
	}
	for _, c := range []struct{ got, want string }{
		{places.settings, filepath.Join(roaming, "latent", "settings.toml")},
		{places.state, filepath.Join(local, "latent", "state")},
		{places.cache, filepath.Join(local, "latent", "cache")},
		{s.Models, filepath.Join(local, "latent", "models")},
		{filepath.Base(s.Output), "Latent"},
	} {
		if !strings.EqualFold(c.got, c.want) {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
	if i, err := os.Stat(filepath.Dir(s.Output)); err != nil || !i.IsDir() {
		t.Errorf("the folder of pictures is %s: %v", s.Output, err)
	}
}
