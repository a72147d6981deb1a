//go:build !headless

package ui

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// sidebarWidth is the width of a page's controls.
const sidebarWidth = 340

// sidebar is a page of controls at the left and what they work on beside them.
func sidebar(controls, main fyne.CanvasObject) fyne.CanvasObject {
	left := fixedSize(sidebarWidth, 0, newPanel(colorPanel, gap+2, controls))
	return edges(nil, nil, container.New(&insets{right: tight}, left), nil, newPanel(colorPanel, gap+2, main))
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
