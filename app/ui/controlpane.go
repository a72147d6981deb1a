//go:build !headless

package ui

import (
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"latent/app/pictures/hint"
)

// controlPane is a picture that a ControlNet looks at while one is painted.
type controlPane struct {
	content  fyne.CanvasObject
	page     *createPage
	invite   fyne.CanvasObject
	settings fyne.CanvasObject
	tile     *tile // what the net is shown
	why      *text // why there is nothing to choose
	choose   *button
	paste    *button         // nil: no clipboard
	buttons  *fyne.Container // the two

	net, way         *choice
	weight, from, to *number

	nets  []Extra // that are offered
	image image.Image
	data  []byte // image as a PNG file

	knobs   [][]*number       // settings of each preprocessor
	knobbed []*fyne.Container // what they lie in
	knobBox *fyne.Container   // and what that lies in
	hinting bool              // the hint is being made
	stale   bool              // and is to be made anew
}

func newControlPane(p *createPage) *controlPane {
	k := &p.win.keys
	c := &controlPane{
		page: p, tile: newTile(hintSide), why: caption("").short(),
		weight: newNumber(k, "Strength", 0, 2, 0.05, 10), from: newNumber(k, "From %", 0, 95, 5, 99), to: newNumber(k, "To %", 5, 100, 5, 100),
	}
	var ways []string
	for _, w := range hint.All() {
		ways = append(ways, wayName(w))
	}
	c.way = newChoice(k, ways, func(string) { c.showKnobs(); c.showHint(); c.page.form.tell() })
	c.net = newChoice(k, nil, func(string) { c.page.form.tell() })
	c.weight.set(1)
	c.from.set(0)
	c.to.set(100)
	c.weight.changed, c.from.changed, c.to.changed = p.form.tell, p.form.tell, p.form.tell
	c.choose = newButton(k, "Choose…", theme.FolderOpenIcon(), func() { p.win.askPicture(c.load) })
	buttons := []fyne.CanvasObject{c.choose}
	if _, paste := pictureClipboard(); paste != nil {
		c.paste = newButton(k, "Paste", theme.ContentPasteIcon(), func() { c.read(fromClipboard) })
		buttons = append(buttons, c.paste)
	}
	c.buttons = row(tight, buttons...)
	c.invite = beside(fixedSize(numberLabel, 0, middle(caption("Control"))), beside(c.buttons, middle(c.why), nil), nil)
	remove := newButton(k, "Remove", theme.CancelIcon(), c.remove)
	c.settings = stack(tight, beside(caption("Guided by this picture"), container.NewStack(), remove),
		beside(c.tile, stack(tight, labelled("ControlNet", c.net), labelled("It is shown", c.way)), nil),
		c.newKnobs(), c.weight.content, c.from.content, c.to.content)
	c.settings.Hide()
	c.content = container.NewStack(c.invite, c.settings)
	c.offer()
	show(c.content, p.win.engine.Features().Control)
	return c
}

// offer lists the nets that fit the chosen model, and says why where none does.
func (c *controlPane) offer() {
	m, kept := c.page.form.chosen(), c.net.Selected
	c.nets = nil
	var names []string
	for _, e := range c.page.win.extras.Controls {
		if e.Family == "" || m.Family == "" || e.Family == m.Family {
			c.nets = append(c.nets, e)
			names = append(names, e.Name)
		}
	}
	c.net.SetOptions(names)
	c.net.Selected = ""
	if len(names) > 0 {
		c.net.Selected = names[max(0, indexFold(names, kept))]
	}
	c.net.Refresh()
	c.why.SetText("none in its folder") // which the Settings page names
	if len(c.page.win.extras.Controls) > 0 {
		c.why.SetText("none for this model")
	}
	show(c.why, len(names) == 0)
	show(c.buttons, len(names) > 0) // the reason wants their place
	for _, b := range []*button{c.choose, c.paste} {
		if b != nil {
			able(b, len(names) > 0)
		}
	}
}

func (c *controlPane) load(path string) { c.read(fromFile(path)) }

// dropped takes a picture file that was let fall on the pane.
func (c *controlPane) dropped(at fyne.Position, uris []fyne.URI) bool {
	if c.page.win.page != pageCreate || !c.content.Visible() || len(c.nets) == 0 || len(uris) == 0 {
		return false
	}
	at = at.Subtract(fyne.CurrentApp().Driver().AbsolutePositionForObject(c.content))
	if s := c.content.Size(); at.X < 0 || at.Y < 0 || at.X > s.Width || at.Y > s.Height || !isPictureName(uris[0].Path()) {
		return false
	}
	c.load(uris[0].Path())
	return true
}

// read takes the picture that from gives.
func (c *controlPane) read(from func() (image.Image, error)) {
	type loaded struct {
		img  image.Image
		data []byte
	}
	inBackground(c.page.win.post, func() (l loaded, err error) {
		l.img, l.data, err = withFile(from)
		return l, err
	}, func(l loaded, err error) {
		if err != nil {
			c.page.notice.fail(err.Error())
			return
		}
		c.image, c.data = l.img, l.data
		c.invite.Hide()
		c.settings.Show()
		c.page.win.keys.shown()
		c.showHint()
		c.page.form.tell()
	})
}

func (c *controlPane) remove() {
	c.image, c.data = nil, nil
	c.tile.show(nil)
	c.settings.Hide()
	c.invite.Show()
	c.page.win.keys.shown()
	c.page.form.tell()
}
