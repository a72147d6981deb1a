//go:build !headless

package ui

import (
	"image"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"
)

const (
	// stripLength is how many pictures a strip keeps; all of them stay in the
	// gallery, and memory stays bounded.
	stripLength = 48
	stripSide   = 72
	thumbPixels = 2 * stripSide // enough for a screen of twice the density
)

// strip shows the latest pictures small, the newest first. Tapping one picks it,
// and so do the arrows where the strip has the keyboard.
type strip[T comparable] struct {
	content *tileRow
	box     *fyne.Container
	items   []stripItem[T]
	picked  func(T)
}

type stripItem[T comparable] struct {
	tile  *tile
	value T
}

func newStrip[T comparable](k *keys, picked func(T)) *strip[T] {
	s := &strip[T]{box: container.New(layout.NewCustomPaddedHBoxLayout(tight)), picked: picked}
	s.content = newTileRow(k, s.box, s.walk)
	return s
}

// walk picks another picture, so many to the right.
func (s *strip[T]) walk(by int) {
	at := slices.IndexFunc(s.items, func(it stripItem[T]) bool { return it.tile.chosen })
	if at = max(0, min(at+by, len(s.items)-1)); at < len(s.items) {
		t := s.items[at].tile
		t.tapped()
		s.content.show(t)
	}
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
	t.tapped = func() { s.mark(t); s.picked(value); s.content.take() }
	t.show(thumb)
	s.items = slices.Insert(s.items, 0, stripItem[T]{t, value})
	s.box.Objects = s.box.Objects[:0]
	for _, it := range s.items {
		s.box.Objects = append(s.box.Objects, it.tile)
	}
	s.mark(t)
	s.box.Refresh()
	s.content.scroll.ScrollToOffset(fyne.Position{})
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

// tileRow is what a strip's tiles lie in. It has the keyboard for all of them.
type tileRow struct {
	widget.BaseWidget
	focus
	keys   *keys
	box    *fyne.Container
	scroll *container.Scroll
	walk   func(by int)
}

func newTileRow(k *keys, box *fyne.Container, walk func(by int)) *tileRow {
	r := &tileRow{keys: k, box: box, scroll: container.NewHScroll(container.New(&insets{4, 4, 4, 4}, box)), walk: walk}
	r.scroll.SetMinSize(fyne.NewSize(0, stripSide+8))
	r.ExtendBaseWidget(r)
	return r
}

func (r *tileRow) CreateRenderer() fyne.WidgetRenderer {
	return r.ring(widget.NewSimpleRenderer(r.scroll), nil)
}

// take gives the row the keyboard.
func (r *tileRow) take() {
	if c := fyne.CurrentApp().Driver().CanvasForObject(r); c != nil && !r.on {
		c.Focus(r)
	}
}

// show scrolls as little as it takes to have all of a tile in view.
func (r *tileRow) show(t *tile) {
	x, left := r.scroll.Offset.X, t.Position().X
	x = max(x, left+t.Size().Width+8-r.scroll.Size().Width)
	r.scroll.ScrollToOffset(fyne.NewPos(min(x, left), 0))
}

func (r *tileRow) FocusGained()   { r.on = true; r.Refresh() }
func (r *tileRow) FocusLost()     { r.on = false; r.Refresh() }
func (r *tileRow) TypedRune(rune) {}
func (r *tileRow) TypedKey(e *fyne.KeyEvent) {
	if r.keys.took(e) {
		return
	}
	switch e.Name {
	case fyne.KeyLeft:
		r.walk(-1)
	case fyne.KeyRight:
		r.walk(1)
	case fyne.KeyHome:
		r.walk(-stripLength)
	case fyne.KeyEnd:
		r.walk(stripLength)
	}
}

// Tab passes an empty row by.
func (r *tileRow) Disabled() bool { return len(r.box.Objects) == 0 }
func (r *tileRow) Enable()        {}
func (r *tileRow) Disable()       {}
