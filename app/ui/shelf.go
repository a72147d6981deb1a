package ui

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"latent/app/gallery"
	"latent/gpu/atomicfile"
)

// shelf is what the window remembers of the pictures folder between two looks:
// the words of each picture's recipe, so that a search reads a file only once.
type shelf struct {
	mu    sync.Mutex
	words map[string]spine // by path
}

type spine struct {
	time time.Time // of the file when it was read
	text string    // its name and recipe, in lower case
}

// list returns the folder's pictures that have all of the words, newest first;
// ctx-like, it gives up once stale says that nobody waits for the answer.
func (s *shelf) list(folder, words string, stale func() bool) ([]gallery.Picture, error) {
	all, err := gallery.List(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // until the first picture is made
	}
	wanted := strings.Fields(strings.ToLower(words))
	if err != nil || len(wanted) == 0 {
		return all, atomicfile.Reason(err)
	}
	var found []gallery.Picture
	for i, p := range all {
		if i%256 == 0 && stale() {
			return nil, nil
		}
		text := s.text(p)
		if !slices.ContainsFunc(wanted, func(w string) bool { return !strings.Contains(text, w) }) {
			found = append(found, p)
		}
	}
	return found, nil
}

func (s *shelf) text(p gallery.Picture) string {
	s.mu.Lock()
	known, ok := s.words[p.Path]
	s.mu.Unlock()
	if ok && known.time.Equal(p.Time) {
		return known.text
	}
	text := filepath.Base(p.Path)
	if r, err := gallery.Read(p.Path); err == nil {
		text += "\n" + r.String()
	}
	text = strings.ToLower(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.words == nil {
		s.words = map[string]spine{}
	}
	s.words[p.Path] = spine{p.Time, text}
	return text
}

// favouritesFile holds the names of a folder's favourites, one a line. It lies
// among the pictures, so that it goes where they go.
const favouritesFile = ".favourites"

// readFavourites returns the names in a folder's list.
func readFavourites(folder string) (map[string]bool, error) {
	data, err := os.ReadFile(filepath.Join(folder, favouritesFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, atomicfile.Reason(err)
	}
	return parseFavourites(data), nil
}

func parseFavourites(data []byte) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		if name := strings.TrimRight(line, "\r\n"); name != "" {
			out[name] = true
		}
	}
	return out
}

func formatFavourites(names map[string]bool) []byte {
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	var b bytes.Buffer
	for _, name := range sorted {
		b.WriteString(name + "\n")
	}
	if b.Len() == 0 {
		return []byte("\n") // an empty list, not a file to remove
	}
	return b.Bytes()
}
