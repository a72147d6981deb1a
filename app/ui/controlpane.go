//go:build !headless

package ui

import (
	"image"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"latent/app/pictures/hint"
)

// controlPane is one picture that a ControlNet looks at, with what the net is shown.
type controlPane struct {
	content fyne.CanvasObject
	list    *controlPanes
	tile    *tile           // what the net is shown
	about   *text           // what the picture is for, or that there is none
	ask     *fyne.Container // for one

	net, way         *choice
	weight, from, to *number
	wished           string // path of a net that is not offered, at least not yet

	image image.Image // nil until it is read
	data  []byte      // image as a PNG file

	knobs   [][]*number       // settings of each preprocessor
	knobbed []*fyne.Container // what they lie in
	knobBox *fyne.Container   // and what that lies in
	hinting bool              // the hint is being made
	stale   bool              // and is to be made anew
}

func newControlPane(list *controlPanes) *controlPane {
	p := list.page
	k := &p.win.keys
	c := &controlPane{
		list: list, tile: newTile(hintSide), about: caption("").short(),
		weight: newNumber(k, "Strength", 0, 2, 0.05, 10), from: newNumber(k, "From %", 0, 95, 5, 99), to: newNumber(k, "To %", 5, 100, 5, 100),
	}
	var ways []string
	for _, w := range hint.All() {
		ways = append(ways, wayName(w))
	}
	c.way = newChoice(k, ways, func(string) { c.showKnobs(); c.showHint(); p.form.tell() })
	c.net = newChoice(k, nil, func(string) { c.wished = ""; p.form.tell() })
	c.weight.set(1)
	c.from.set(0)
	c.to.set(100)
	c.weight.changed, c.from.changed, c.to.changed = p.form.tell, p.form.tell, p.form.tell
	c.ask = list.askButtons(func(from picture) { list.read(c, from) })
	remove := newButton(k, "Remove", theme.CancelIcon(), func() { list.remove(c) })
	c.content = stack(tight, beside(nil, middle(c.about), remove), c.ask,
		beside(c.tile, stack(tight, labelled("ControlNet", c.net), labelled("It is shown", c.way)), nil),
		c.newKnobs(), c.weight.content, c.from.content, c.to.content)
	c.showPicture()
	return c
}

// showPicture shows whether there is one.
func (c *controlPane) showPicture() {
	c.about.SetText("Guided by this picture")
	if c.data == nil {
		c.about.SetText("Left out until it has a picture")
	}
	show(c.ask, c.data == nil)
	show(c.tile, c.data != nil)
	c.list.page.win.keys.shown()
}

// offer lists the nets that can be chosen.
func (c *controlPane) offer() {
	var names []string
	for _, e := range c.list.nets {
		names = append(names, e.Name)
	}
	chosen := c.net.Selected
	at := slices.IndexFunc(c.list.nets, func(e Extra) bool { return e.Path == c.wished })
	if at < 0 && c.wished != "" && !slices.ContainsFunc(c.list.page.win.extras.Controls, func(e Extra) bool { return e.Path == c.wished }) {
		c.net.SetOptions(names)
		c.net.Selected = stemOf(c.wished)
		c.net.Refresh()
		return
	}
	c.wished = ""
	if at < 0 {
		at = max(0, indexFold(names, chosen))
	}
	c.net.SetOptions(names)
	c.net.Selected = ""
	if len(names) > 0 {
		c.net.Selected = names[at]
	}
	c.net.Refresh()
}

// restoreDraft shows a control as it was left, with its picture's file; nil: none.
func (c *controlPane) restoreDraft(to Control, data []byte) {
	c.set(to)
	if c.data = data; data != nil {
		decodeDraft(c.list.page, data, func() bool { return c.data != nil && &c.data[0] == &data[0] }, func(img *image.NRGBA) { c.take(img, data) },
			func() { c.data = nil; c.showPicture() })
	}
	c.showPicture()
}

// take takes a picture and its PNG file.
func (c *controlPane) take(img image.Image, data []byte) {
	c.image, c.data = img, data
	c.showPicture()
	c.showHint()
}
