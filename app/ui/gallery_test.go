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

func TestFavouritesText(t *testing.T) {
	names := map[string]bool{"a b.png": true, "ü.png": true}
	if got := parseFavourites(formatFavourites(names)); len(got) != 2 || !got["a b.png"] || !got["ü.png"] {
		t.Errorf("became %v", got)
	}
	if got := parseFavourites(formatFavourites(nil)); len(got) != 0 {
		t.Errorf("none became %v", got)
	}
}

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

func TestZoom(t *testing.T) {
	themedApp(t)
	q := make(queue, 100)
	v := newView(q.post)
	test.NewTempWindow(t, v).Resize(fyne.NewSize(200, 200))
	v.Resize(fyne.NewSize(200, 200))
	img := image.NewNRGBA(image.Rect(0, 0, 100, 50))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	v.show(img)
	settle := func() { q.until(t, "the picture is scaled", func() bool { return !v.mightChange() && len(q) == 0 }) }
	settle()
	if x, y, w, h := v.part(); x != 0 || y != 0 || w != 100 || h != 50 {
		t.Errorf("all of it is %g %g %g %g", x, y, w, h)
	}
	// The pixel under the mouse stays under it.
	at := fyne.NewPos(150, 100)
	under := func() (float64, float64) {
		x, y, w, h := v.part()
		each := v.fitted() * v.zoom
		return x + (float64(at.X)-(200-w*each)/2)/each, y + (float64(at.Y)-(200-h*each)/2)/each
	}
	x0, y0 := under()
	for range 12 {
		v.Scrolled(&fyne.ScrollEvent{PointEvent: fyne.PointEvent{Position: at}, Scrolled: fyne.NewDelta(0, 10)})
	}
	x1, y1 := under()
	if d := max(x1-x0, x0-x1, y1-y0, y0-y1); d > 0.01 || v.zoom < 8 {
		t.Errorf("at zoom %.1f the mouse is over %.2f, %.2f; it was over %.2f, %.2f", v.zoom, x1, y1, x0, y0)
	}
	settle()
	if b := v.image.Image.Bounds(); b.Dx() > 201 || b.Dy() > 201 {
		t.Errorf("the shown part has %v pixels", b)
	}
	v.Dragged(&fyne.DragEvent{Dragged: fyne.NewDelta(1e6, 0)})
	if x, _, _, _ := v.part(); x != 0 {
		t.Errorf("dragged beyond the edge: %g", x)
	}
	v.actual()
	if v.percent() != 100 && v.zoom != 1 {
		t.Errorf("1 : 1 is %d %%", v.percent())
	}
	for range 50 {
		v.Scrolled(&fyne.ScrollEvent{PointEvent: fyne.PointEvent{Position: at}, Scrolled: fyne.NewDelta(0, -10)})
	}
	if v.zoom != 1 {
		t.Errorf("zoom %g after zooming out", v.zoom)
	}
	settle()
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
