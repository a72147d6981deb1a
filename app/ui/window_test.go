//go:build !headless

package ui

import (
	"errors"
	"image"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/test"

	"latent/app/gallery"
)

func TestGenerate(t *testing.T) {
	e := &fakeEngine{}
	w, q := open(t, e)
	p := w.create
	if p.form.prompt.Text != e.Examples()[0] {
		t.Errorf("first start shows prompt %q, want the first example", p.form.prompt.Text)
	}
	p.form.steps.set(5)
	p.form.count.SetSelected("× 2")
	test.Tap(p.generate)
	if !p.generate.Visible() || !p.stop.Visible() || !p.skip.Visible() || p.save.Visible() {
		t.Error("while pictures are made, they can be cancelled and skipped, and others asked for")
	}
	previews := 0
	q.until(t, "both pictures are kept", func() bool {
		if p.view.quick && p.view.source != nil {
			previews++
		}
		return idle(w)() && len(p.strip.items) == 2
	})
	if previews == 0 {
		t.Error("no preview was shown")
	}
	if p.stop.Visible() || p.skip.Visible() || !p.save.Visible() {
		t.Error("at the end, Save must be there instead of Cancel")
	}
	list, err := gallery.List(w.settings.Output)
	if err != nil || len(list) != 2 {
		t.Fatalf("gallery has %d pictures (%v), want 2", len(list), err)
	}
	r, err := gallery.Read(list[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	if r.Prompt != e.Examples()[0] || r.Steps != 5 || r.Sampler != "DDIM" {
		t.Errorf("kept recipe is %+v", r)
	}
	if p.shown.Recipe.Seed != p.strip.items[1].value.Recipe.Seed+1 {
		t.Error("the second picture must have the next seed")
	}
	seed := p.form.seed.Text
	p.start()
	if p.form.seed.Text == seed {
		t.Error("an unlocked seed must change with each start")
	}
	q.until(t, "the third run ends", idle(w))
	p.form.setLock(true)
	seed = p.form.seed.Text
	p.start()
	if p.form.seed.Text != seed {
		t.Error("a locked seed must stay")
	}
	q.until(t, "the fourth run ends", idle(w))
}

func TestCancel(t *testing.T) {
	e := &fakeEngine{delay: 5 * time.Millisecond}
	w, q := open(t, e)
	p := w.create
	p.form.steps.set(1000)
	p.start()
	q.until(t, "the third step", func() bool { return e.steps.Load() >= 3 })
	before := e.steps.Load()
	p.form.prompt.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
	q.until(t, "it has stopped", idle(w))
	if extra := e.steps.Load() - before; extra > 1 {
		t.Errorf("%d steps were begun after Esc, want at most 1", extra)
	}
	if p.status.Text != "" || p.notice.Visible() || len(w.jobs.list) != 0 {
		t.Errorf("status %q, notice %q, %d jobs: cancelling is no failure, and takes the job away", p.status.Text, p.notice.message.Text, len(w.jobs.list))
	}
	if !p.empty.Visible() || p.view.source != nil {
		t.Error("the half-made picture must go")
	}
	p.form.steps.set(2)
	p.start()
	q.until(t, "a picture comes after a cancelled one", func() bool { return p.shown != nil && idle(w)() })
}

// Each control passes Esc on, for Fyne gives keys to the focused one alone.
func TestEscapeFromEveryControl(t *testing.T) {
	w, _ := open(t, &fakeEngine{})
	pressed := 0
	w.keys.escape = func() { pressed++ }
	f := w.create.form
	controls := []fyne.Focusable{f.prompt, f.seed, f.steps.slider, f.sampler, f.size, f.lock, w.create.generate, w.rail[0], newLink(&w.keys, "", nil)}
	for i, c := range controls {
		c.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
		if pressed != i+1 {
			t.Fatalf("%T swallows Esc", c)
		}
	}
}

func TestKeyboard(t *testing.T) {
	e := &fakeEngine{}
	w, q := open(t, e)
	if w.create.form.prompt.AcceptsTab() {
		t.Error("Tab must leave the prompt")
	}
	press := func(key fyne.KeyName) {
		t.Helper()
		for _, m := range w.MainMenu().Items {
			for _, it := range m.Items {
				if s, ok := it.Shortcut.(*desktop.CustomShortcut); ok && s.KeyName == key {
					it.Action()
					return
				}
			}
		}
		t.Fatalf("no menu item has Ctrl+%s", key)
	}
	for i, key := range []fyne.KeyName{fyne.Key1, fyne.Key2, fyne.Key3, fyne.Key4, fyne.Key5, fyne.Key6} {
		press(key)
		if w.page != i || !w.pages[i].Visible() {
			t.Errorf("Ctrl+%s must show page %d", key, i)
		}
	}
	press(fyne.KeyReturn)
	if w.page != pageCreate || w.jobs.running == nil {
		t.Error("Ctrl+Enter must generate, from any page")
	}
	q.until(t, "the picture is kept", idle(w))
}

func TestErrors(t *testing.T) {
	e := &fakeEngine{err: errors.New("the model is broken: choose another")}
	w, q := open(t, e)
	p := w.create
	p.start()
	q.until(t, "the failure is told", func() bool { return w.jobs.running == nil })
	if got := p.notice.message.Text; !p.notice.Visible() || got != "The model is broken: choose another." {
		t.Errorf("notice says %q", got)
	}
	e.err = nil
	p.start()
	if p.notice.Visible() {
		t.Error("a new start must take the old message away")
	}
	q.until(t, "it works again", idle(w))
}

func TestUnwritableFolder(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	if err := os.WriteFile(w.settings.Output, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.create.start()
	q.until(t, "the failure is told", func() bool { return w.jobs.running == nil && w.create.notice.Visible() })
	if got := w.create.notice.message.Text; !strings.Contains(got, w.settings.Output) || !strings.Contains(got, "Save PNG") {
		t.Errorf("notice %q must name the folder and say what to do", got)
	}
	if w.create.shown == nil {
		t.Error("the picture must stay on the screen")
	}
	if len(w.jobs.list) != 1 || w.jobs.list[0].Made != 0 || !w.jobs.paused {
		t.Error("the job must wait until its picture can be kept")
	}
	if err := os.Remove(w.settings.Output); err != nil {
		t.Fatal(err)
	}
	w.jobs.pause(false)
	q.until(t, "it is made once more", idle(w))
	if list, err := gallery.List(w.settings.Output); err != nil || len(list) != 1 {
		t.Errorf("%d pictures (%v) are kept", len(list), err)
	}
}

func TestRestoreAndDrop(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	r := gallery.Recipe{Prompt: "a cat", Negative: "a dog", Steps: 33, Sampler: "Euler a", CFGScale: 6.5, Seed: 99, Width: 96, Height: 64, Model: "large sky", RNG: "cpu"}
	path := filepath.Join(t.TempDir(), "cat.png")
	if err := gallery.Save(path, image.NewNRGBA(image.Rect(0, 0, 8, 8)), r); err != nil {
		t.Fatal(err)
	}
	w.show(pageTrain)
	w.dropped([]fyne.URI{storage.NewFileURI(path)})
	q.until(t, "the settings are restored", func() bool { return w.page == pageCreate })
	f := w.create.form
	req, count, err := f.request()
	if err != nil {
		t.Fatal(err)
	}
	want := Request{Model: "large-sky", Prompt: "a cat", Negative: "a dog", Steps: 33, Sampler: "DDIM", Schedule: "Automatic", Guidance: 6.5, Seed: 99, Width: 96, Height: 64}
	if !reflect.DeepEqual(req, want) || count != 1 {
		t.Errorf("request\n%+v, want\n%+v", req, want)
	}
	if got := w.create.notice.message.Text; !strings.Contains(got, "sampler Euler a") {
		t.Errorf("notice %q must name the sampler that is missing", got)
	}
	if !f.locked {
		t.Error("a restored seed must stay")
	}
	w.dropped([]fyne.URI{storage.NewFileURI(t.TempDir())})
	if w.page != pageTrain || w.train.folder.Text == "" {
		t.Error("a dropped folder must come up on the Train page")
	}
	w.dropped([]fyne.URI{storage.NewFileURI("/nowhere/x.txt")})
	if w.page != pageCreate || !strings.Contains(w.create.notice.message.Text, "folder of pictures") {
		t.Errorf("notice %q must say what can be dropped", w.create.notice.message.Text)
	}
}

func TestGallery(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for i, prompt := range []string{"a fox", "an owl", "a red fox"} {
		if _, err := saveNext(w.settings.Output, Picture{Image: img, Recipe: gallery.Recipe{Prompt: prompt, Steps: 3, Sampler: "DDIM", CFGScale: 2, Seed: int64(i + 1), Width: 16, Height: 16}}); err != nil {
			t.Fatal(err)
		}
	}
	p := w.gallery
	w.show(pageGallery)
	q.until(t, "the pictures are listed", func() bool { return len(p.list) == 3 })
	p.search.SetText("FOX")
	q.until(t, "two are found", func() bool { return len(p.list) == 2 })
	p.search.SetText("owl")
	q.until(t, "one is found", func() bool { return len(p.list) == 1 })
	p.grid.walk(0)
	q.until(t, "it is opened", func() bool { return p.chosen != nil })
	if p.prompt.Text != "an owl" || !p.details.Visible() {
		t.Errorf("details show %q", p.prompt.Text)
	}
	p.reuse()
	if w.page != pageCreate || w.create.form.prompt.Text != "an owl" || w.create.form.seed.Text != "2" {
		t.Error("its settings must be in the form")
	}

	// A file that is no picture gives a message and nothing else.
	bad := filepath.Join(w.settings.Output, "99999-1.png")
	if err := os.WriteFile(bad, []byte("II*\x00 not a PNG"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.search.SetText("")
	w.show(pageGallery)
	p.changed()
	q.until(t, "the bad file is listed", func() bool { return len(p.list) == 4 })
	p.grid.walk(slices.IndexFunc(p.list, func(g gallery.Picture) bool { return g.Path == bad }))
	q.until(t, "it is told", func() bool { return strings.HasPrefix(p.prompt.Text, "99999-1.png cannot be shown: ") })
}

func TestStripIsBounded(t *testing.T) {
	themedApp(t)
	picked := 0
	s := newStrip(&keys{}, func(v int) { picked = v })
	thumb := image.NewRGBA(image.Rect(0, 0, 2, 2))
	for i := range 3 * stripLength {
		s.add(thumb, i)
	}
	if len(s.items) != stripLength || len(s.box.Objects) != stripLength {
		t.Errorf("strip holds %d pictures, want %d", len(s.items), stripLength)
	}
	test.Tap(s.items[1].tile)
	if picked != 3*stripLength-2 || !s.items[1].tile.chosen || s.items[0].tile.chosen {
		t.Error("tapping a tile must pick and mark it alone")
	}
}
