//go:build !headless

package ui

import (
	"math"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
)

// number is a caption, a slider and its value as a field, in one line. The field
// takes values beyond the slider's ends, up to most.
type number struct {
	content     fyne.CanvasObject
	slider      *slider
	field       *entry
	least, most float64
	value       float64
	changing    bool // by the program: the controls' own callbacks stay quiet
	changed     func()
}

// numberLabel is the width of the caption before a control.
const numberLabel = 72

// newNumber makes a slider over [low, high] in steps of step, whose field takes
// [low, most].
func newNumber(k *keys, name string, low, high, step, most float64) *number {
	n := &number{slider: &slider{keys: k}, field: newEntry(k, 1), least: low, most: most}
	s := n.slider
	s.Min, s.Max, s.Step = low, high, step
	s.ExtendBaseWidget(s)
	s.OnChanged = func(v float64) {
		if !n.changing {
			n.set(v)
		}
	}
	n.field.OnChanged = func(t string) {
		if n.changing {
			return
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(t), 64); err == nil && n.inRange(v) {
			n.value = v
			n.moveSlider()
		}
		n.tell()
	}
	label := fixedSize(numberLabel, 0, middle(caption(name)))
	n.content = beside(label, middle(s), fixedSize(58, 0, n.field))
	return n
}

func (n *number) inRange(v float64) bool { return v >= n.least && v <= n.most }

func (n *number) set(v float64) {
	n.value = min(max(v, n.least), n.most)
	n.changing = true
	n.field.SetText(strconv.FormatFloat(math.Round(n.value*100)/100, 'f', -1, 64))
	n.changing = false
	n.moveSlider()
	n.tell()
}

func (n *number) tell() {
	if n.changed != nil {
		n.changed()
	}
}

func (n *number) moveSlider() {
	n.changing = true
	n.slider.SetValue(n.value)
	n.changing = false
}

// read returns the field's number, or false if it holds none within the range.
func (n *number) read() (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(n.field.Text), 64)
	return v, err == nil && n.inRange(v)
}
