//go:build !headless

package ui

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/test"

	"latent/app/pictures"
)

// photo is a picture file without a recipe.
func photo(t *testing.T, w, h int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, paint("a photo", 1, w, h, 0)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "photo.png")
	write(t, path, b.String())
	return path
}

func TestBeginFromPicture(t *testing.T) {
	e := &fakeEngine{}
	w, q := open(t, e)
	in := w.create.initial
	w.show(pageGallery)
	w.dropped([]fyne.URI{storage.NewFileURI(photo(t, 64, 32))})
	q.until(t, "it is loaded", func() bool { return in.data != nil })
	if !in.settings.Visible() || w.page != pageCreate || w.create.notice.Visible() {
		t.Errorf("settings %v, page %d, notice %q", in.settings.Visible(), w.page, w.create.notice.message.Text)
	}
	in.strength.set(0.4)
	in.paint()
	q.until(t, "the brush comes up", in.board.Visible)
	if w.create.stage.Visible() || w.Canvas().Focused() != in.brush {
		t.Fatal("the brush must stand in place of the picture, with the keyboard")
	}
	b := in.brush
	b.Resize(fyne.NewSize(640, 320))
	// Two strokes, of which one is taken back.
	for _, x := range []float32{160, 480} {
		at := fyne.NewPos(x, 160)
		b.MouseDown(&desktop.MouseEvent{PointEvent: fyne.PointEvent{Position: at}})
		b.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: at.AddXY(40, 0)}})
		b.DragEnd()
	}
	b.undo()
	in.finish()
	w.create.form.steps.set(3)
	w.create.start()
	q.until(t, "it is begun", func() bool { return e.seen.Load() != nil })
	r := *e.seen.Load()
	if r.Strength != 0.4 || filepath.Dir(r.Init) != w.jobs.dir || filepath.Dir(r.Mask) != w.jobs.dir {
		t.Fatalf("request %+v", r)
	}
	img, err := pictures.Load(r.Mask)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		x, y  int
		white bool
	}{{17, 16, true}, {19, 16, true}, {48, 16, false}, {17, 2, false}, {2, 16, false}} {
		if got := img.NRGBAAt(c.x, c.y).R == 255; got != c.white {
			t.Errorf("mask at %d, %d is white: %v", c.x, c.y, got)
		}
	}
	q.until(t, "it is made", idle(w))
	w.keeper.flush()
	if left, _ := filepath.Glob(filepath.Join(w.jobs.dir, "*")); len(left) != 0 {
		t.Errorf("the finished job left %v", left)
	}
	in.remove()
	w.create.start()
	q.until(t, "it is made", func() bool { return idle(w)() && e.seen.Load().Init == "" })
}

func TestBadPictureToBeginFrom(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	bad := filepath.Join(t.TempDir(), "x.png")
	write(t, bad, "II*\x00 a TIFF")
	w.dropped([]fyne.URI{storage.NewFileURI(bad)})
	q.until(t, "it is told", func() bool { return w.create.notice.Visible() })
	if got := w.create.notice.message.Text; !strings.Contains(got, "x.png") || !strings.Contains(got, "not a PNG") {
		t.Errorf("notice %q", got)
	}
}

func TestVariationAndLarger(t *testing.T) {
	e := &fakeEngine{}
	w, q := open(t, e)
	w.create.form.steps.set(2)
	w.create.start()
	q.until(t, "it is made", idle(w))
	seed := w.create.shown.Recipe.Seed
	w.create.vary()
	q.until(t, "a variation is made", idle(w))
	if r := e.seen.Load(); r.Seed != seed || r.VariationStrength != 0.2 {
		t.Errorf("variation of seed %d: %+v", seed, r)
	}
	w.create.enlarge()
	q.until(t, "a larger one is made", idle(w))
	if r := e.seen.Load(); r.Hires != 2 || r.VariationStrength != 0 {
		t.Errorf("larger: %+v", r)
	}
}

// A half-made picture goes on after a crash, or begins again, as one likes.
func TestHalfMadePicture(t *testing.T) {
	for _, again := range []bool{false, true} {
		dir := t.TempDir()
		w, q := openIn(t, &fakeEngine{delay: time.Millisecond}, dir)
		w.create.form.steps.set(500)
		w.create.start()
		q.until(t, "it paints", func() bool { return w.create.last.Step > 10 })
		w.leave()
		time.Sleep(20 * time.Millisecond) // until the engine has stopped

		e := &fakeEngine{}
		w, q = openIn(t, e, dir)
		row := newJobRow(w.queue)
		row.set(0)
		if !row.again.Visible() || !strings.Contains(row.state.Text, "goes on") {
			t.Fatalf("the row says %q", row.state.Text)
		}
		if again {
			test.Tap(row.again)
		}
		w.jobs.pause(false)
		q.until(t, "it is made", idle(w))
		if from := e.resumed.Load(); again != (from == 0) {
			t.Errorf("again %v: went on from step %d", again, from)
		}
		if states, _ := filepath.Glob(filepath.Join(w.jobs.dir, "*.state")); len(states) > 0 {
			w.keeper.flush()
			if _, err := os.Stat(states[0]); err == nil {
				t.Errorf("%s is left", states[0])
			}
		}
	}
}

func TestBrushOnWideAndTall(t *testing.T) {
	themedApp(t)
	for _, size := range [][2]int{{3000, 10}, {10, 3000}, {1, 1}} {
		b := newBrush(&keys{}, nil)
		b.begin(ground(image.NewNRGBA(image.Rect(0, 0, size[0], size[1]))))
		b.Resize(fyne.NewSize(300, 300))
		if b.png() != nil {
			t.Error("nothing is marked yet")
		}
		b.MouseDown(&desktop.MouseEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(150, 150)}})
		b.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(-500, 9000)}})
		b.DragEnd()
		if b.png() == nil {
			t.Errorf("%v: nothing was marked", size)
		}
	}
}
