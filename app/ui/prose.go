//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// prose is a paragraph that the mouse can select from. Fyne's own label would be a stop
// of the Tab key that shows no ring and keeps Esc to itself: this one has the keyboard
// only from a press of the mouse on, for Ctrl+C, and Tab goes on from there.
type prose struct {
	widget.Label
	keys   *keys
	picker *picker // nil until it is shown
}

func newProse(k *keys) *prose {
	p := &prose{keys: k}
	p.Wrapping, p.Selectable = fyne.TextWrapWord, true
	p.ExtendBaseWidget(p)
	return p
}

func (p *prose) CreateRenderer() fyne.WidgetRenderer {
	r := p.Label.CreateRenderer()
	k := &picker{selection: r.Objects()[0].(selection), prose: p}
	k.ExtendBaseWidget(k)
	p.picker = k
	// It asks for the keyboard, which what is hidden does not get.
	k.selection.Hide()
	return &proseRenderer{r, k, []fyne.CanvasObject{k, r.Objects()[1], k.selection}}
}

// SetText shows another text, of which nothing is selected.
func (p *prose) SetText(s string) {
	if p.picker != nil && s != p.Text {
		p.picker.clear()
	}
	p.Label.SetText(s)
}

type proseRenderer struct {
	fyne.WidgetRenderer
	picker  *picker
	objects []fyne.CanvasObject
}

func (r *proseRenderer) Objects() []fyne.CanvasObject { return r.objects }
func (r *proseRenderer) Layout(size fyne.Size)        { r.WidgetRenderer.Layout(size); r.picker.Resize(size) }
func (r *proseRenderer) Refresh()                     { r.WidgetRenderer.Refresh(); r.picker.Refresh() }

// selection is what of a label knows what is selected.
type selection interface {
	fyne.Widget
	fyne.Focusable
	fyne.Draggable
	fyne.DoubleTappable
	fyne.Shortcutable
	desktop.Mouseable
	SelectedText() string
}

// picker stands for a label's selection in its window.
type picker struct {
	widget.BaseWidget
	focus
	selection selection
	prose     *prose
}

func (k *picker) CreateRenderer() fyne.WidgetRenderer {
	return &pickerRenderer{k.selection.CreateRenderer(), k}
}

type pickerRenderer struct {
	fyne.WidgetRenderer
	picker *picker
}

func (r *pickerRenderer) Refresh() { r.WidgetRenderer.Refresh(); canvas.Refresh(r.picker) }

// clear selects nothing: what is swept over no distance, after what was swept has ended.
func (k *picker) clear() {
	for range 2 {
		k.selection.Dragged(&fyne.DragEvent{})
		k.selection.DragEnd()
	}
}

func (k *picker) MouseDown(e *desktop.MouseEvent) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(k); c != nil {
		c.Focus(k)
	}
	k.selection.MouseDown(e)
	k.Refresh()
}
func (k *picker) MouseUp(e *desktop.MouseEvent)   { k.selection.MouseUp(e); k.Refresh() }
func (k *picker) Dragged(e *fyne.DragEvent)       { k.selection.Dragged(e); k.Refresh() }
func (k *picker) DragEnd()                        { k.selection.DragEnd(); k.Refresh() }
func (k *picker) DoubleTapped(e *fyne.PointEvent) { k.selection.DoubleTapped(e); k.Refresh() }
func (k *picker) TypedShortcut(s fyne.Shortcut)   { k.selection.TypedShortcut(s) }
func (k *picker) SelectedText() string            { return k.selection.SelectedText() }
func (k *picker) Cursor() desktop.Cursor          { return desktop.TextCursor }
func (k *picker) FocusGained()                    { k.on = true; k.selection.FocusGained(); k.Refresh() }
func (k *picker) FocusLost()                      { k.on = false; k.selection.FocusLost(); k.Refresh() }
func (k *picker) TypedRune(rune)                  {}
func (k *picker) TypedKey(e *fyne.KeyEvent)       { k.prose.keys.took(e) }
func (k *picker) TappedSecondary(e *fyne.PointEvent) {
	copied := func(label, s string) *fyne.MenuItem {
		item := fyne.NewMenuItem(label, func() { fyne.CurrentApp().Clipboard().SetContent(s) })
		item.Disabled = s == ""
		return item
	}
	if c := fyne.CurrentApp().Driver().CanvasForObject(k); c != nil {
		widget.ShowPopUpMenuAtPosition(fyne.NewMenu("", copied("Copy", k.SelectedText()), copied("Copy all", k.prose.Text)), c, e.AbsolutePosition)
	}
}

// Tab passes it by.
func (k *picker) Disabled() bool { return !k.on }
func (k *picker) Enable()        {}
func (k *picker) Disable()       {}
