//go:build !headless

package ui

import (
	"fmt"
	"os"
	"path/filepath"

	"fyne.io/fyne/v2"
	"github.com/BurntSushi/toml"
)

// usualSize is the window's at a first start.
var usualSize = fyne.NewSize(1100, 700)

// mostSize is more than any screen has.
const mostSize = 20_000

func windowSizePath(at places) string { return filepath.Join(at.state, "window.toml") }

// readWindowSize is the size in which the window was left.
func readWindowSize(at places) fyne.Size {
	data, err := os.ReadFile(windowSizePath(at))
	if err != nil {
		return usualSize
	}
	return parseWindowSize(data)
}

// parseWindowSize reads what formatWindowSize wrote, or takes the usual size.
func parseWindowSize(data []byte) fyne.Size {
	var s struct{ Width, Height float32 }
	_, err := toml.Decode(string(data), &s)
	if err != nil || !(s.Width >= 1 && s.Width <= mostSize && s.Height >= 1 && s.Height <= mostSize) {
		return usualSize
	}
	return fyne.NewSize(s.Width, s.Height)
}

func formatWindowSize(s fyne.Size) []byte {
	return fmt.Appendf(nil, "width = %.0f\nheight = %.0f\n", s.Width, s.Height)
}
