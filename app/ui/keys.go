//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
)

// keys is what the keyboard does whichever control has the focus. Fyne gives a
// key to the focused control alone, so each of ours passes Esc on.
type keys struct {
	escape  func()
	repaint func() // nil where nothing is painted
	scrolls []*fading
}

// shown paints the window anew: Fyne does not know objects that were hidden until
// now, and would show them only with the next change of another.
func (k *keys) shown() {
	for _, s := range k.scrolls {
		s.fade()
	}
	if k.repaint != nil {
		k.repaint()
	}
}

func (k *keys) took(e *fyne.KeyEvent) bool {
	if e.Name != fyne.KeyEscape || k.escape == nil {
		return false
	}
	k.escape()
	return true
}

// reveal scrolls to an object that has the focus now.
func (k *keys) reveal(o fyne.CanvasObject) {
	for _, s := range k.scrolls {
		if contains(s.scroll.Content, o) {
			s.show(o)
		}
	}
}

// contains tells whether o is root or lies in it, as far as our own pages nest.
func contains(root, o fyne.CanvasObject) bool {
	if root == o {
		return true
	}
	switch r := root.(type) {
	case *fyne.Container:
		for _, child := range r.Objects {
			if contains(child, o) {
				return true
			}
		}
	case *panel:
		return contains(r.content, o)
	}
	return false
}

// focus is whether a control has the keyboard, and the ring around it that says
// so: Fyne's own marks are hard to see, and none on a button in the accent colour.
type focus struct{ on bool }

// ring draws around what a renderer draws. tint may be nil.
func (f *focus) ring(inner fyne.WidgetRenderer, tint func() fyne.ThemeColorName) fyne.WidgetRenderer {
	r := &ringed{WidgetRenderer: inner, focus: f, tint: tint, ring: canvas.NewRectangle(nil)}
	r.ring.CornerRadius = radiusSmall
	r.ring.StrokeWidth = ringWidth
	r.apply()
	return r
}

const ringWidth = 2

// ringAround is ring, clear of the control.
func (f *focus) ringAround(inner fyne.WidgetRenderer, out fyne.Size) fyne.WidgetRenderer {
	r := f.ring(inner, nil).(*ringed)
	r.out = out
	return r
}

type ringed struct {
	fyne.WidgetRenderer
	focus *focus
	tint  func() fyne.ThemeColorName
	ring  *canvas.Rectangle
	out   fyne.Size // by which the ring is clear of the control
	all   []fyne.CanvasObject
}

func (r *ringed) apply() {
	name := theme.ColorNamePrimary
	if r.tint != nil {
		name = r.tint()
	}
	r.ring.StrokeColor = themed(name)
	r.ring.Hidden = !r.focus.on
}

func (r *ringed) Layout(size fyne.Size) {
	r.WidgetRenderer.Layout(size)
	r.ring.Resize(size.AddWidthHeight(2*r.out.Width, 2*r.out.Height))
	r.ring.Move(fyne.NewPos(-r.out.Width, -r.out.Height))
}

func (r *ringed) Refresh() {
	r.apply()
	r.WidgetRenderer.Refresh()
	r.ring.Refresh()
}

func (r *ringed) Objects() []fyne.CanvasObject {
	r.all = append(append(r.all[:0], r.WidgetRenderer.Objects()...), r.ring)
	return r.all
}
