package ui

import (
	"path/filepath"
	"strings"
)

// homes are the folders of this system for Latent's files; each platform has its own.
type homes struct {
	data     string // models and the like, a folder for each kind
	state    string // the queue, measured times
	cache    string // thumbnails; may be deleted at any time
	pictures string // the user's pictures, not only Latent's
	trash    string // deleted files; empty where the system alone knows
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
	h := userHomes()
	return places{settings, h.state, h.cache, h.trash}, err
}

// stemOf is what a person calls a file.
func stemOf(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}
