//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// text is one line in the theme's colours, without the padding of a Label.
type text struct {
	widget.BaseWidget
	Text  string
	color fyne.ThemeColorName
	size  fyne.ThemeSizeName
	style fyne.TextStyle
	align fyne.TextAlign
	cut   func(s string, fits func(string) bool) string // to the room that there is; nil: the text asks for all of its own
	over  float32                                       // by which it may stand out to the right then
}

func newText(s string, color fyne.ThemeColorName, size fyne.ThemeSizeName) *text {
	t := &text{Text: s, color: color, size: size}
	t.ExtendBaseWidget(t)
	return t
}

// caption names the control beside or below it.
func caption(s string) *text { return newText(s, colorMuted, theme.SizeNameCaptionText) }

func heading(s string) *text {
	t := newText(s, theme.ColorNameForeground, theme.SizeNameSubHeadingText)
	t.style.Bold = true
	return t
}

// short lets the text be cut off where there is no room for it.
func (t *text) short() *text {
	t.cut = ellipsis
	return t
}

// shortWithin is short that keeps the end as well.
func (t *text) shortWithin() *text {
	t.cut = ellipsisWithin
	return t
}

func (t *text) SetText(s string) {
	if s != t.Text {
		t.Text = s
		t.Refresh()
	}
}

func (t *text) CreateRenderer() fyne.WidgetRenderer {
	r := &textRenderer{t: t, line: canvas.NewText("", nil)}
	r.WidgetRenderer = widget.NewSimpleRenderer(r.line)
	r.apply()
	return r
}

type textRenderer struct {
	fyne.WidgetRenderer
	t    *text
	line *canvas.Text
}

func (r *textRenderer) apply() {
	r.line.Text, r.line.Color = r.t.Text, themed(r.t.color)
	r.line.TextSize = theme.Size(r.t.size)
	r.line.TextStyle, r.line.Alignment = r.t.style, r.t.align
}

func (r *textRenderer) Refresh() {
	r.apply()
	r.trim(r.t.Size())
	r.line.Refresh()
}

func (r *textRenderer) MinSize() fyne.Size {
	if r.t.cut != nil {
		return fyne.NewSize(0, r.line.MinSize().Height)
	}
	return r.WidgetRenderer.MinSize()
}

func (r *textRenderer) Layout(size fyne.Size) {
	r.trim(size)
	r.WidgetRenderer.Layout(size)
}

// trim makes the line what of the text fits.
func (r *textRenderer) trim(size fyne.Size) {
	if r.t.cut == nil {
		return
	}
	r.line.Text = r.t.cut(r.t.Text, func(s string) bool {
		return r.t.width(s) <= size.Width+r.t.over
	})
}

// width is that of s in the text's type.
func (t *text) width(s string) float32 { return fyne.MeasureText(s, theme.Size(t.size), t.style).Width }
