//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
)

// With the keyboard, the arrows move the brush and Space paints with it; Ctrl+Z
// takes a stroke back and Enter takes what was marked.

func (b *brush) FocusGained()   { b.on = true; b.Refresh() }
func (b *brush) FocusLost()     { b.on = false; b.Refresh() }
func (b *brush) TypedRune(rune) {}

func (b *brush) TypedKey(e *fyne.KeyEvent) {
	if b.keys.took(e) || b.mask == nil {
		return
	}
	w, h := float64(b.mask.Rect.Dx()), float64(b.mask.Rect.Dy())
	step := max(w, h) * b.size / 2
	switch e.Name {
	case fyne.KeyLeft:
		b.tip.x -= step
	case fyne.KeyRight:
		b.tip.x += step
	case fyne.KeyUp:
		b.tip.y -= step
	case fyne.KeyDown:
		b.tip.y += step
	case fyne.KeySpace:
		b.begun()
		b.drawTo(b.tip)
		b.DragEnd()
	case fyne.KeyReturn, fyne.KeyEnter:
		b.finish()
		return
	}
	b.tip = point{min(max(b.tip.x, 0), w), min(max(b.tip.y, 0), h)}
	b.Refresh()
}

func (b *brush) TypedShortcut(s fyne.Shortcut) {
	if _, undo := s.(*fyne.ShortcutUndo); undo && b.mask != nil {
		b.undo()
	}
}

// placeTip draws where the keyboard's brush is.
func (b *brush) placeTip(tip *canvas.Circle) {
	tip.StrokeColor, tip.StrokeWidth = themed(theme.ColorNamePrimary), ringWidth
	tip.Hidden = !b.on || b.mask == nil
	if b.mask == nil {
		return
	}
	o, s := b.over.Position(), b.over.Size()
	scale := s.Width / float32(b.mask.Rect.Dx())
	d := float32(b.size) * float32(max(b.mask.Rect.Dx(), b.mask.Rect.Dy())) * scale
	tip.Resize(fyne.NewSquareSize(d))
	tip.Move(o.AddXY(float32(b.tip.x)*scale-d/2, float32(b.tip.y)*scale-d/2))
}
