//go:build !headless

package ui

import (
	"fmt"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
)

// loraList is the LoRAs that a picture is painted with, each with its strength.
type loraList struct {
	more     *link // opens the menu of those that can be added
	rows     *fyne.Container
	items    []*loraRow
	keys     *keys
	known    func() []Extra // those that can be added
	folder   func() string  // where they lie
	settings func()         // shows where that is chosen
	changed  func()
}

type loraRow struct {
	lora     LoRA
	name     *hoveredText
	strength *number
	content  fyne.CanvasObject
}

// mostLoRA is the largest strength of the slider; the field takes up to ten.
const mostLoRA = 2

func newLoRAList(k *keys, changed func()) *loraList {
	l := &loraList{keys: k, rows: stack(tight), changed: changed}
	l.rows.Hide()
	l.more = newMenuLink(k, "Add LoRA", l.menu)
	return l
}

// menu offers the LoRAs of the folder.
func (l *loraList) menu() (items []*fyne.MenuItem) {
	for _, e := range l.known() {
		item := fyne.NewMenuItem(e.Name, func() { l.add(e.Name) })
		item.Disabled = slices.ContainsFunc(l.items, func(r *loraRow) bool { return r.lora.Name == e.Name })
		items = append(items, item)
	}
	if len(items) == 0 {
		none := fyne.NewMenuItem("There are none in "+l.folder(), nil)
		none.Disabled = true
		how := fyne.NewMenuItem("Put .safetensors files there, or train one on the Train page", nil)
		how.Disabled = true
		items = []*fyne.MenuItem{none, how, fyne.NewMenuItem("Choose another folder…", l.settings)}
	}
	return items
}

// add takes a LoRA as it was trained, if it is not there already.
func (l *loraList) add(name string) {
	if slices.ContainsFunc(l.items, func(r *loraRow) bool { return r.lora.Name == name }) {
		return
	}
	l.set(append(l.list(), LoRA{name, 1, 1}))
	l.changed()
}

func (l *loraList) list() (out []LoRA) {
	for _, r := range l.items {
		out = append(out, r.lora)
	}
	return out
}

// check says which strength is no number.
func (l *loraList) check() error {
	for _, r := range l.items {
		if _, ok := r.strength.read(); !ok {
			return fmt.Errorf("strength %q of LoRA %s: a number from %g to %g is needed", r.strength.field.Text, r.lora.Name, r.strength.least, r.strength.most)
		}
	}
	return nil
}

func (l *loraList) set(list []LoRA) {
	l.items = nil
	l.rows.RemoveAll()
	for _, lora := range list {
		l.items = append(l.items, l.newRow(lora))
		l.rows.Add(l.items[len(l.items)-1].content)
	}
	show(l.rows, len(list) > 0)
	l.rows.Refresh()
	l.keys.shown()
}

func (l *loraList) newRow(lora LoRA) *loraRow {
	r := &loraRow{lora: lora, strength: newNumber(l.keys, "", 0, mostLoRA, 0.05, 10)}
	r.strength.least = -10 // takes away what the LoRA adds
	r.strength.set(lora.UNet)
	r.strength.changed = func() {
		r.lora.UNet, r.lora.Text = r.strength.value, r.strength.value
		l.changed()
	}
	remove := newButton(l.keys, "", theme.CancelIcon(), func() {
		i := slices.Index(l.items, r)
		l.set(slices.Delete(l.list(), i, i+1))
		l.changed()
	}).quiet()
	slider, rest := middle(r.strength.slider), row(2, fixedSize(52, 0, r.strength.field), remove)
	r.name = newHoveredText(lora.Name, func(on bool) {
		r.name.over = 0
		if on { // all of the name, over the slider's room
			r.name.over = slider.Size().Width
		}
		show(slider, !on || r.name.width(lora.Name) <= loraName)
		r.name.Refresh()
	})
	r.name.shortWithin()
	r.content = beside(fixedSize(loraName, 0, middle(r.name)), slider, rest)
	return r
}

// loraName is the width of a LoRA's name. Of one that is longer, the middle is left
// out, as the end is often the step that it was written at, until the mouse is over it.
const loraName = 96
