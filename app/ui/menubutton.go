//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"
)

// newMenuButton is a button that opens a menu, which is made anew each time.
func newMenuButton(k *keys, label string, icon fyne.Resource, items func() []*fyne.MenuItem) *button {
	b := newButton(k, label, icon, nil)
	b.OnTapped = func() {
		c := fyne.CurrentApp().Driver().CanvasForObject(b)
		list := items()
		if c == nil || len(list) == 0 {
			return
		}
		m := widget.NewPopUpMenu(fyne.NewMenu("", list...), c)
		// Above the button if there is no room below, and never beyond the right edge.
		at := fyne.CurrentApp().Driver().AbsolutePositionForObject(b)
		size := m.MinSize()
		pos := fyne.NewPos(at.X, at.Y+b.Size().Height+2)
		if pos.Y+size.Height > c.Size().Height {
			pos.Y = max(0, at.Y-size.Height-2)
		}
		pos.X = max(0, min(pos.X, c.Size().Width-size.Width-tight))
		m.ShowAtPosition(pos)
		c.Focus(m)
	}
	return b
}
