//go:build !headless

package ui

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// grid shows any number of pictures; it has tiles only for those in view. The
// arrow keys walk from one to the next; with Shift, and with Shift or Ctrl and a tap,
// several are chosen.
type grid struct {
	widget.GridWrap
	focus
	keys   *keys
	chosen int // -1: none
	walked func(i int)
	opened func()
	typed  func(fyne.KeyName)

	// Where several can be chosen, ranged is told that all from one to another are,
	// beside others or alone, toggled that one more is or one less, and all that all
	// are; nil elsewhere.
	ranged  func(from, to int, beside bool)
	toggled func(i int)
	all     func()
	anchor  int                     // where a range begins; -1: nowhere yet
	held    func() fyne.KeyModifier // the keys that are down

	tapped   int // what was tapped last, and when: twice within a moment opens it
	tappedAt time.Time
}

const doubleTap = 400 * time.Millisecond

func newGrid(k *keys, length func() int, fill func(int, *tile)) *grid {
	g := &grid{keys: k, chosen: -1, anchor: -1, held: heldKeys, tapped: -1}
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

// heldKeys are the modifiers that are down now; Fyne tells them with no key and no
// tap.
func heldKeys() fyne.KeyModifier {
	if d, ok := fyne.CurrentApp().Driver().(desktop.Driver); ok {
		return d.CurrentKeyModifiers()
	}
	return 0
}

func (g *grid) tap(i int) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(g); c != nil {
		c.Focus(g)
	}
	if held := g.held(); g.ranged != nil && held&(fyne.KeyModifierShift|fyne.KeyModifierShortcutDefault) != 0 {
		g.tapped = -1
		if held&fyne.KeyModifierShift != 0 {
			g.extend(i, held&fyne.KeyModifierShortcutDefault != 0)
		} else {
			g.toggled(i)
		}
		return
	}
	twice := i == g.tapped && time.Since(g.tappedAt) < doubleTap
	g.tapped, g.tappedAt = i, time.Now()
	g.walk(i)
	if twice {
		g.opened()
	}
}

// walk chooses picture i alone, or the nearest that there is.
func (g *grid) walk(i int) {
	n := g.Length()
	if n == 0 {
		return
	}
	g.anchor = min(max(i, 0), n-1)
	g.extend(g.anchor, false)
}

// extend chooses all from the anchor to picture i, or the nearest that there is.
func (g *grid) extend(i int, beside bool) {
	g.chosen = min(max(i, 0), g.Length()-1)
	g.anchor = min(g.anchor, g.Length()-1)
	if g.anchor < 0 {
		g.anchor = g.chosen
	}
	if g.ranged != nil {
		g.ranged(g.anchor, g.chosen, beside)
	}
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
	case arrow && g.Length() == 0:
	case arrow && g.chosen < 0:
		g.walk(max(0, g.anchor))
	case arrow && (g.chosen+step < 0 || g.chosen+step >= g.Length()) && (e.Name == fyne.KeyUp || e.Name == fyne.KeyDown):
		// There is no row beyond: stay.
	case arrow && g.ranged != nil && g.held()&fyne.KeyModifierShift != 0:
		g.extend(g.chosen+step, false)
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

// TypedShortcut chooses all by Ctrl+A.
func (g *grid) TypedShortcut(s fyne.Shortcut) {
	if _, ok := s.(*fyne.ShortcutSelectAll); ok && g.all != nil {
		g.all()
	}
}
