//go:build !headless

package ui

import (
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// navItem is one page in the rail at the left: an icon over a name.
type navItem struct {
	widget.BaseWidget
	keys        *keys
	name        string
	icon        fyne.Resource
	chosen, hot bool
	focus
	badge  int // how many wait there; 0 shows none
	tapped func()
}

func newNavItem(k *keys, name string, icon fyne.Resource, tapped func()) *navItem {
	n := &navItem{keys: k, name: name, icon: icon, tapped: tapped}
	n.ExtendBaseWidget(n)
	return n
}

func (n *navItem) choose(chosen bool) {
	n.chosen = chosen
	n.Refresh()
}

// count shows a number beside the icon; 0 shows none.
func (n *navItem) count(badge int) {
	if n.badge != badge {
		n.badge = badge
		n.Refresh()
	}
}

func (n *navItem) Tapped(*fyne.PointEvent)        { n.tapped() }
func (n *navItem) MouseIn(*desktop.MouseEvent)    { n.hot = true; n.Refresh() }
func (n *navItem) MouseMoved(*desktop.MouseEvent) {}
func (n *navItem) MouseOut()                      { n.hot = false; n.Refresh() }
func (n *navItem) FocusGained()                   { n.on = true; n.Refresh() }
func (n *navItem) FocusLost()                     { n.on = false; n.Refresh() }
func (n *navItem) TypedRune(rune)                 {}
func (n *navItem) TypedKey(e *fyne.KeyEvent) {
	if n.keys.took(e) {
		return
	}
	switch e.Name {
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		n.tapped()
	}
}

func (n *navItem) CreateRenderer() fyne.WidgetRenderer {
	r := &navRenderer{n: n, bg: canvas.NewRectangle(nil), icon: widget.NewIcon(n.icon), label: canvas.NewText(n.name, nil)}
	r.bg.CornerRadius = radiusSmall
	r.dot, r.number = canvas.NewRectangle(nil), canvas.NewText("", nil)
	r.dot.CornerRadius = badgeHeight / 2
	r.number.TextSize, r.number.Alignment = 10, fyne.TextAlignCenter
	r.number.TextStyle.Bold = true
	r.label.Alignment = fyne.TextAlignCenter
	r.apply()
	return r
}

// railLayout puts the pages below one another, the last at the bottom, and closer
// together where the window is low.
type railLayout struct{}

const navHeight, navLeast = 62, 44

func (railLayout) MinSize(items []fyne.CanvasObject) fyne.Size {
	n := float32(len(items))
	return fyne.NewSize(items[0].MinSize().Width, n*navLeast+(n-1)*2)
}

func (railLayout) Layout(items []fyne.CanvasObject, size fyne.Size) {
	n := float32(len(items))
	pitch := min(navHeight+tight, (size.Height+2)/n)
	h := max(navLeast, min(navHeight, pitch-2))
	for i, o := range items {
		y := float32(i) * pitch
		if i == len(items)-1 {
			y = size.Height - h
		}
		o.Resize(fyne.NewSize(size.Width, h))
		o.Move(fyne.NewPos(0, y))
	}
}

type navRenderer struct {
	n     *navItem
	bg    *canvas.Rectangle
	icon  *widget.Icon
	label *canvas.Text

	dot    *canvas.Rectangle
	number *canvas.Text
}

const badgeHeight = 16

func (r *navRenderer) apply() {
	tint, fill := colorMuted, fyne.ThemeColorName("")
	switch {
	case r.n.chosen:
		tint, fill = theme.ColorNamePrimary, colorAccent
	case r.n.hot:
		tint, fill = theme.ColorNameForeground, theme.ColorNameHover
	}
	r.bg.FillColor = nil
	if fill != "" {
		r.bg.FillColor = themed(fill)
	}
	r.bg.StrokeWidth = 0
	if r.n.on {
		r.bg.StrokeColor, r.bg.StrokeWidth = themed(theme.ColorNamePrimary), ringWidth
	}
	r.icon.SetResource(theme.NewColoredResource(r.n.icon, tint))
	r.label.Color, r.label.TextSize = themed(tint), theme.Size(theme.SizeNameCaptionText)
	r.label.TextStyle.Bold = r.n.chosen
	r.dot.FillColor, r.number.Color = themed(theme.ColorNamePrimary), themed(theme.ColorNameForegroundOnPrimary)
	r.dot.Hidden, r.number.Hidden = r.n.badge == 0, r.n.badge == 0
	r.number.Text = strconv.Itoa(r.n.badge)
	if r.n.badge > 99 {
		r.number.Text = "99+"
	}
}

func (r *navRenderer) Layout(s fyne.Size) {
	const side = 22
	r.bg.Resize(s)
	h := r.label.MinSize().Height
	top := (s.Height - side - 4 - h) / 2
	r.icon.Resize(fyne.NewSquareSize(side))
	r.icon.Move(fyne.NewPos((s.Width-side)/2, top))
	r.label.Resize(fyne.NewSize(s.Width, h))
	r.label.Move(fyne.NewPos(0, top+side+4))
	w := max(r.number.MinSize().Width+8, badgeHeight)
	r.dot.Resize(fyne.NewSize(w, badgeHeight))
	r.dot.Move(fyne.NewPos(s.Width/2+7, top-4))
	r.number.Resize(fyne.NewSize(w, badgeHeight))
	r.number.Move(r.dot.Position())
}

func (r *navRenderer) MinSize() fyne.Size { return fyne.NewSize(72, navLeast) }
func (r *navRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.bg, r.icon, r.label, r.dot, r.number}
}
func (r *navRenderer) Destroy() {}
func (r *navRenderer) Refresh() {
	r.apply()
	r.bg.Refresh()
	r.label.Refresh()
	r.Layout(r.n.Size())
	r.dot.Refresh()
	r.number.Refresh()
}
