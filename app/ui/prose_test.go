//go:build !headless

package ui

import (
	"slices"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/test"
)

// pickerOf is what takes the mouse over a paragraph.
func pickerOf(p *prose) *picker { return test.WidgetRenderer(p).Objects()[0].(*picker) }

// sweep selects with the mouse from one place of a paragraph to another.
func sweep(k *picker, from, to fyne.Position) {
	at := func(p fyne.Position) *desktop.MouseEvent {
		return &desktop.MouseEvent{PointEvent: fyne.PointEvent{Position: p}, Button: desktop.MouseButtonPrimary}
	}
	k.MouseDown(at(from))
	k.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: to}, Dragged: fyne.NewDelta(to.X-from.X, to.Y-from.Y)})
	k.DragEnd()
	k.MouseUp(at(to))
}

// What a notice says can be selected and copied, Esc still works, and Tab neither stops
// there nor loses its way.
func TestProse(t *testing.T) {
	w, _ := open(t, &fakeEngine{})
	w.Resize(fyne.NewSize(1100, 700))
	c, n := w.Canvas(), w.create.notice
	n.fail("the file house.safetensors cannot be read")
	w.Resize(fyne.NewSize(1100, 701)) // lays out what has been shown
	k := pickerOf(n.message)
	if slices.Contains(walked(t, c, c.FocusNext), fyne.Focusable(k)) {
		t.Error("Tab stops at the notice's words")
	}
	line := n.message.Size().Height / 2
	sweep(k, fyne.NewPos(0, line), fyne.NewPos(1000, line))
	if got := k.SelectedText(); got == "" || len(got) > len(n.message.Text) || c.Focused() != k {
		t.Fatalf("selected is %q, %T has the keyboard", got, c.Focused())
	}
	if r := test.WidgetRenderer(k).Objects(); len(r) != 1 || !r[0].Visible() || r[0].Size().Width < 10 {
		t.Errorf("what is selected is marked by %d fields", len(r))
	}
	want := k.SelectedText()
	k.TypedShortcut(&fyne.ShortcutCopy{})
	if got := fyne.CurrentApp().Clipboard().Content(); got != want {
		t.Errorf("copied is %q, want %q", got, want)
	}
	k.DoubleTapped(&fyne.PointEvent{Position: fyne.NewPos(15, 15)})
	if got := k.SelectedText(); got != "The" {
		t.Errorf("a double click selects %q", got)
	}
	k.TappedSecondary(&fyne.PointEvent{})
	if menu, ok := c.Overlays().Top().(fyne.Focusable); ok {
		menu.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
	}
	w.escape()
	// The keyboard goes on from where the mouse was: to the notice's own buttons.
	k.MouseDown(&desktop.MouseEvent{})
	if c.FocusNext(); c.Focused() != n.copy && c.Focused() != n.close && c.Focused() != n.action {
		t.Errorf("Tab goes on to %T", c.Focused())
	}
	if r := test.WidgetRenderer(k).Objects(); len(r) > 0 && r[0].Visible() {
		t.Error("the mark stays")
	}
	k.MouseDown(&desktop.MouseEvent{})
	escaped := false
	w.keys.escape = func() { escaped = true }
	if press(c.Focused(), fyne.KeyEscape); !escaped {
		t.Error("Esc is lost")
	}
	// Nothing of a shorter text is beyond its end.
	sweep(k, fyne.NewPos(0, line), fyne.NewPos(1000, line))
	if n.tell("x"); k.SelectedText() != "" {
		t.Errorf("%q is still selected", k.SelectedText())
	}
	k.DoubleTapped(&fyne.PointEvent{Position: fyne.NewPos(15, 15)})
	if n.tell(""); k.SelectedText() != "" {
		t.Errorf("%q is still selected", k.SelectedText())
	}
}
