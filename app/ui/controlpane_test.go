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

// guide gives the window another control with a picture.
func guide(t *testing.T, w *Window, q queue, w0, h0 int) *controlPane {
	t.Helper()
	c := w.create.controls
	n := len(c.items)
	q.until(t, "nets are offered", func() bool { return len(c.nets) == 2 })
	c.read(nil, fromFile(photo(t, w0, h0)))
	q.until(t, "the picture is loaded", func() bool { return len(c.items) > n })
	q.until(t, "it is shown", func() bool { return c.items[n].tile.image.Image != nil })
	return c.items[n]
}

func TestControlPane(t *testing.T) {
	e := netsEngine()
	w, q := open(t, e)
	list := w.create.controls
	q.until(t, "nets are offered", func() bool { return len(list.nets) == 2 })
	if !list.buttons.Visible() || list.why.Visible() || list.folder.Visible() {
		t.Errorf("nothing can be chosen: %q", list.why.Text)
	}
	c := guide(t, w, q, 64, 32)
	if !list.rows.Visible() || list.label.Text != "Another" || c.ask.Visible() || !c.tile.Visible() {
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
	list.remove(c)
	w.create.start()
	q.until(t, "it is made without", func() bool { return idle(w)() && len(e.seen.Load().Controls) == 0 })
	if _, err := os.Stat(file); err == nil {
		t.Error("the picture is left")
	}
}

func TestControlPaneSaysWhatIsWrong(t *testing.T) {
	e := netsEngine()
	w, q := open(t, e)
	c := guide(t, w, q, 8, 8)
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
	c := w.create.controls
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
	q.until(t, "the picture is loaded", func() bool { return len(c.items) == 1 })
	if w.create.initial.data != nil {
		t.Error("it is the picture to begin from, too")
	}
	// On a control that there is, it takes the place of its picture.
	w.Resize(fyne.NewSize(1100, 1400))
	before, other := c.items[0].data, []fyne.URI{storage.NewFileURI(photo(t, 16, 8))}
	if !c.dropped(fyne.CurrentApp().Driver().AbsolutePositionForObject(c.items[0].content).AddXY(5, 5), other) {
		t.Error("it took no other picture")
	}
	q.until(t, "the other is loaded", func() bool { return &c.items[0].data[0] != &before[0] })
	if len(c.items) != 1 || c.items[0].image.Bounds().Dx() != 16 {
		t.Errorf("%d controls, of a picture of %v", len(c.items), c.items[0].image.Bounds())
	}
}

// Nets of another family than the model's are not offered, and where there is none
// the pane says so.
func TestControlPaneOffersWhatFits(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	c := w.create.controls
	if c.buttons.Visible() || !c.why.Visible() || !c.folder.Visible() || c.why.Text != "No ControlNet is there yet" {
		t.Errorf("it says %q", c.why.Text)
	}
	readExtras(t, w, q)
	w.create.form.models[0].Family = "A"
	w.extras.Controls = []Extra{{Name: "b", Family: "B"}}
	c.offer()
	if c.buttons.Visible() || c.why.Text != "None is for this model" {
		t.Errorf("it says %q", c.why.Text)
	}
	w.create.form.model.SetSelectedIndex(1) // of which the family is not known
	one := c.add()
	if !c.buttons.Visible() || c.why.Visible() || one.net.Selected != "b" {
		t.Errorf("net %q is offered, %q", one.net.Selected, c.why.Text)
	}
}

// readExtras waits until the window has read its folders.
func readExtras(t *testing.T, w *Window, q queue) {
	t.Helper()
	done := false
	inBackground(w.post, func() (Extras, error) { return w.engine.Extras(w.settings.folders()), nil }, func(x Extras, _ error) { w.setExtras(x); done = true })
	q.until(t, "the folders are read", func() bool { return done })
}

func controlRecipe(controls ...gallery.Control) gallery.Recipe {
	r := gallery.Recipe{Prompt: "a", Steps: 3, Sampler: "DDIM", CFGScale: 4, Width: 64, Height: 64}
	for i, c := range controls {
		r.Extra = append(r.Extra, c.Pair(i))
	}
	return r
}

func TestControlIsRestored(t *testing.T) {
	w, q := open(t, netsEngine())
	c := w.create.controls
	q.until(t, "nets are offered", func() bool { return len(c.nets) == 2 })
	r := controlRecipe(gallery.Control{Module: "canny", Model: "scribble [0123abcd]", Weight: 0.7, A: 50, B: 200, Start: 0.2, End: 0.9})
	w.create.restore(r, "ControlNet 0")
	if got := w.create.notice.message.Text; !strings.Contains(got, "the picture that ControlNet scribble looked at") || strings.Contains(got, "ControlNet 0") {
		t.Errorf("notice %q", got)
	}
	if len(c.items) != 1 || !c.items[0].ask.Visible() || c.items[0].about.Text != "Left out until it has a picture" {
		t.Fatalf("%d controls ask for a picture", len(c.items))
	}
	if got, _, err := c.request(); err != nil || len(got) != 0 {
		t.Errorf("without a picture: %+v, %v", got, err)
	}
	c.read(c.items[0], fromFile(photo(t, 8, 8)))
	q.until(t, "the picture is loaded", func() bool { return c.items[0].data != nil })
	got, _, err := c.request()
	want := Control{Net: "/c/scribble", Preprocessor: "canny", A: 50, Weight: 0.7, Start: 0.2, End: 0.9}
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	w.create.restore(r, "ControlNet 0")
	if got := w.create.notice.message.Text; strings.Contains(got, "ControlNet") {
		t.Errorf("with the picture: notice %q", got)
	}
	w.create.restore(gallery.Recipe{Prompt: "b"})
	if len(c.items) != 1 {
		t.Error("a mere prompt takes the control away")
	}
	if w.create.restore(controlRecipe()); len(c.items) != 0 {
		t.Error("a recipe without a control leaves one")
	}
}

// All controls of a recipe come back; pictures that are there stay with their nets.
func TestSeveralControls(t *testing.T) {
	e := netsEngine()
	w, q := open(t, e)
	list := w.create.controls
	first, second := guide(t, w, q, 64, 32), guide(t, w, q, 32, 64)
	second.net.SetSelected("scribble")
	second.weight.set(0.4)
	w.create.form.steps.set(2)
	w.create.start()
	q.until(t, "it is made", func() bool { return e.seen.Load() != nil && idle(w)() })
	got := e.seen.Load().Controls
	if len(got) != 2 || got[0].Net != "/c/edges.pth" || got[1].Net != "/c/scribble" || got[1].Weight != 0.4 || got[0].Picture == got[1].Picture {
		t.Fatalf("controls %+v", got)
	}
	second.weight.field.SetText("x")
	if w.create.start(); !strings.Contains(w.create.notice.message.Text, "of control 2") {
		t.Errorf("notice %q", w.create.notice.message.Text)
	}
	// In the other order, and another that nothing is known of.
	say := func(name string, weight float64) gallery.Control {
		return gallery.Control{Module: "none", Model: name, Weight: weight, End: 1, A: -1, B: -1}
	}
	w.create.restore(controlRecipe(say("scribble", 0.6), say("edges", 0.5), say("depth", 0.2)))
	if n := w.create.notice.message.Text; !strings.Contains(n, "picture that ControlNet depth looked at") || !strings.Contains(n, "ControlNet depth,") || strings.Contains(n, "scribble") {
		t.Errorf("notice %q", n)
	}
	if len(list.items) != 3 || list.items[0] != second || list.items[1] != first || list.items[2].data != nil {
		t.Fatalf("%d controls, or their pictures went to others", len(list.items))
	}
	got, files, err := list.request()
	if err != nil || len(got) != 2 || len(files) != 2 || got[0].Weight != 0.6 || got[1].Weight != 0.5 {
		t.Errorf("%+v, %v", got, err)
	}
	var many []gallery.Control
	for range mostControls + 2 {
		many = append(many, say("edges", 1))
	}
	w.create.restore(controlRecipe(many...))
	if len(list.items) != mostControls || list.invite.Visible() || !strings.Contains(w.create.notice.message.Text, "a further ControlNet, edges") {
		t.Errorf("%d controls, notice %q", len(list.items), w.create.notice.message.Text)
	}
	list.remove(list.items[3])
	if len(list.items) != mostControls-1 || !list.invite.Visible() {
		t.Errorf("%d controls after one was removed", len(list.items))
	}
}
