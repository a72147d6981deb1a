//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// navItem is one page in the rail at the left: an icon over a name.
type navItem struct {
	widget.BaseWidget
	keys            *keys
	name            string
	icon            fyne.Resource
	chosen, hot, on bool // on: has the keyboard
	tapped          func()
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
	r.label.Alignment = fyne.TextAlignCenter
	r.apply()
	return r
}

type navRenderer struct {
	n     *navItem
	bg    *canvas.Rectangle
	icon  *widget.Icon
	label *canvas.Text
}

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
		r.bg.StrokeColor, r.bg.StrokeWidth = themed(theme.ColorNameFocus), 2
	}
	r.icon.SetResource(theme.NewColoredResource(r.n.icon, tint))
	r.label.Color, r.label.TextSize = themed(tint), theme.Size(theme.SizeNameCaptionText)
	r.label.TextStyle.Bold = r.n.chosen
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
}

func (r *navRenderer) MinSize() fyne.Size { return fyne.NewSize(72, 62) }
func (r *navRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.bg, r.icon, r.label}
}
func (r *navRenderer) Destroy() {}
func (r *navRenderer) Refresh() {
	r.apply()
	r.bg.Refresh()
	r.label.Refresh()
}
