//go:build !headless

package ui

import (
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
)

// hoveredText tells when the mouse is over it.
type hoveredText struct {
	text
	hovered func(on bool)
}

func newHoveredText(s string, hovered func(on bool)) *hoveredText {
	t := &hoveredText{text: text{Text: s, color: theme.ColorNameForeground, size: theme.SizeNameCaptionText}, hovered: hovered}
	t.ExtendBaseWidget(t)
	return t
}

func (t *hoveredText) MouseIn(*desktop.MouseEvent)    { t.hovered(true) }
func (t *hoveredText) MouseMoved(*desktop.MouseEvent) {}
func (t *hoveredText) MouseOut()                      { t.hovered(false) }
