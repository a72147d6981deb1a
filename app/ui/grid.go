//go:build !headless

package ui

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"
)

// grid shows any number of pictures; it has tiles only for those in view. The
// arrow keys walk from one to the next.
type grid struct {
	widget.GridWrap
	focus
	keys   *keys
	chosen int // -1: none
	walked func(i int)
	opened func()
	typed  func(fyne.KeyName)

	tapped   int // what was tapped last, and when: twice within a moment opens it
	tappedAt time.Time
}

const doubleTap = 400 * time.Millisecond

func newGrid(k *keys, length func() int, fill func(int, *tile)) *grid {
	g := &grid{keys: k, chosen: -1, tapped: -1}
	g.Length = length
	g.CreateItem = func() fyne.CanvasObject { return newTile(gallerySide) }
	g.UpdateItem = func(i widget.GridWrapItemID, o fyne.CanvasObject) {
		t := o.(*tile)
		t.tapped = func() { g.tap(i) }
		t.choose(i == g.chosen)
		fill(i, t)
	}
	g.ExtendBaseWidget(g)
	return g
}

func (g *grid) tap(i int) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(g); c != nil {
		c.Focus(g)
	}
	twice := i == g.tapped && time.Since(g.tappedAt) < doubleTap
	g.tapped, g.tappedAt = i, time.Now()
	g.walk(i)
	if twice {
		g.opened()
	}
}

// walk chooses picture i, or the nearest that there is.
func (g *grid) walk(i int) {
	n := g.Length()
	if n == 0 {
		return
	}
	g.chosen = min(max(i, 0), n-1)
	g.ScrollTo(g.chosen)
	g.walked(g.chosen)
}

// The tiles show what is chosen, the ring that the arrows choose. GridWrap's own
// mark of the focus is not wanted.
func (g *grid) FocusGained() { g.on = true; g.Refresh() }
func (g *grid) FocusLost()   { g.on = false; g.Refresh() }
func (g *grid) CreateRenderer() fyne.WidgetRenderer {
	return g.ringAround(g.GridWrap.CreateRenderer(), fyne.NewSize(6, 6))
}

func (g *grid) TypedKey(e *fyne.KeyEvent) {
	if g.keys.took(e) {
		return
	}
	page := max(1, int(g.Size().Height/(gallerySide+4))) * g.ColumnCount()
	steps := map[fyne.KeyName]int{
		fyne.KeyLeft: -1, fyne.KeyRight: 1, fyne.KeyUp: -g.ColumnCount(), fyne.KeyDown: g.ColumnCount(),
		fyne.KeyPageUp: -page, fyne.KeyPageDown: page, fyne.KeyHome: -g.Length(), fyne.KeyEnd: g.Length(),
	}
	switch step, arrow := steps[e.Name]; {
	case arrow && g.chosen < 0:
		g.walk(0)
	case arrow && (g.chosen+step < 0 || g.chosen+step >= g.Length()) && (e.Name == fyne.KeyUp || e.Name == fyne.KeyDown):
		// There is no row beyond: stay.
	case arrow:
		g.walk(g.chosen + step)
	case e.Name == fyne.KeyReturn || e.Name == fyne.KeyEnter || e.Name == fyne.KeySpace:
		if g.chosen >= 0 {
			g.opened()
		}
	default:
		g.typed(e.Name)
	}
}
