//go:build !headless

package ui

import "fyne.io/fyne/v2"

// listen lets the view have the keyboard while it shows a picture: + and - zoom, the
// arrows move what is larger than the view, and else go to another picture.
func (v *view) listen(k *keys, walk func(by int)) *view {
	v.keys, v.walk = k, walk
	return v
}

// Tab passes a view by that shows nothing.
func (v *view) Disabled() bool { return v.keys == nil || v.source == nil }
func (v *view) Enable()        {}
func (v *view) Disable()       {}

func (v *view) FocusGained()   { v.on = true; v.Refresh() }
func (v *view) FocusLost()     { v.on = false; v.Refresh() }
func (v *view) TypedRune(rune) {}

func (v *view) TypedKey(e *fyne.KeyEvent) {
	if v.keys.took(e) || v.source == nil || v.zoomKey(e.Name) {
		return
	}
	if by := map[fyne.KeyName]int{fyne.KeyLeft: -1, fyne.KeyUp: -1, fyne.KeyRight: 1, fyne.KeyDown: 1}[e.Name]; by != 0 {
		v.walk(by)
	}
}

// zoomKey zooms, or moves the part that is shown, if that is what a key means.
func (v *view) zoomKey(name fyne.KeyName) bool {
	switch name {
	case fyne.KeyPlus, fyne.KeyEqual:
		v.setZoom(v.zoom*1.25, v.cx, v.cy)
	case fyne.KeyMinus:
		v.setZoom(v.zoom/1.25, v.cx, v.cy)
	case fyne.Key0:
		v.setZoom(1, 0.5, 0.5)
	case fyne.Key1:
		v.actual()
	case fyne.KeyLeft, fyne.KeyRight, fyne.KeyUp, fyne.KeyDown:
		if v.zoom == 1 {
			return false
		}
		const far = 60 // units of the screen
		d := map[fyne.KeyName]fyne.Delta{fyne.KeyLeft: {DX: far}, fyne.KeyRight: {DX: -far}, fyne.KeyUp: {DY: far}, fyne.KeyDown: {DY: -far}}[name]
		v.Dragged(&fyne.DragEvent{Dragged: d})
	default:
		return false
	}
	return true
}
