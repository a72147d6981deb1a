//go:build !headless

package ui

import (
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"

	"latent/app/gallery"
	"latent/app/pictures"
)

// netsEngine has ControlNets of no known family.
func netsEngine() *fakeEngine {
	e := &fakeEngine{}
	e.extras.Store(&Extras{Controls: []Extra{{Name: "edges", Path: "/c/edges.pth"}, {Name: "scribble", Path: "/c/scribble"}}})
	return e
}

func TestControlPane(t *testing.T) {
	e := netsEngine()
	w, q := open(t, e)
	c := w.create.control
	q.until(t, "nets are offered", func() bool { return len(c.nets) == 2 })
	if c.choose.Disabled() || c.why.Visible() {
		t.Errorf("choosing is disabled: %q", c.why.Text)
	}
	c.load(photo(t, 64, 32))
	q.until(t, "the picture is loaded", func() bool { return c.data != nil && c.tile.image.Image != nil })
	if !c.settings.Visible() || c.invite.Visible() {
		t.Error("the settings are not shown")
	}
	before := c.tile.image.Image
	c.way.SetSelected("Edges")
	q.until(t, "edges are shown", func() bool { return c.tile.image.Image != before })
	for y := range c.tile.image.Image.Bounds().Dy() {
		r, g, b, _ := c.tile.image.Image.At(0, y).RGBA()
		if r != g || g != b {
			t.Fatalf("the shown hint has the colour %v", color.RGBA64{uint16(r), uint16(g), uint16(b), 0xffff})
		}
	}
	c.net.SetSelected("scribble")
	c.weight.set(0.8)
	c.to.set(70)
	w.create.form.steps.set(3)
	w.create.start()
	q.until(t, "it is begun", func() bool { return e.seen.Load() != nil })
	r := *e.seen.Load()
	want := Control{Net: "/c/scribble", Preprocessor: "canny", Weight: 0.8, End: 0.7}
	if len(r.Controls) != 1 {
		t.Fatalf("request %+v", r)
	}
	file := r.Controls[0].Picture
	want.Picture = file
	if r.Controls[0] != want || filepath.Dir(file) != w.jobs.dir {
		t.Errorf("control %+v, want %+v", r.Controls[0], want)
	}
	if img, err := pictures.Load(file); err != nil || img.Rect.Dx() != 64 {
		t.Errorf("the control's picture: %v", err)
	}
	q.until(t, "it is made", idle(w))
	w.keeper.flush()
	if left, _ := filepath.Glob(filepath.Join(w.jobs.dir, "*")); len(left) != 0 {
		t.Errorf("the finished job left %v", left)
	}
	c.remove()
	w.create.start()
	q.until(t, "it is made without", func() bool { return idle(w)() && len(e.seen.Load().Controls) == 0 })
	if _, err := os.Stat(file); err == nil {
		t.Error("the picture is left")
	}
}

func TestControlPaneSaysWhatIsWrong(t *testing.T) {
	e := netsEngine()
	w, q := open(t, e)
	c := w.create.control
	q.until(t, "nets are offered", func() bool { return len(c.nets) == 2 })
	c.load(photo(t, 8, 8))
	q.until(t, "the picture is loaded", func() bool { return c.data != nil })
	for _, bad := range []struct {
		change func()
		want   string
	}{
		{func() { c.weight.field.SetText("x") }, `Strength "x"`},
		{func() { c.weight.set(0) }, "above 0"},
		{func() { c.weight.set(1); c.from.set(80); c.to.set(40) }, "the smaller first"},
		{func() { c.way.SetSelected("Edges"); c.knobs[c.way.SelectedIndex()][1].field.SetText("9000") }, `High threshold "9000" of the control: a number from 1 to 4096`},
	} {
		bad.change()
		w.create.start()
		if got := w.create.notice.message.Text; !strings.Contains(got, bad.want) || len(w.jobs.list) > 0 {
			t.Errorf("notice %q, want %q", got, bad.want)
		}
	}
}

// A picture that falls on the pane is the control's, elsewhere it is one to begin from.
func TestControlIsDropped(t *testing.T) {
	w, q := open(t, netsEngine())
	c := w.create.control
	q.until(t, "nets are offered", func() bool { return len(c.nets) == 2 })
	file := []fyne.URI{storage.NewFileURI(photo(t, 8, 8))}
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(c.content)
	for _, miss := range []fyne.Position{at.SubtractXY(1, 1), at.Add(c.content.Size()).AddXY(1, 1)} {
		if c.dropped(miss, file) {
			t.Errorf("%v is on the pane at %v", miss, at)
		}
	}
	if c.dropped(at.AddXY(5, 5), []fyne.URI{storage.NewFileURI("/x.safetensors")}) {
		t.Error("it took a model")
	}
	if !c.dropped(at.AddXY(5, 5), file) {
		t.Error("it took no picture")
	}
	q.until(t, "the picture is loaded", func() bool { return c.data != nil })
	if w.create.initial.data != nil {
		t.Error("it is the picture to begin from, too")
	}
}

// Nets of another family than the model's are not offered, and where there is none
// the pane says so.
func TestControlPaneOffersWhatFits(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	c := w.create.control
	q.until(t, "it is looked for nets", func() bool { return c.choose.Disabled() })
	if !c.why.Visible() || c.why.Text != "none in its folder" {
		t.Errorf("it says %q", c.why.Text)
	}
	w.create.form.models[0].Family = "A"
	w.extras.Controls = []Extra{{Name: "b", Family: "B"}}
	c.offer()
	if !c.choose.Disabled() || c.why.Text != "none for this model" {
		t.Errorf("it says %q", c.why.Text)
	}
	w.create.form.model.SetSelectedIndex(1) // of which the family is not known
	if c.choose.Disabled() || c.why.Visible() || c.net.Selected != "b" {
		t.Errorf("net %q is offered, %q", c.net.Selected, c.why.Text)
	}
}

func TestControlIsRestored(t *testing.T) {
	w, q := open(t, netsEngine())
	c := w.create.control
	q.until(t, "nets are offered", func() bool { return len(c.nets) == 2 })
	r := gallery.Recipe{Prompt: "a", Steps: 3, Sampler: "DDIM", CFGScale: 4, Width: 64, Height: 64}
	control := gallery.Control{Module: "canny", Model: "scribble [0123abcd]", Weight: 0.7, A: 50, B: 200, Start: 0.2, End: 0.9}
	r.Extra = []gallery.Pair{control.Pair(0)}
	w.create.restore(r, "ControlNet 0")
	if got := w.create.notice.message.Text; !strings.Contains(got, "the picture that ControlNet scribble looked at") || strings.Contains(got, "ControlNet 0") {
		t.Errorf("notice %q", got)
	}
	c.load(photo(t, 8, 8))
	q.until(t, "the picture is loaded", func() bool { return c.data != nil })
	got, _, err := c.request()
	want := Control{Net: "/c/scribble", Preprocessor: "canny", A: 50, Weight: 0.7, Start: 0.2, End: 0.9}
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	w.create.restore(r, "ControlNet 0")
	if got := w.create.notice.message.Text; strings.Contains(got, "ControlNet") {
		t.Errorf("with the picture: notice %q", got)
	}
	r.Extra = nil
	if w.create.restore(r); c.data != nil {
		t.Error("a recipe without a control leaves one")
	}
}
