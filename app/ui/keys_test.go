//go:build !headless

package ui

import (
	"fmt"
	"image"
	"slices"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
)

// walked lists what Tab reaches, from what has the keyboard until it is there again.
func walked(t *testing.T, c fyne.Canvas, next func()) (out []fyne.Focusable) {
	t.Helper()
	first := c.Focused()
	for range 300 {
		out = append(out, c.Focused())
		if next(); c.Focused() == first {
			return out
		}
	}
	t.Fatal("Tab never comes back")
	return nil
}

// seen lists o and all in it, but for what is hidden.
func seen(o fyne.CanvasObject) []fyne.CanvasObject {
	if !o.Visible() {
		return nil
	}
	out := []fyne.CanvasObject{o}
	for _, i := range insideOf(o) {
		out = append(out, seen(i)...)
	}
	return out
}

func insideOf(o fyne.CanvasObject) []fyne.CanvasObject {
	switch o := o.(type) {
	case *fyne.Container:
		return o.Objects
	case fyne.Widget:
		return slices.Clone(test.WidgetRenderer(o).Objects())
	}
	return nil
}

// controls are what a mouse could work under o, as far as it is on the screen.
func controls(o fyne.CanvasObject) (out []fyne.CanvasObject) {
	for _, o := range seen(o) {
		switch c := o.(type) {
		case *button, *entry, *choice, *editableChoice, *check, *slider, *link, *navItem, *list, *grid, *tileRow, *brush:
			if d, ok := c.(fyne.Disableable); !ok || !d.Disabled() {
				out = append(out, o)
			}
		}
	}
	return out
}

func press(to fyne.Focusable, keys ...fyne.KeyName) {
	for _, key := range keys {
		to.TypedKey(&fyne.KeyEvent{Name: key})
	}
}

// Tab reaches each control of each page, in the order in which they are read, and
// so does Shift+Tab. What has the keyboard shows it.
func TestTab(t *testing.T) {
	w, q := open(t, &fakeEngine{delay: time.Millisecond})
	w.Resize(fyne.NewSize(1100, 700))
	c := w.Canvas()
	hang(t, w, "a fox", "an owl")
	w.create.form.steps.set(2)
	w.create.start()
	w.create.start()
	q.until(t, "two are made", idle(w))
	w.create.initial.read(func() (image.Image, error) { return paint("x", 1, 64, 64, 0), nil })
	q.until(t, "there is a picture to begin from", w.create.initial.settings.Visible)
	w.jobs.pause(true)
	ask(w, "one", "two")
	for page := range w.pages {
		t.Run(w.rail[page].name, func(t *testing.T) {
			w.show(page)
			if page == pageGallery {
				q.until(t, "the pictures are listed", func() bool { return len(w.gallery.list) == 4 })
				w.gallery.grid.walk(1)
				q.until(t, "one is open", func() bool { return w.gallery.chosen != nil })
			}
			if page == pageModels {
				q.until(t, "they are listed", func() bool { return len(w.library.files) > 0 })
			}
			if f := c.Focused(); f == nil || !slices.Contains(controls(w.pages[page]), f.(fyne.CanvasObject)) {
				t.Errorf("when the page comes up, %T has the keyboard", f)
			}
			there := walked(t, c, c.FocusNext)
			for _, o := range controls(c.Content()) {
				if !slices.Contains(there, o.(fyne.Focusable)) {
					t.Errorf("Tab does not reach %s", said(o))
				}
			}
			if f := w.create.form; page == pageCreate {
				order := []fyne.Focusable{f.prompt, f.negative, f.size, f.steps.slider, f.steps.field, f.guidance.slider, f.guidance.field, f.seed}
				if !slices.Equal(there[:len(order)], order) {
					t.Error("from the prompt, Tab does not go through the settings as they stand")
				}
			}
			back := walked(t, c, c.FocusPrevious)
			for _, f := range there {
				if !slices.Contains(back, f) {
					t.Errorf("Shift+Tab does not reach %s", said(f.(fyne.CanvasObject)))
				}
			}
			// Each pair of neighbours in one column goes downwards.
			at := fyne.CurrentApp().Driver().AbsolutePositionForObject
			for i, f := range there {
				o := f.(fyne.CanvasObject)
				c.Focus(f)
				if !lit(o) {
					t.Errorf("%s has the keyboard and does not show it", said(o))
				}
				if i == 0 {
					continue
				}
				before := there[i-1].(fyne.CanvasObject)
				a, b := at(before), at(o)
				if a.X == b.X && a.Y > b.Y && o != w.rail[0] {
					t.Errorf("%s comes after %s, which is below it", said(o), said(before))
				}
			}
		})
	}
}

// said is a control in words.
func said(o fyne.CanvasObject) string {
	switch c := o.(type) {
	case *button:
		return fmt.Sprintf("button %q", c.Text)
	case *link:
		return fmt.Sprintf("link %q", c.Text)
	case *entry:
		return fmt.Sprintf("field %q (%s)", c.Text, c.PlaceHolder)
	}
	return fmt.Sprintf("%T", o)
}

// lit tells whether a ring is drawn around o or in it.
func lit(o fyne.CanvasObject) bool {
	if l, ok := o.(*list); ok && l.Length() > 0 {
		o = l // a row has the ring
	}
	for _, o := range seen(o) {
		w, ok := o.(fyne.Widget)
		if !ok {
			continue
		}
		r := test.WidgetRenderer(w)
		for {
			if in, ok := r.(*listRenderer); ok {
				r = in.ringed
			} else if in, ok := r.(*panelRenderer); ok {
				r = in.WidgetRenderer
			} else {
				break
			}
		}
		if n, ok := r.(*navRenderer); ok && n.bg.StrokeWidth > 0 {
			return true
		}
		if n, ok := r.(*ringed); ok && !n.ring.Hidden && n.ring.Size().Width > 0 {
			return true
		}
	}
	return false
}

// What lies beyond the edge of a low window comes into view as it gets the keyboard.
func TestTabScrolls(t *testing.T) {
	w, _ := open(t, &fakeEngine{})
	w.Resize(fyne.NewSize(910, 480))
	c := w.Canvas()
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject
	for _, o := range controls(w.create.form.content) {
		c.Focus(o.(fyne.Focusable))
		s := w.keys.scrolls[0].scroll
		top, bottom := at(s).Y, at(s).Y+s.Size().Height
		if y := at(o).Y; y < top || y+o.Size().Height > bottom {
			t.Errorf("%s lies at %g to %g, of which %g to %g is in view", said(o), y, y+o.Size().Height, top, bottom)
		}
	}
}

// Space and Enter work what has the keyboard.
func TestSpaceAndEnter(t *testing.T) {
	themedApp(t)
	for _, key := range []fyne.KeyName{fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter} {
		worked := 0
		tapped := func() { worked++ }
		k := &keys{}
		for _, f := range []fyne.Focusable{newButton(k, "x", nil, tapped), newLink(k, "x", tapped), newNavItem(k, "x", icon("create"), tapped)} {
			press(f, key)
		}
		if worked != 3 {
			t.Errorf("%s works %d of 3", key, worked)
		}
		menu := newChoice(k, []string{"a", "b"}, nil)
		w := test.NewTempWindow(t, menu)
		press(menu, key)
		if w.Canvas().Overlays().Top() == nil {
			t.Errorf("%s does not open a choice", key)
		}
		box := newCheck(k, "x")
		if press(box, key); key != fyne.KeySpace && !box.Checked {
			t.Errorf("%s does not check a box", key)
		}
	}
	size := newEditableChoice(&keys{}, []string{"1", "2"})
	w := test.NewTempWindow(t, size)
	press(size, fyne.KeyDown)
	menu := w.Canvas().Focused()
	press(menu, fyne.KeyDown, fyne.KeyDown, fyne.KeyReturn)
	if size.Text != "2" {
		t.Errorf("the field holds %q after its second value was chosen", size.Text)
	}
}

// A mask can be painted without a mouse.
func TestBrushKeys(t *testing.T) {
	themedApp(t)
	finished := false
	b := newBrush(&keys{}, func() { finished = true })
	w := test.NewTempWindow(t, b)
	w.Resize(fyne.NewSize(400, 400))
	b.begin(ground(image.NewNRGBA(image.Rect(0, 0, 100, 100))))
	press(b, fyne.KeySpace, fyne.KeyRight, fyne.KeyRight, fyne.KeySpace)
	if b.mask.RGBAAt(50, 50).A == 0 || b.mask.RGBAAt(58, 50).A == 0 || b.mask.RGBAAt(50, 58).A != 0 {
		t.Error("Space paints where the arrows lead")
	}
	b.TypedShortcut(&fyne.ShortcutUndo{})
	if len(b.strokes) != 1 || b.mask.RGBAAt(50, 50).A == 0 {
		t.Error("Ctrl+Z takes the last stroke back")
	}
	if press(b, fyne.KeyReturn); !finished {
		t.Error("Enter takes what was marked")
	}
}
