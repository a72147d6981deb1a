//go:build !headless

package ui

import (
	"math"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"
)

// keys is what the keyboard does whichever control has the focus. Fyne gives a
// key to the focused control alone, so each of ours passes Esc on.
type keys struct {
	escape  func()
	repaint func() // nil where nothing is painted
}

// shown paints the window anew: Fyne does not know objects that were hidden until
// now, and would show them only with the next change of another.
func (k *keys) shown() {
	if k.repaint != nil {
		k.repaint()
	}
}

func (k *keys) took(e *fyne.KeyEvent) bool {
	if e.Name != fyne.KeyEscape || k.escape == nil {
		return false
	}
	k.escape()
	return true
}

// entry is a text field. Tab leaves it even if it has several lines.
type entry struct {
	widget.Entry
	keys *keys
}

func newEntry(k *keys, rows int) *entry {
	e := &entry{keys: k}
	if rows > 1 {
		e.MultiLine = true
		e.Wrapping = fyne.TextWrapWord
		e.SetMinRowsVisible(rows)
	}
	e.ExtendBaseWidget(e)
	return e
}

func (e *entry) AcceptsTab() bool { return false }

func (e *entry) TypedKey(ev *fyne.KeyEvent) {
	if !e.keys.took(ev) {
		e.Entry.TypedKey(ev)
	}
}

type button struct {
	widget.Button
	keys *keys
}

func newButton(k *keys, label string, icon fyne.Resource, tapped func()) *button {
	b := &button{keys: k}
	b.Text, b.Icon, b.OnTapped = label, icon, tapped
	b.ExtendBaseWidget(b)
	return b
}

// primary marks the one button of a page that a person is there to press.
func (b *button) primary() *button {
	b.Importance = widget.HighImportance
	return b
}

// quiet takes the button's frame away until the mouse is over it.
func (b *button) quiet() *button {
	b.Importance = widget.LowImportance
	return b
}

func (b *button) TypedKey(ev *fyne.KeyEvent) {
	if b.keys.took(ev) {
		return
	}
	if ev.Name == fyne.KeyReturn || ev.Name == fyne.KeyEnter {
		ev = &fyne.KeyEvent{Name: fyne.KeySpace}
	}
	b.Button.TypedKey(ev)
}

type check struct {
	widget.Check
	keys *keys
}

func newCheck(k *keys, label string) *check {
	c := &check{keys: k}
	c.Text = label
	c.ExtendBaseWidget(c)
	return c
}

func (c *check) TypedKey(ev *fyne.KeyEvent) {
	if !c.keys.took(ev) {
		c.Check.TypedKey(ev)
	}
}

type choice struct {
	widget.Select
	keys *keys
}

func newChoice(k *keys, options []string, changed func(string)) *choice {
	c := &choice{keys: k}
	c.Options, c.OnChanged = options, changed
	if len(options) > 0 {
		c.Selected = options[0]
	}
	c.ExtendBaseWidget(c)
	return c
}

func (c *choice) TypedKey(ev *fyne.KeyEvent) {
	if !c.keys.took(ev) {
		c.Select.TypedKey(ev)
	}
}

// editableChoice offers values and takes others.
type editableChoice struct {
	widget.SelectEntry
	keys *keys
}

func newEditableChoice(k *keys, options []string) *editableChoice {
	c := &editableChoice{keys: k}
	c.Wrapping = fyne.TextWrapOff
	c.ExtendBaseWidget(c)
	c.SetOptions(options)
	return c
}

func (c *editableChoice) TypedKey(ev *fyne.KeyEvent) {
	if !c.keys.took(ev) {
		c.SelectEntry.TypedKey(ev)
	}
}

type slider struct {
	widget.Slider
	keys *keys
}

func (s *slider) TypedKey(ev *fyne.KeyEvent) {
	if !s.keys.took(ev) {
		s.Slider.TypedKey(ev)
	}
}

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
