//go:build !headless

package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"latent/app/gallery"
)

// A search of many pictures reads each file once; thumbnails are made once.
func TestShelfAndThumbsAreKept(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	var words []string
	for i := range 300 {
		words = append(words, fmt.Sprintf("picture number%d of a fox", i))
	}
	paths := hang(t, w, words...)
	never := func() bool { return false }
	var s shelf
	if list, err := s.list(w.settings.Output, "NUMBER17 fox", never); err != nil || len(list) != 11 { // 17, 170…179
		t.Errorf("%d found, %v", len(list), err)
	}
	known := s.words[paths[5]]
	if known.text == "" {
		t.Fatal("a recipe was not remembered")
	}
	known.text = "sentinel"
	s.words[paths[5]] = known
	if list, _ := s.list(w.settings.Output, "sentinel", never); len(list) != 1 {
		t.Error("the file was read again")
	}
	at := time.Unix(1_800_000_000, 0)
	if err := os.Chtimes(paths[5], at, at); err != nil {
		t.Fatal(err)
	}
	if list, _ := s.list(w.settings.Output, "sentinel", never); len(list) != 0 {
		t.Error("a file that has changed was not read again")
	}
	if list, _ := s.list(w.settings.Output, "fox", func() bool { return true }); list != nil {
		t.Error("a search that nobody waits for must end")
	}

	ready := 0
	th := newThumbs(q.post, filepath.Join(w.places.cache, "t"), func(string) { ready++ })
	pic := gallery.Picture{Path: paths[0], Time: time.Unix(1_700_000_000, 0)}
	th.get(pic)
	q.until(t, "it is made", func() bool { return ready == 1 })
	if img, known := th.get(pic); !known || img == nil {
		t.Fatal("no thumbnail")
	}
	if err := os.Remove(paths[0]); err != nil {
		t.Fatal(err)
	}
	th = newThumbs(q.post, th.dir, th.ready)
	th.get(pic)
	q.until(t, "it comes from the disk", func() bool { return ready == 2 })
	if img, _ := th.get(pic); img == nil {
		t.Error("the thumbnail was not kept on the disk")
	}
	th.get(gallery.Picture{Path: paths[0]})
	q.until(t, "of no file none is made", func() bool { return ready == 3 })
	if img, known := th.get(gallery.Picture{Path: paths[0]}); img != nil || !known {
		t.Error("a file that is not there has a thumbnail")
	}
}

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		path := filepath.Join(dir, fmt.Sprint(i))
		write(t, path, "")
		at := time.Unix(int64(1000-i), 0)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	prune(dir, 2)
	left, _ := os.ReadDir(dir)
	if len(left) != 2 || left[0].Name() != "0" || left[1].Name() != "1" {
		t.Errorf("left %v, want the newest two", left)
	}
}

func TestFavouritesText(t *testing.T) {
	names := map[string]bool{"a b.png": true, "ü.png": true}
	if got := parseFavourites(formatFavourites(names)); len(got) != 2 || !got["a b.png"] || !got["ü.png"] {
		t.Errorf("became %v", got)
	}
	if got := parseFavourites(formatFavourites(nil)); len(got) != 0 {
		t.Errorf("none became %v", got)
	}
}
