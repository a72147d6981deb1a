//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
)

// link is a word to press, where a button would shout.
type link struct {
	text
	focus
	keys   *keys
	tapped func()
}

func newLink(k *keys, s string, tapped func()) *link {
	l := &link{keys: k, tapped: tapped}
	l.Text, l.color, l.size = s, theme.ColorNamePrimary, theme.SizeNameCaptionText
	l.ExtendBaseWidget(l)
	return l
}

func (l *link) Tapped(*fyne.PointEvent) { l.tapped() }
func (l *link) Cursor() desktop.Cursor  { return desktop.PointerCursor }
func (l *link) TypedRune(rune)          {}
func (l *link) FocusGained()            { l.underline(true); l.keys.reveal(l) }
func (l *link) FocusLost()              { l.underline(false) }

func (l *link) CreateRenderer() fyne.WidgetRenderer {
	return l.ringAround(l.text.CreateRenderer(), fyne.NewSize(4, 2))
}

func (l *link) underline(on bool) {
	l.on, l.style.Underline = on, on
	l.Refresh()
}

func (l *link) TypedKey(e *fyne.KeyEvent) {
	if l.keys.took(e) {
		return
	}
	switch e.Name {
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		l.tapped()
	}
}
