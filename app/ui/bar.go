//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// bar is a thin line that fills from left to right.
type bar struct {
	widget.BaseWidget
	share float32 // 0 to 1; less: nothing is under way
}

func newBar() *bar {
	b := &bar{share: -1}
	b.ExtendBaseWidget(b)
	return b
}

func (b *bar) set(done, of int) {
	share := float32(0)
	if of > 0 {
		share = min(max(float32(done)/float32(of), 0), 1)
	}
	if share != b.share {
		b.share = share
		b.Refresh()
	}
}

// rest empties the bar and takes its track away.
func (b *bar) rest() {
	b.share = -1
	b.Refresh()
}

func (b *bar) CreateRenderer() fyne.WidgetRenderer {
	r := &barRenderer{b: b, track: canvas.NewRectangle(nil), fill: canvas.NewRectangle(nil)}
	r.track.CornerRadius, r.fill.CornerRadius = barHeight/2, barHeight/2
	r.color()
	return r
}

const barHeight = 5

type barRenderer struct {
	b           *bar
	track, fill *canvas.Rectangle
}

func (r *barRenderer) color() {
	r.track.FillColor, r.fill.FillColor = themed(colorTrack), themed(theme.ColorNamePrimary)
	r.track.Hidden, r.fill.Hidden = r.b.share < 0, r.b.share <= 0
}

func (r *barRenderer) Layout(size fyne.Size) {
	r.track.Resize(size)
	r.fill.Resize(fyne.NewSize(size.Width*r.b.share, size.Height))
}

func (r *barRenderer) Refresh() {
	r.color()
	r.Layout(r.b.Size())
	r.track.Refresh()
	r.fill.Refresh()
}

func (r *barRenderer) MinSize() fyne.Size           { return fyne.NewSize(40, barHeight) }
func (r *barRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.track, r.fill} }
func (r *barRenderer) Destroy()                     {}
