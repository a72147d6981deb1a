//go:build unix

package ui

import (
	"os"
	"path/filepath"
)

func userHomes() homes {
	data := xdg("XDG_DATA_HOME", ".local", "share")
	return homes{
		data:     filepath.Join(data, "latent"),
		state:    filepath.Join(xdg("XDG_STATE_HOME", ".local", "state"), "latent"),
		cache:    filepath.Join(xdg("XDG_CACHE_HOME", ".cache"), "latent"),
		pictures: xdg("", "Pictures"),
		trash:    filepath.Join(data, "Trash"),
	}
}

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
