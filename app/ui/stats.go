//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
)

// newStat is a number with its name, to stand in statsLayout.
func newStat(name string) (*text, fyne.CanvasObject) {
	value := heading("–").short()
	box := newPanel(colorStage, 0, container.New(statLayout{}, caption(name), value))
	box.radius = radiusSmall
	return value, box
}

// statsLayout puts four numbers side by side, or where that is too narrow two and
// two, in the same height.
type statsLayout struct{}

const statsHeight, statsNarrow, statNarrow float32 = 62, 440, 40

func (statsLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(200, statsHeight) }

func (statsLayout) Layout(o []fyne.CanvasObject, size fyne.Size) {
	columns, space := len(o), gap
	if size.Width < statsNarrow {
		columns, space = (len(o)+1)/2, tight
	}
	rows := (len(o) + columns - 1) / columns
	w := (size.Width - space*float32(columns-1)) / float32(columns)
	h := (size.Height - space*float32(rows-1)) / float32(rows)
	for i, b := range o {
		b.Move(fyne.NewPos(float32(i%columns)*(w+space), float32(i/columns)*(h+space)))
		b.Resize(fyne.NewSize(w, h))
	}
}

// statLayout puts the number below its name, or beside it where that is too low.
type statLayout struct{}

func (statLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(40, 28) }

func (statLayout) Layout(o []fyne.CanvasObject, size fyne.Size) {
	name, value := o[0].(*text), o[1].(*text)
	m, n := name.MinSize(), value.MinSize()
	if size.Height < statNarrow {
		const pad = 8
		name.Move(fyne.NewPos(pad, (size.Height-m.Height)/2))
		name.Resize(m)
		value.align = fyne.TextAlignTrailing
		value.Move(fyne.NewPos(pad+m.Width+tight, (size.Height-n.Height)/2))
		value.Resize(fyne.NewSize(size.Width-2*pad-m.Width-tight, n.Height))
		value.Refresh()
		return
	}
	const pad = 10
	room := size.Width - 2*pad
	name.Move(fyne.NewPos(pad, pad))
	name.Resize(fyne.NewSize(room, m.Height))
	value.align = fyne.TextAlignLeading
	value.Move(fyne.NewPos(pad, pad+m.Height+2))
	value.Resize(fyne.NewSize(room, n.Height))
	value.Refresh()
}
