//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// entry is a text field. Tab leaves it even if it has several lines.
type entry struct {
	widget.Entry
	focus
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
func (e *entry) FocusGained()     { e.on = true; e.Entry.FocusGained(); e.keys.reveal(e) }
func (e *entry) FocusLost()       { e.on = false; e.Entry.FocusLost() }

// CreateRenderer leaves Fyne's border out: where a screen's pixels are no whole
// number of units it has a dark fringe.
func (e *entry) CreateRenderer() fyne.WidgetRenderer {
	r := e.Entry.CreateRenderer()
	if border, ok := r.Objects()[1].(*canvas.Rectangle); ok {
		border.Hide()
	}
	return e.ring(r, nil)
}

func (e *entry) TypedKey(ev *fyne.KeyEvent) {
	if !e.keys.took(ev) {
		e.Entry.TypedKey(ev)
	}
}

type button struct {
	widget.Button
	focus
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

func (b *button) FocusGained() { b.on = true; b.Button.FocusGained(); b.keys.reveal(b) }
func (b *button) FocusLost()   { b.on = false; b.Button.FocusLost() }
func (b *button) CreateRenderer() fyne.WidgetRenderer {
	return b.ring(b.Button.CreateRenderer(), func() fyne.ThemeColorName {
		if b.Importance == widget.HighImportance {
			return theme.ColorNameForeground // the accent would not show on itself
		}
		return theme.ColorNamePrimary
	})
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
	focus
	keys *keys
}

func newCheck(k *keys, label string) *check {
	c := &check{keys: k}
	c.Text = label
	c.ExtendBaseWidget(c)
	return c
}

func (c *check) FocusGained()                        { c.on = true; c.Check.FocusGained(); c.keys.reveal(c) }
func (c *check) FocusLost()                          { c.on = false; c.Check.FocusLost() }
func (c *check) CreateRenderer() fyne.WidgetRenderer { return c.ring(c.Check.CreateRenderer(), nil) }

func (c *check) TypedKey(ev *fyne.KeyEvent) {
	switch {
	case c.keys.took(ev):
	case ev.Name == fyne.KeyReturn, ev.Name == fyne.KeyEnter:
		c.SetChecked(!c.Checked)
	default:
		c.Check.TypedKey(ev)
	}
}

type choice struct {
	widget.Select
	focus
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

func (c *choice) FocusGained()                        { c.on = true; c.Select.FocusGained(); c.keys.reveal(c) }
func (c *choice) FocusLost()                          { c.on = false; c.Select.FocusLost() }
func (c *choice) CreateRenderer() fyne.WidgetRenderer { return c.ring(c.Select.CreateRenderer(), nil) }

func (c *choice) TypedKey(ev *fyne.KeyEvent) {
	if c.keys.took(ev) {
		return
	}
	if ev.Name == fyne.KeyReturn || ev.Name == fyne.KeyEnter {
		ev = &fyne.KeyEvent{Name: fyne.KeySpace}
	}
	c.Select.TypedKey(ev)
}

// editableChoice offers values and takes others. Up and Down open what is offered.
type editableChoice struct {
	entry
	options []string
}

func newEditableChoice(k *keys, options []string) *editableChoice {
	c := &editableChoice{}
	c.keys = k
	c.ActionItem = newDropDown(c.offer)
	c.ExtendBaseWidget(c)
	c.SetOptions(options)
	return c
}

func (c *editableChoice) SetOptions(options []string) { c.options = options }

func (c *editableChoice) offer() {
	var items []*fyne.MenuItem
	for _, o := range c.options {
		items = append(items, fyne.NewMenuItem(o, func() { c.SetText(o) }))
	}
	popUp(c, items)
}

func (c *editableChoice) FocusGained() { c.on = true; c.Entry.FocusGained(); c.keys.reveal(c) }

func (c *editableChoice) TypedKey(ev *fyne.KeyEvent) {
	if ev.Name == fyne.KeyDown || ev.Name == fyne.KeyUp {
		c.offer()
		return
	}
	c.entry.TypedKey(ev)
}

// dropDown is the arrow that opens what a field offers. It takes no focus: the
// field has it.
type dropDown struct {
	widget.Icon
	tapped func()
}

func newDropDown(tapped func()) *dropDown {
	d := &dropDown{tapped: tapped}
	d.Resource = theme.MenuDropDownIcon()
	d.ExtendBaseWidget(d)
	return d
}

func (d *dropDown) Tapped(*fyne.PointEvent) { d.tapped() }

type slider struct {
	widget.Slider
	focus
	keys *keys
}

func (s *slider) FocusGained()                        { s.on = true; s.Slider.FocusGained(); s.keys.reveal(s) }
func (s *slider) FocusLost()                          { s.on = false; s.Slider.FocusLost() }
func (s *slider) CreateRenderer() fyne.WidgetRenderer { return s.ring(s.Slider.CreateRenderer(), nil) }

func (s *slider) TypedKey(ev *fyne.KeyEvent) {
	switch {
	case s.keys.took(ev):
	case ev.Name == fyne.KeyHome:
		s.SetValue(s.Min)
	case ev.Name == fyne.KeyEnd:
		s.SetValue(s.Max)
	default:
		s.Slider.TypedKey(ev)
	}
}
