//go:build !headless

package ui

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// sidebar is a page of controls at the left and what they work on beside them.
func sidebar(controls, main fyne.CanvasObject) fyne.CanvasObject {
	return container.New(sidebarLayout{}, newPanel(colorPanel, gap+2, controls), newPanel(colorPanel, gap+2, main))
}

type sidebarLayout struct{}

// The width of a page's controls, and that where the page is narrow.
const sidebarWidth, sidebarNarrow, pageNarrow = 340, 300, 720

func (sidebarLayout) MinSize(o []fyne.CanvasObject) fyne.Size {
	m := o[1].MinSize()
	return fyne.NewSize(sidebarNarrow+tight+m.Width, max(o[0].MinSize().Height, m.Height))
}

func (sidebarLayout) Layout(o []fyne.CanvasObject, size fyne.Size) {
	w := float32(sidebarWidth)
	if size.Width < pageNarrow {
		w = sidebarNarrow
	}
	o[0].Resize(fyne.NewSize(w, size.Height))
	o[1].Move(fyne.NewPos(w+tight, 0))
	o[1].Resize(fyne.NewSize(size.Width-w-tight, size.Height))
}

// emptyState stands where something will be, and says how to get it.
func emptyState(res fyne.Resource, title, hint string) fyne.CanvasObject {
	return emptyHint(res, title, caption(hint))
}

// emptyHint is emptyState with a hint that may change.
func emptyHint(res fyne.Resource, title string, hint *text) fyne.CanvasObject {
	img := fixedSize(44, 44, widget.NewIcon(theme.NewColoredResource(res, theme.ColorNameDisabled)))
	t := newText(title, theme.ColorNameForeground, theme.SizeNameText)
	return container.NewCenter(stack(tight, container.NewCenter(img), container.NewCenter(t), container.NewCenter(hint)))
}

// joinAnd is "a", "a and b" or "a, b and c".
func joinAnd(parts []string) string {
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return strings.Join(parts, "")
}
