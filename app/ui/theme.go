//go:build !headless

package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
)

// Colours and sizes that Fyne has no name for.
const (
	colorPanel  fyne.ThemeColorName = "latentPanel"  // the surface that controls lie on
	colorMuted  fyne.ThemeColorName = "latentMuted"  // captions, units, hints
	colorStage  fyne.ThemeColorName = "latentStage"  // behind pictures and curves
	colorTrack  fyne.ThemeColorName = "latentTrack"  // of progress, unfilled
	colorAccent fyne.ThemeColorName = "latentAccent" // behind what is chosen
	colorBadge  fyne.ThemeColorName = "latentBadge"  // of a warning on a picture

	radiusPanel = 12
	radiusSmall = 8
)

// look is Latent's theme, dark or light.
type look struct {
	fyne.Theme
	// fixed overrides the desktop's own choice of dark or light.
	fixed   bool
	variant fyne.ThemeVariant
}

// newLook returns the theme of a name as settings hold it: dark, light or system.
func newLook(name string) *look {
	switch name {
	case "light":
		return &look{theme.DefaultTheme(), true, theme.VariantLight}
	case "system":
		return &look{Theme: theme.DefaultTheme()}
	}
	return &look{theme.DefaultTheme(), true, theme.VariantDark}
}

// Every name is set here: one left to Fyne shines through in its blue.
var (
	dark = map[fyne.ThemeColorName]color.Color{
		theme.ColorNameBackground:          hex(0x0F1113FF),
		colorPanel:                         hex(0x181B1EFF),
		colorStage:                         hex(0x131618FF),
		colorTrack:                         hex(0x2A2F33FF),
		colorAccent:                        hex(0x1D3330FF),
		colorBadge:                         hex(0xF5B74EFF),
		theme.ColorNameForeground:          hex(0xE8EBEDFF),
		colorMuted:                         hex(0x939CA3FF),
		theme.ColorNamePlaceHolder:         hex(0x717A81FF),
		theme.ColorNameDisabled:            hex(0x6C757CFF),
		theme.ColorNamePrimary:             hex(0x3CD3B2FF),
		theme.ColorNameHyperlink:           hex(0x3CD3B2FF),
		theme.ColorNameForegroundOnPrimary: hex(0x05211BFF),
		theme.ColorNameFocus:               hex(0x3CD3B255),
		theme.ColorNameSelection:           hex(0x3CD3B240),
		theme.ColorNameButton:              hex(0x262B2FFF),
		theme.ColorNameDisabledButton:      hex(0x1D2124FF),
		theme.ColorNameHover:               hex(0xFFFFFF12),
		theme.ColorNamePressed:             hex(0xFFFFFF22),
		theme.ColorNameInputBackground:     hex(0x21262AFF),
		theme.ColorNameInputBorder:         hex(0x717A81FF),
		theme.ColorNameSeparator:           hex(0x272C30FF),
		theme.ColorNameScrollBar:           hex(0xFFFFFF38),
		theme.ColorNameScrollBarBackground: hex(0x00000000),
		theme.ColorNameShadow:              hex(0x000000C0),
		theme.ColorNameMenuBackground:      hex(0x1D2124FF),
		theme.ColorNameOverlayBackground:   hex(0x1D2124FF),
		theme.ColorNameHeaderBackground:    hex(0x181B1EFF),
		theme.ColorNameError:               hex(0xFF6B6BFF),
		theme.ColorNameForegroundOnError:   hex(0x2B0707FF),
		theme.ColorNameSuccess:             hex(0x5FD38DFF),
		theme.ColorNameForegroundOnSuccess: hex(0x07210FFF),
		theme.ColorNameWarning:             hex(0xF5B74EFF),
		theme.ColorNameForegroundOnWarning: hex(0x2A1B02FF),
	}
	light = map[fyne.ThemeColorName]color.Color{
		theme.ColorNameBackground:          hex(0xEEF1F2FF),
		colorPanel:                         hex(0xFFFFFFFF),
		colorStage:                         hex(0xF7F9F9FF),
		colorTrack:                         hex(0xDDE3E5FF),
		colorAccent:                        hex(0xDCF2EDFF),
		colorBadge:                         hex(0xF5B74EFF),
		theme.ColorNameForeground:          hex(0x1B2226FF),
		colorMuted:                         hex(0x5F6B72FF),
		theme.ColorNamePlaceHolder:         hex(0x86929AFF),
		theme.ColorNameDisabled:            hex(0x95A0A7FF),
		theme.ColorNamePrimary:             hex(0x0A7F69FF),
		theme.ColorNameHyperlink:           hex(0x0A7F69FF),
		theme.ColorNameForegroundOnPrimary: hex(0xFFFFFFFF),
		theme.ColorNameFocus:               hex(0x0A7F6940),
		theme.ColorNameSelection:           hex(0x0A7F6933),
		theme.ColorNameButton:              hex(0xE8EDEEFF),
		theme.ColorNameDisabledButton:      hex(0xF0F3F4FF),
		theme.ColorNameHover:               hex(0x0000000D),
		theme.ColorNamePressed:             hex(0x0000001C),
		theme.ColorNameInputBackground:     hex(0xEEF2F4FF),
		theme.ColorNameInputBorder:         hex(0x86929AFF),
		theme.ColorNameSeparator:           hex(0xDFE5E7FF),
		theme.ColorNameScrollBar:           hex(0x00000038),
		theme.ColorNameScrollBarBackground: hex(0x00000000),
		theme.ColorNameShadow:              hex(0x00000040),
		theme.ColorNameMenuBackground:      hex(0xFFFFFFFF),
		theme.ColorNameOverlayBackground:   hex(0xFFFFFFFF),
		theme.ColorNameHeaderBackground:    hex(0xFFFFFFFF),
		theme.ColorNameError:               hex(0xC22F2FFF),
		theme.ColorNameForegroundOnError:   hex(0xFFFFFFFF),
		theme.ColorNameSuccess:             hex(0x1D7F47FF),
		theme.ColorNameForegroundOnSuccess: hex(0xFFFFFFFF),
		theme.ColorNameWarning:             hex(0x9A6400FF),
		theme.ColorNameForegroundOnWarning: hex(0xFFFFFFFF),
	}
)

// hex is a colour written 0xRRGGBBAA.
func hex(v uint32) color.Color {
	return color.NRGBA{uint8(v >> 24), uint8(v >> 16), uint8(v >> 8), uint8(v)}
}

func (l *look) Color(name fyne.ThemeColorName, v fyne.ThemeVariant) color.Color {
	if l.fixed {
		v = l.variant
	}
	palette := dark
	if v == theme.VariantLight {
		palette = light
	}
	if c, ok := palette[name]; ok {
		return c
	}
	return l.Theme.Color(name, v)
}

func (l *look) Size(name fyne.ThemeSizeName) float32 {
	switch name {
	case theme.SizeNameText:
		return 13.5
	case theme.SizeNameCaptionText:
		return 12
	case theme.SizeNameInnerPadding:
		return 7
	case theme.SizeNameInputRadius, theme.SizeNameSelectionRadius:
		return radiusSmall
	case theme.SizeNameInlineIcon:
		return 18
	case theme.SizeNameScrollBar:
		return 10
	}
	return l.Theme.Size(name)
}

// themed looks a colour up in the theme that is in force.
func themed(name fyne.ThemeColorName) color.Color {
	s := fyne.CurrentApp().Settings()
	return s.Theme().Color(name, s.ThemeVariant())
}
