//go:build !headless

package ui

import (
	"errors"
	"fmt"
	"image"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"latent/app/gallery"
	"latent/app/pictures"
)

// controlPanes are the pictures that ControlNets look at while one is painted.
type controlPanes struct {
	content fyne.CanvasObject
	page    *createPage
	items   []*controlPane
	rows    *fyne.Container // what they lie in
	invite  fyne.CanvasObject
	label   *text
	why     *text             // why there is nothing to choose
	folder  fyne.CanvasObject // leads to where nets go
	buttons *fyne.Container   // to choose a picture for another one

	nets []Extra // that are offered
}

// mostControls is how many the pipeline takes.
const mostControls = 8

func newControlPanes(p *createPage) *controlPanes {
	k := &p.win.keys
	c := &controlPanes{page: p, rows: stack(gap), label: caption(""), why: caption("").short()}
	c.buttons = c.askButtons(func(from picture) { c.read(nil, from) })
	c.folder = middle(newLink(k, "Folder…", func() { p.win.showFolder(&p.win.settings.Controls) }))
	c.invite = beside(fixedSize(numberLabel, 0, middle(c.label)), beside(c.buttons, middle(c.why), c.folder), nil)
	c.content = stack(gap, c.rows, c.invite)
	c.offer()
	c.arrange()
	show(c.content, p.win.engine.Features().Control)
	return c
}

// askButtons let a person give a picture.
func (c *controlPanes) askButtons(take func(from picture)) *fyne.Container {
	k := &c.page.win.keys
	buttons := row(tight, newButton(k, "Choose…", theme.FolderOpenIcon(), func() {
		c.page.win.askPicture(func(path string) { take(fromFile(path)) })
	}))
	if _, paste := pictureClipboard(); paste != nil {
		buttons.Add(newButton(k, "Paste", theme.ContentPasteIcon(), func() { take(fromClipboard) }))
	}
	return buttons
}

// add appends a control without a picture.
func (c *controlPanes) add() *controlPane {
	one := newControlPane(c)
	c.items = append(c.items, one)
	one.offer()
	c.arrange()
	return one
}

// picture reads one that a person gives.
type picture = func() (image.Image, error)

// read takes a picture for one of the controls, or for another one: nil.
func (c *controlPanes) read(one *controlPane, from picture) {
	type loaded struct {
		img  image.Image
		data []byte
	}
	inBackground(c.page.win.post, func() (l loaded, err error) {
		l.img, l.data, err = withFile(from)
		return l, err
	}, func(l loaded, err error) {
		switch {
		case err != nil:
			c.page.notice.fail(err.Error())
			return
		case one == nil && len(c.items) == mostControls:
			return
		case one == nil:
			one = c.add()
		}
		one.take(l.img, l.data)
		c.page.form.tell()
	})
}

func (c *controlPanes) remove(one *controlPane) {
	c.items = slices.DeleteFunc(c.items, func(o *controlPane) bool { return o == one })
	c.arrange()
	c.page.form.tell()
}

// arrange shows the controls that there are.
func (c *controlPanes) arrange() {
	c.rows.RemoveAll()
	for _, one := range c.items {
		c.rows.Add(one.content)
	}
	show(c.rows, len(c.items) > 0)
	show(c.invite, len(c.items) < mostControls)
	c.label.SetText("Control")
	if len(c.items) > 0 {
		c.label.SetText("Another")
	}
	c.page.win.keys.shown()
}

// offer lists the nets that fit the chosen model, and says why where none does.
func (c *controlPanes) offer() {
	m, all := c.page.form.chosen(), c.page.win.extras.Controls
	c.nets = slices.DeleteFunc(slices.Clone(all), func(e Extra) bool {
		return e.Family != "" && m.Family != "" && e.Family != m.Family
	})
	for _, one := range c.items {
		one.offer()
	}
	c.why.SetText("No ControlNet is there yet")
	if len(all) > 0 {
		c.why.SetText("None is for this model")
	}
	none := len(c.nets) == 0
	show(c.why, none)
	show(c.folder, none)
	show(c.buttons, !none) // the reason wants their place
}

// lost names the nets that are chosen and not there any more.
func (c *controlPanes) lost() (names []string) {
	for _, one := range c.items {
		if one.wished != "" {
			names = append(names, stemOf(one.wished))
		}
	}
	return names
}

// dropped takes a picture file that was let fall on a control, or where one is added.
func (c *controlPanes) dropped(at fyne.Position, uris []fyne.URI) bool {
	if c.page.win.page != pageCreate || !c.content.Visible() || len(c.nets) == 0 || len(uris) == 0 || !pictures.Named(uris[0].Path()) {
		return false
	}
	from := fromFile(uris[0].Path())
	for _, one := range c.items {
		if isOver(at, one.content) {
			c.read(one, from)
			return true
		}
	}
	if !c.invite.Visible() || !isOver(at, c.invite) {
		return false
	}
	c.read(nil, from)
	return true
}

// isOver tells whether a place of the window lies on o.
func isOver(at fyne.Position, o fyne.CanvasObject) bool {
	at = at.Subtract(fyne.CurrentApp().Driver().AbsolutePositionForObject(o))
	s := o.Size()
	return at.X >= 0 && at.Y >= 0 && at.X <= s.Width && at.Y <= s.Height
}

// request gives the controls and their pictures as PNG files. Those without a picture
// are left out, as they say themselves.
func (c *controlPanes) request() (out []Control, files [][]byte, err error) {
	for _, one := range c.items {
		if one.data == nil {
			continue
		}
		r, err := one.request()
		if err != nil {
			return nil, nil, err
		}
		out, files = append(out, r), append(files, one.data)
	}
	return out, files, nil
}

// restore sets the controls as a recipe says and returns what it could not match. The
// pictures are in no recipe: those that are there are kept, of the same nets first.
func (c *controlPanes) restore(r gallery.Recipe) (unmatched []string) {
	list := r.Controls()
	if len(list) == 0 && r.Steps == 0 { // a mere prompt
		return nil
	}
	for len(list) > mostControls {
		name, _ := list[len(list)-1].Name()
		unmatched = append(unmatched, "a further ControlNet, "+name)
		list = list[:len(list)-1]
	}
	before, now := c.items, make([]*controlPane, len(list))
	take := func(i int, fits func(*controlPane) bool) {
		if k := slices.IndexFunc(before, fits); k >= 0 && now[i] == nil {
			now[i], before = before[k], slices.Delete(slices.Clone(before), k, k+1)
		}
	}
	for i, say := range list {
		name, _ := say.Name()
		take(i, func(one *controlPane) bool { return strings.EqualFold(one.net.Selected, name) })
	}
	for i := range list {
		take(i, func(*controlPane) bool { return true })
	}
	for i, say := range list {
		if now[i] == nil {
			now[i] = newControlPane(c)
			now[i].offer()
		}
		unmatched = append(unmatched, now[i].restore(say)...)
	}
	c.items = now
	c.arrange()
	return unmatched
}

// isControl tells whether a recipe's key is that of a control that restore heeds.
func isControl(r gallery.Recipe, key string) bool {
	return slices.ContainsFunc(r.Extra, func(p gallery.Pair) bool {
		_, ok := p.Control()
		return ok && p.Key == key
	})
}

// enqueue puts a request into the queue, with the controls.
func (p *createPage) enqueue(r Request, count int, init, mask []byte) {
	controls, files, err := p.controls.request()
	if err != nil {
		p.notice.fail(err.Error())
		return
	}
	r.Controls = controls
	p.win.jobs.add(r, count, init, mask, files...)
}

var errNoNet = errors.New("no ControlNet fits the model: remove the control's picture, or choose another model")

// ofControl says of which control something is, where there are several.
func (c *controlPanes) ofControl(one *controlPane) string {
	if len(c.items) < 2 {
		return "the control"
	}
	return fmt.Sprintf("control %d", slices.Index(c.items, one)+1)
}
