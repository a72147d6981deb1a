//go:build !headless

package ui

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// tile is a small picture that can be tapped.
type tile struct {
	widget.BaseWidget
	side        float32
	image       *canvas.Image
	chosen, hot bool
	picked      bool // together with others
	starred     bool
	warned      bool   // something is to be seen to
	broken      bool   // the file is no picture
	tapped      func() // nil: a list's own business
}

func newTile(side float32) *tile {
	t := &tile{side: side, image: &canvas.Image{FillMode: canvas.ImageFillContain, ScaleMode: canvas.ImageScaleFastest, CornerRadius: 6}}
	t.ExtendBaseWidget(t)
	return t
}

// show takes a picture scaled to about the tile's pixels, or nil for none yet.
func (t *tile) show(img image.Image) {
	t.image.Image = nil
	t.broken = false
	if img != nil {
		t.image.Image = asRGBA(img)
	}
	t.image.Refresh()
}

// mark shows whether the picture is a favourite, or no picture at all.
func (t *tile) mark(starred, broken bool) {
	if t.starred != starred || t.broken != broken {
		t.starred, t.broken = starred, broken
		t.Refresh()
	}
}

// warn shows that something is to be seen to, or that it is no picture at all.
func (t *tile) warn(warned, broken bool) {
	if t.warned != warned || t.broken != broken {
		t.warned, t.broken = warned, broken
		t.Refresh()
	}
}

func (t *tile) choose(chosen bool) {
	if t.chosen != chosen {
		t.chosen = chosen
		t.Refresh()
	}
}

// pick shows whether the picture is chosen together with others.
func (t *tile) pick(picked bool) {
	if t.picked != picked {
		t.picked = picked
		t.Refresh()
	}
}

func (t *tile) Tapped(*fyne.PointEvent) {
	if t.tapped != nil {
		t.tapped()
	}
}
func (t *tile) MouseIn(*desktop.MouseEvent)    { t.hot = true; t.Refresh() }
func (t *tile) MouseMoved(*desktop.MouseEvent) {}
func (t *tile) MouseOut()                      { t.hot = false; t.Refresh() }

func (t *tile) CreateRenderer() fyne.WidgetRenderer {
	r := &tileRenderer{t: t, frame: canvas.NewRectangle(nil), dot: canvas.NewCircle(nil), star: widget.NewIcon(nil), cross: widget.NewIcon(nil),
		badge: canvas.NewCircle(nil), tick: widget.NewIcon(nil)}
	r.frame.CornerRadius = radiusSmall
	r.apply()
	return r
}

type tileRenderer struct {
	t           *tile
	frame       *canvas.Rectangle
	dot         *canvas.Circle // behind the star, so that it shows on any picture
	star, cross *widget.Icon
	badge       *canvas.Circle // behind the tick
	tick        *widget.Icon
}

func (r *tileRenderer) apply() {
	r.frame.FillColor = themed(colorStage)
	r.frame.StrokeWidth = 0
	if r.t.picked {
		r.frame.FillColor = themed(theme.ColorNameSelection)
	}
	switch {
	case r.t.chosen:
		r.frame.StrokeColor, r.frame.StrokeWidth = themed(theme.ColorNamePrimary), 2
	case r.t.hot:
		r.frame.StrokeColor, r.frame.StrokeWidth = themed(colorMuted), 1
	}
	r.badge.FillColor, r.badge.Hidden = themed(theme.ColorNamePrimary), !r.t.picked
	if show(r.tick, r.t.picked); r.t.picked {
		r.tick.SetResource(theme.NewColoredResource(theme.ConfirmIcon(), theme.ColorNameForegroundOnPrimary))
	}
	r.dot.FillColor = color.NRGBA{0, 0, 0, 0xA0}
	r.dot.Hidden = !r.t.starred && !r.t.warned
	show(r.star, r.t.starred || r.t.warned)
	show(r.cross, r.t.broken)
	if r.t.starred {
		r.star.SetResource(icon("star-white"))
	}
	if r.t.warned {
		r.star.SetResource(theme.NewColoredResource(theme.WarningIcon(), colorBadge))
	}
	if r.t.broken {
		r.cross.SetResource(theme.NewColoredResource(theme.BrokenImageIcon(), colorMuted))
	}
}

func (r *tileRenderer) Layout(size fyne.Size) {
	r.frame.Resize(size)
	r.t.image.Resize(size.SubtractWidthHeight(6, 6))
	r.t.image.Move(fyne.NewPos(3, 3))
	const side, edge = 22, 8
	r.dot.Resize(fyne.NewSquareSize(side))
	r.dot.Move(fyne.NewPos(size.Width-side-edge, edge))
	r.star.Resize(fyne.NewSquareSize(side - 8))
	r.star.Move(fyne.NewPos(size.Width-side-edge+4, edge+4))
	r.badge.Resize(fyne.NewSquareSize(side))
	r.badge.Move(fyne.NewSquareOffsetPos(edge))
	r.tick.Resize(fyne.NewSquareSize(side - 6))
	r.tick.Move(fyne.NewSquareOffsetPos(edge + 3))
	c := min(size.Width, size.Height) / 3
	r.cross.Resize(fyne.NewSquareSize(c))
	r.cross.Move(fyne.NewPos((size.Width-c)/2, (size.Height-c)/2))
}
func (r *tileRenderer) Refresh() {
	r.apply()
	r.frame.Refresh()
	r.dot.Refresh()
	r.badge.Refresh()
}
func (r *tileRenderer) MinSize() fyne.Size { return fyne.NewSquareSize(r.t.side) }
func (r *tileRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.frame, r.t.image, r.cross, r.dot, r.star, r.badge, r.tick}
}
func (r *tileRenderer) Destroy() {}
