//go:build !headless

package ui

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"latent/app/gallery"
)

// hang keeps pictures with these prompts in the window's folder.
func hang(t *testing.T, w *Window, prompts ...string) (paths []string) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for i, prompt := range prompts {
		path, err := saveNext(w.settings.Output, Picture{Image: img, Recipe: gallery.Recipe{Prompt: prompt, Steps: 3, Sampler: "DDIM", CFGScale: 2, Seed: int64(i + 1), Width: 16, Height: 16}})
		if err != nil {
			t.Fatal(err)
		}
		// So that the order is sure where the clock is coarse.
		at := time.Unix(1_700_000_000+int64(i), 0)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestGalleryKeys(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	paths := hang(t, w, "one", "two", "three", "four")
	p := w.gallery
	w.show(pageGallery)
	q.until(t, "the pictures are listed", func() bool { return len(p.list) == 4 })
	press := func(to fyne.Focusable, key fyne.KeyName) { to.TypedKey(&fyne.KeyEvent{Name: key}) }
	chosen := func(path string) func() bool {
		return func() bool { return p.chosen != nil && p.chosen.Path == path && !p.opening }
	}
	press(p.grid, fyne.KeyRight)
	q.until(t, "an arrow chooses the first", chosen(paths[3]))
	press(p.grid, fyne.KeyRight)
	press(p.grid, fyne.KeyRight)
	q.until(t, "arrows walk", chosen(paths[1]))
	press(p.grid, fyne.KeyLeft)
	q.until(t, "and back", chosen(paths[2]))
	press(p.grid, fyne.KeyEnd)
	press(p.grid, fyne.KeyRight)
	q.until(t, "not beyond the end", chosen(paths[0]))

	press(p.grid, fyne.KeyReturn)
	if !p.lightbox.Visible() || w.Canvas().Focused() != p.lightbox {
		t.Fatal("Enter must open the picture in full, with the keyboard")
	}
	press(p.lightbox, fyne.KeyLeft)
	q.until(t, "arrows walk there too", chosen(paths[1]))
	press(p.lightbox, fyne.KeyF)
	if !p.isFavourite(paths[1]) {
		t.Error("F must mark a favourite")
	}
	press(p.lightbox, fyne.KeyDelete)
	q.until(t, "it is deleted and the next shown", func() bool { return len(p.list) == 3 && chosen(paths[0])() })
	press(p.lightbox, fyne.KeyEscape)
	if p.lightbox.Visible() || w.Canvas().Focused() != p.grid {
		t.Error("Esc must close the full view and go back to the grid")
	}
}

func TestGalleryTrashAndUndo(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	paths := hang(t, w, "a fox", "an owl")
	before := read(t, paths[0])
	p := w.gallery
	w.show(pageGallery)
	q.until(t, "the pictures are listed", func() bool { return len(p.list) == 2 })
	p.grid.walk(1)
	q.until(t, "it is opened", func() bool { return p.chosen != nil })
	p.trash()
	q.until(t, "it is gone", func() bool { return len(p.list) == 1 && p.notice.action.Visible() })
	if _, err := os.Stat(paths[0]); !os.IsNotExist(err) {
		t.Error("the file is still in the folder")
	}
	if read(t, filepath.Join(w.places.trash, "files", filepath.Base(paths[0]))) != before {
		t.Error("the trash does not hold the file")
	}
	q.until(t, "the next one is chosen", func() bool { return p.chosen != nil && !p.opening })
	if !p.notice.Visible() {
		t.Fatal("Undo must stay on the screen")
	}
	test.Tap(p.notice.action)
	q.until(t, "it is back", func() bool { return len(p.list) == 2 })
	if read(t, paths[0]) != before {
		t.Error("the file came back changed")
	}
}

func TestGalleryFavourites(t *testing.T) {
	dir := t.TempDir()
	w, q := openIn(t, &fakeEngine{}, dir)
	paths := hang(t, w, "a fox", "an owl", "a cat")
	p := w.gallery
	w.show(pageGallery)
	q.until(t, "the pictures are listed", func() bool { return len(p.list) == 3 })
	p.grid.walk(1)
	q.until(t, "it is opened", func() bool { return p.chosen != nil })
	test.Tap(p.star)
	p.showStarred(true)
	if len(p.list) != 1 || p.list[0].Path != paths[1] {
		t.Errorf("favourites %v", p.list)
	}
	w.leave()
	w, q = openIn(t, &fakeEngine{}, dir)
	p = w.gallery
	w.show(pageGallery)
	q.until(t, "the pictures are listed", func() bool { return len(p.list) == 3 })
	p.showStarred(true)
	if len(p.list) != 1 || p.list[0].Path != paths[1] {
		t.Errorf("after a restart: favourites %v", p.list)
	}
}

// 10,000 pictures: the list, the search and the scrolling stay quick.
func TestGalleryOfTenThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 10,000 files")
	}
	w, q := open(t, &fakeEngine{})
	fill(t, w.settings.Output, 10_000)
	p := w.gallery
	began := time.Now()
	w.show(pageGallery)
	q.until(t, "the pictures are listed", func() bool { return len(p.list) == 10_000 })
	listed := time.Since(began)
	began = time.Now()
	p.search.SetText("number7777")
	q.until(t, "it is found", func() bool { return len(p.list) == 1 })
	first := time.Since(began)
	began = time.Now()
	p.search.SetText("number777")
	q.until(t, "they are found", func() bool { return len(p.list) == 11 })
	second := time.Since(began)
	p.search.SetText("")
	q.until(t, "all are back", func() bool { return len(p.list) == 10_000 })
	worst := time.Duration(0)
	for i := range 200 {
		began = time.Now()
		p.grid.ScrollToOffset(float32(i * 2000))
		for len(q) > 0 {
			(<-q)()
		}
		worst = max(worst, time.Since(began))
	}
	t.Logf("listed in %v, first search %v, second %v, slowest of 200 jumps %v", listed, first, second, worst)
	if second > 2*time.Second || worst > time.Second {
		t.Error("too slow")
	}
	picksAreQuick(t, p, q)
}

// fill puts n small pictures with recipes into a folder.
func fill(t *testing.T, folder string, n int) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := range n {
		data, err := gallery.Encode(img, gallery.Recipe{Prompt: fmt.Sprintf("picture number%d", i), Steps: 3, Sampler: "DDIM", CFGScale: 2, Seed: 1, Width: 8, Height: 8})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%05d-1.png", i+1)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
