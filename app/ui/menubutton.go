//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"
)

// newMenuButton is a button that opens a menu, which is made anew each time.
func newMenuButton(k *keys, label string, icon fyne.Resource, items func() []*fyne.MenuItem) *button {
	b := newButton(k, label, icon, nil)
	b.OnTapped = func() { popUp(b, items()) }
	return b
}

// newMenuLink is a word that opens a menu.
func newMenuLink(k *keys, label string, items func() []*fyne.MenuItem) *link {
	l := newLink(k, label, nil)
	l.tapped = func() { popUp(l, items()) }
	return l
}

// popUp opens a menu below an object, or above it if there is no room below, and
// never beyond the right edge.
func popUp(o fyne.CanvasObject, items []*fyne.MenuItem) {
	c := fyne.CurrentApp().Driver().CanvasForObject(o)
	if c == nil || len(items) == 0 {
		return
	}
	m := widget.NewPopUpMenu(fyne.NewMenu("", items...), c)
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(o)
	size := m.MinSize()
	pos := fyne.NewPos(at.X, at.Y+o.Size().Height+2)
	if pos.Y+size.Height > c.Size().Height {
		pos.Y = max(0, at.Y-size.Height-2)
	}
	pos.X = max(0, min(pos.X, c.Size().Width-size.Width-tight))
	m.ShowAtPosition(pos)
	c.Focus(m)
}
