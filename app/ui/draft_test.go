//go:build !headless

package ui

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latent/app/gallery"
	"latent/app/pictures/hint"
)

// drafted are the draft's pictures on the disk.
func drafted(t *testing.T, w *Window) []string {
	t.Helper()
	w.create.keepDraft()
	w.keeper.flush()
	list, err := filepath.Glob(filepath.Join(w.places.state, draftPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The pictures that were chosen come back with the window, each with its settings, and
// leave the disk with the last draft that names them.
func TestDraftKeepsPictures(t *testing.T) {
	dir := t.TempDir()
	w, q := openIn(t, netsEngine(), dir)
	in := w.create.initial
	in.load(photo(t, 64, 32))
	q.until(t, "it is loaded", func() bool { return in.data != nil })
	in.strength.set(0.35)
	mask := bytes.Clone(in.data)
	in.mask = mask
	guide(t, w, q, 24, 48)
	second := guide(t, w, q, 48, 24)
	second.net.SetSelected("scribble")
	canny, _ := hint.Find("canny")
	second.setHint(canny, 40, 0)
	second.weight.set(0.6)
	second.from.set(10)
	second.to.set(80)
	w.create.controls.add() // has no picture yet
	before, files, err := w.create.controls.request()
	if err != nil {
		t.Fatal(err)
	}
	if list := drafted(t, w); len(list) != 3 { // the mask is the picture's twin
		t.Errorf("kept are %v", list)
	}
	w.leave()

	for _, known := range []bool{false, true} { // the nets
		w, q = openIn(t, netsEngine(), dir)
		in = w.create.initial
		if known {
			q.until(t, "nets are offered", func() bool { return len(w.create.controls.nets) == 2 })
		}
		now, again, err := w.create.controls.request()
		if err != nil || len(now) != 2 || now[0] != before[0] || now[1] != before[1] || !bytes.Equal(again[0], files[0]) || !bytes.Equal(again[1], files[1]) {
			t.Errorf("controls %+v, %v; want %+v", now, err, before)
		}
		if in.strength.value != 0.35 || !bytes.Equal(in.mask, mask) || !in.settings.Visible() || in.invite.Visible() {
			t.Errorf("begins with strength %g, a mask of %d bytes", in.strength.value, len(in.mask))
		}
		if n := len(w.create.controls.items); n != 3 || w.create.notice.Visible() {
			t.Errorf("%d controls, notice %q", n, w.create.notice.message.Text)
		}
		q.until(t, "the pictures are shown", func() bool {
			c := w.create.controls.items
			return in.image != nil && in.tile.image.Image != nil && c[0].tile.image.Image != nil && c[1].tile.image.Image != nil
		})
		if known {
			break
		}
		w.leave()
	}
	in.remove()
	w.create.controls.remove(w.create.controls.items[0])
	if list := drafted(t, w); len(list) != 1 {
		t.Errorf("of one picture %v is kept", list)
	}
	w.leave()

	// A net that is gone is named once, and not another taken.
	e := netsEngine()
	x := *e.extras.Load()
	x.Controls = x.Controls[:1]
	e.extras.Store(&x)
	w, q = openIn(t, e, dir)
	q.until(t, "it is told", w.create.notice.Visible)
	if got := w.create.notice.message.Text; !strings.Contains(got, "ControlNet scribble is gone from the ControlNets folder") {
		t.Errorf("notice %q", got)
	}
	if r, _, err := w.create.controls.request(); err != nil || len(r) != 1 || r[0].Net != "/c/scribble" {
		t.Errorf("request %+v, %v", r, err)
	}
	w.create.notice.clear()
	readExtras(t, w, q)
	if w.create.notice.Visible() {
		t.Error("it is told twice")
	}
	w.create.controls.items[0].net.SetSelected("edges")
	if r, _, err := w.create.controls.request(); err != nil || r[0].Net != "/c/edges.pth" {
		t.Errorf("request %+v, %v", r, err)
	}
	w.create.restore(gallery.Recipe{Prompt: "a", Steps: 3})
	if list := drafted(t, w); len(list) != 0 {
		t.Errorf("%v is left", list)
	}
}

// A picture of the draft that is gone or broken is told of.
func TestDraftWithoutPictures(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"gone":               os.Remove,
		"cannot be read any": func(path string) error { return os.WriteFile(path, []byte("no picture"), 0o644) },
	} {
		dir := t.TempDir()
		w, q := openIn(t, netsEngine(), dir)
		w.create.initial.load(photo(t, 64, 32))
		q.until(t, "it is loaded", func() bool { return w.create.initial.data != nil })
		guide(t, w, q, 24, 48)
		list := drafted(t, w)
		w.leave()
		for _, path := range list {
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
		}
		w, q = openIn(t, netsEngine(), dir)
		q.until(t, "it is told", func() bool {
			return w.create.notice.Visible() && w.create.initial.data == nil && w.create.controls.items[0].data == nil
		})
		if got := w.create.notice.message.Text; len(list) != 2 || !strings.Contains(got, name) {
			t.Errorf("%d pictures, notice %q, want %q", len(list), got, name)
		}
		if c := w.create.controls.items[0]; !c.ask.Visible() || w.create.initial.settings.Visible() {
			t.Error("what is gone is not asked for")
		}
		w.leave()
	}
}
