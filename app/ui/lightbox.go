//go:build !headless

package ui

import (
	"fmt"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// lightbox shows one picture of the gallery over the whole page. It has the
// keyboard while it is open.
type lightbox struct {
	widget.BaseWidget
	focus
	page    *galleryPage
	content fyne.CanvasObject
	view    *view
	title   *text
	size    *text
	star    *button
}

func newLightbox(p *galleryPage) *lightbox {
	k := &p.win.keys
	l := &lightbox{page: p, view: newView(p.win.post), title: newText("", theme.ColorNameForeground, theme.SizeNameText).short(), size: caption("")}
	l.view.zoomed = l.tellSize
	l.star = newButton(k, "", icon("star-line"), p.toggleFavourite)
	bar := fixedSize(0, footHeight, beside(
		row(tight, newButton(k, "", theme.NavigateBackIcon(), func() { p.step(-1) }), newButton(k, "", theme.NavigateNextIcon(), func() { p.step(1) })),
		container.New(&insets{left: tight, right: tight}, middle(l.title)),
		row(tight, middle(l.size), newButton(k, "1 : 1", nil, l.view.actual), l.star, newButton(k, "", theme.DeleteIcon(), p.trash), newButton(k, "Close", theme.CancelIcon(), p.closeLightbox))))
	l.content = newPanel(colorPanel, gap+2, edges(nil, container.New(&insets{top: gap}, bar), nil, nil, newPanel(colorStage, tight, l.view)))
	l.ExtendBaseWidget(l)
	l.Hide()
	return l
}

func (l *lightbox) tellSize() { l.size.SetText(fmt.Sprintf("%d %%", l.view.percent())) }

func (l *lightbox) show(o *opened) {
	l.view.show(o.image)
	l.title.SetText(oneLine(o.recipe.Prompt))
	l.tellSize()
}

func (l *lightbox) CreateRenderer() fyne.WidgetRenderer {
	return l.ring(widget.NewSimpleRenderer(l.content), nil)
}

func (l *lightbox) FocusGained()   { l.on = true; l.Refresh() }
func (l *lightbox) FocusLost()     { l.on = false; l.Refresh() }
func (l *lightbox) TypedRune(rune) {}
func (l *lightbox) TypedKey(e *fyne.KeyEvent) {
	if l.page.win.keys.took(e) {
		return
	}
	if l.view.zoomKey(e.Name) {
		return
	}
	switch e.Name {
	case fyne.KeyLeft, fyne.KeyUp, fyne.KeyPageUp:
		l.page.step(-1)
	case fyne.KeyRight, fyne.KeyDown, fyne.KeyPageDown, fyne.KeySpace:
		l.page.step(1)
	case fyne.KeyReturn, fyne.KeyEnter:
		l.page.closeLightbox()
	default:
		l.page.typedKey(e.Name)
	}
}
