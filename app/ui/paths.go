package ui

import (
	"os"
	"path/filepath"
	"strings"
)

// xdg is one of the user's folders as the XDG base directory specification names
// them, or its place under home where the variable is not set.
func xdg(variable string, home ...string) string {
	// The specification: relative paths are to be ignored.
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		dir = "."
	}
	return filepath.Join(append([]string{dir}, home...)...)
}

// places are where the window keeps what is its own.
type places struct {
	settings string // the file
	state    string // folder: the queue, measured times
	cache    string // folder: thumbnails; may be deleted at any time
	trash    string // the desktop's folder of deleted files
}

func userPlaces() (places, error) {
	settings, err := settingsPath()
	return places{
		settings: settings,
		state:    filepath.Join(xdg("XDG_STATE_HOME", ".local", "state"), "latent"),
		cache:    filepath.Join(xdg("XDG_CACHE_HOME", ".cache"), "latent"),
		trash:    filepath.Join(xdg("XDG_DATA_HOME", ".local", "share"), "Trash"),
	}, err
}

// stemOf is what a person calls a file.
func stemOf(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}
