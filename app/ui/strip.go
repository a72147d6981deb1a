//go:build !headless

package ui

import (
	"image"
	"image/color"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

const (
	// stripLength is how many pictures a strip keeps; all of them stay in the
	// gallery, and memory stays bounded.
	stripLength = 48
	stripSide   = 72
	thumbPixels = 2 * stripSide // enough for a screen of twice the density
)

// strip shows the latest pictures small, the newest first. Tapping one picks it.
type strip[T comparable] struct {
	content *container.Scroll
	box     *fyne.Container
	items   []stripItem[T]
	picked  func(T)
}

type stripItem[T comparable] struct {
	tile  *tile
	value T
}

func newStrip[T comparable](picked func(T)) *strip[T] {
	s := &strip[T]{box: container.New(layout.NewCustomPaddedHBoxLayout(tight)), picked: picked}
	s.content = container.NewHScroll(s.box)
	s.content.SetMinSize(fyne.NewSize(0, stripSide+8))
	return s
}

// add puts a picture in front. thumb is at most thumbPixels on a side. A full
// strip uses its last tile again: Fyne remembers each for a minute.
func (s *strip[T]) add(thumb image.Image, value T) {
	var t *tile
	if n := len(s.items); n == stripLength {
		t = s.items[n-1].tile
		s.items = s.items[:n-1]
	} else {
		t = newTile(stripSide)
	}
	t.tapped = func() { s.mark(t); s.picked(value) }
	t.show(thumb)
	s.items = slices.Insert(s.items, 0, stripItem[T]{t, value})
	s.box.Objects = s.box.Objects[:0]
	for _, it := range s.items {
		s.box.Objects = append(s.box.Objects, it.tile)
	}
	s.mark(t)
	s.box.Refresh()
	s.content.ScrollToOffset(fyne.Position{})
}

func (s *strip[T]) mark(t *tile) {
	for _, it := range s.items {
		it.tile.choose(it.tile == t)
	}
}

// after is what was added just before value; the zero value if nothing was.
func (s *strip[T]) after(value T) (before T) {
	for i, it := range s.items {
		if it.value == value && i+1 < len(s.items) {
			return s.items[i+1].value
		}
	}
	return before
}

// choose marks the picture of a value.
func (s *strip[T]) choose(value T) {
	for _, it := range s.items {
		it.tile.choose(it.value == value)
	}
}

// tile is a small picture that can be tapped.
type tile struct {
	widget.BaseWidget
	side        float32
	image       *canvas.Image
	chosen, hot bool
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

func (t *tile) Tapped(*fyne.PointEvent) {
	if t.tapped != nil {
		t.tapped()
	}
}
func (t *tile) MouseIn(*desktop.MouseEvent)    { t.hot = true; t.Refresh() }
func (t *tile) MouseMoved(*desktop.MouseEvent) {}
func (t *tile) MouseOut()                      { t.hot = false; t.Refresh() }

func (t *tile) CreateRenderer() fyne.WidgetRenderer {
	r := &tileRenderer{t: t, frame: canvas.NewRectangle(nil), dot: canvas.NewCircle(nil), star: widget.NewIcon(nil), cross: widget.NewIcon(nil)}
	r.frame.CornerRadius = radiusSmall
	r.apply()
	return r
}

type tileRenderer struct {
	t           *tile
	frame       *canvas.Rectangle
	dot         *canvas.Circle // behind the star, so that it shows on any picture
	star, cross *widget.Icon
}

func (r *tileRenderer) apply() {
	r.frame.FillColor = themed(colorStage)
	r.frame.StrokeWidth = 0
	switch {
	case r.t.chosen:
		r.frame.StrokeColor, r.frame.StrokeWidth = themed(theme.ColorNamePrimary), 2
	case r.t.hot:
		r.frame.StrokeColor, r.frame.StrokeWidth = themed(colorMuted), 1
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
	c := min(size.Width, size.Height) / 3
	r.cross.Resize(fyne.NewSquareSize(c))
	r.cross.Move(fyne.NewPos((size.Width-c)/2, (size.Height-c)/2))
}
func (r *tileRenderer) Refresh() {
	r.apply()
	r.frame.Refresh()
	r.dot.Refresh()
}
func (r *tileRenderer) MinSize() fyne.Size { return fyne.NewSquareSize(r.t.side) }
func (r *tileRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.frame, r.t.image, r.cross, r.dot, r.star}
}
func (r *tileRenderer) Destroy() {}
