//go:build !headless

package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
)

// fading is a scroll whose content fades out where there is more of it.
type fading struct {
	content     *fyne.Container
	scroll      *container.Scroll
	top, bottom *canvas.LinearGradient
	ground      color.Color // what it fades to
	resized     func(height float32)
}

const fadeHeight = 22

// newFading lets o be higher than the room that it has. It lies on a panel.
func newFading(k *keys, o fyne.CanvasObject) *fading {
	f := &fading{scroll: container.NewVScroll(o)}
	f.top, f.bottom = canvas.NewVerticalGradient(nil, nil), canvas.NewVerticalGradient(nil, nil)
	f.scroll.OnScrolled = func(fyne.Position) { f.fade() }
	f.content = container.New(fadingLayout{f}, f.scroll, f.top, f.bottom)
	k.scrolls = append(k.scrolls, f)
	return f
}

// fade shows at which ends there is more.
func (f *fading) fade() {
	if ground := themed(colorPanel); ground != f.ground {
		f.ground = ground
		r, g, b, _ := ground.RGBA()
		none := color.NRGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 0}
		f.top.StartColor, f.top.EndColor = ground, none
		f.bottom.StartColor, f.bottom.EndColor = none, ground
		f.top.Refresh()
		f.bottom.Refresh()
	}
	beyond := f.scroll.Content.MinSize().Height - f.scroll.Size().Height
	show(f.top, f.scroll.Offset.Y > 1)
	show(f.bottom, f.scroll.Offset.Y < beyond-1)
}

// show scrolls as little as it takes to have all of o in view.
func (f *fading) show(o fyne.CanvasObject) {
	d := fyne.CurrentApp().Driver()
	const clear = fadeHeight + 2 // of the fading ends, and most captions too
	top := d.AbsolutePositionForObject(o).Y - d.AbsolutePositionForObject(f.scroll.Content).Y
	y := f.scroll.Offset.Y
	y = max(y, top+o.Size().Height+clear-f.scroll.Size().Height)
	y = min(y, top-clear)
	y = max(0, min(y, f.scroll.Content.MinSize().Height-f.scroll.Size().Height))
	if y != f.scroll.Offset.Y {
		f.scroll.ScrollToOffset(fyne.NewPos(0, y))
		f.fade()
	}
}

type fadingLayout struct{ f *fading }

func (l fadingLayout) MinSize([]fyne.CanvasObject) fyne.Size { return l.f.scroll.MinSize() }
func (l fadingLayout) Layout(_ []fyne.CanvasObject, size fyne.Size) {
	if l.f.resized != nil {
		l.f.resized(size.Height)
	}
	l.f.scroll.Resize(size)
	l.f.top.Resize(fyne.NewSize(size.Width, fadeHeight))
	l.f.bottom.Resize(fyne.NewSize(size.Width, fadeHeight))
	l.f.bottom.Move(fyne.NewPos(0, size.Height-fadeHeight))
	l.f.fade()
}
