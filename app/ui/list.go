//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

var altUp, altDown = &desktop.CustomShortcut{KeyName: fyne.KeyUp, Modifier: fyne.KeyModifierAlt}, &desktop.CustomShortcut{KeyName: fyne.KeyDown, Modifier: fyne.KeyModifierAlt}

// list shows rows one below the other. With the keyboard, the arrows walk from one
// to the next and other keys do something to it; Tab goes on to the rows' buttons.
type list struct {
	widget.List
	focus
	keys   *keys
	chosen int
	typed  func(i int, key fyne.KeyName)     // may be nil
	moved  func(i int, by int) (arrived int) // by Alt and an arrow; may be nil
}

// listRow is a row that shows whether it is the one that keys mean.
type listRow interface {
	fyne.CanvasObject
	choose(bool)
}

func newList(k *keys, length func() int, create func() listRow, fill func(int, listRow)) *list {
	l := &list{keys: k}
	l.HideSeparators = true
	l.Length = length
	l.CreateItem = func() fyne.CanvasObject { return create() }
	l.UpdateItem = func(i int, o fyne.CanvasObject) {
		if i < length() {
			r := o.(listRow)
			r.choose(l.on && i == min(l.chosen, length()-1))
			fill(i, r)
		}
	}
	l.OnSelected = func(i int) { l.UnselectAll(); l.walk(i) }
	l.ExtendBaseWidget(l)
	return l
}

// walk goes to row i, or the nearest that there is.
func (l *list) walk(i int) {
	l.chosen = max(0, min(i, l.Length()-1))
	l.ScrollTo(l.chosen)
	l.Refresh()
}

func (l *list) FocusGained() { l.on = true; l.walk(l.chosen) }
func (l *list) FocusLost()   { l.on = false; l.Refresh() }

// CreateRenderer draws a ring only where no row can show the focus.
func (l *list) CreateRenderer() fyne.WidgetRenderer {
	return &listRenderer{l.ring(l.List.CreateRenderer(), nil).(*ringed), l}
}

type listRenderer struct {
	*ringed
	l *list
}

func (r *listRenderer) Refresh() {
	r.ringed.Refresh()
	r.ringed.ring.Hidden = !r.l.on || r.l.Length() > 0
}

func (l *list) TypedKey(e *fyne.KeyEvent) {
	n := l.Length()
	l.chosen = max(0, min(l.chosen, n-1)) // rows may have gone
	switch {
	case l.keys.took(e):
	case n == 0:
	case e.Name == fyne.KeyUp:
		l.walk(l.chosen - 1)
	case e.Name == fyne.KeyDown:
		l.walk(l.chosen + 1)
	case e.Name == fyne.KeyHome:
		l.walk(0)
	case e.Name == fyne.KeyEnd:
		l.walk(n - 1)
	case l.typed != nil:
		l.typed(l.chosen, e.Name)
	}
}

// TypedShortcut moves a row by Alt and an arrow.
func (l *list) TypedShortcut(s fyne.Shortcut) {
	by := map[string]int{altUp.ShortcutName(): -1, altDown.ShortcutName(): 1}[s.ShortcutName()]
	if by != 0 && l.moved != nil && l.chosen < l.Length() {
		l.walk(l.moved(l.chosen, by))
	}
}
