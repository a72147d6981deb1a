//go:build !headless

package ui

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"latent/app/gallery"
	"latent/app/pictures/hint"
)

// request gives the control and its picture as a PNG file; nil: there is none.
func (c *controlPane) request() ([]Control, [][]byte, error) {
	if c.data == nil {
		return nil, nil, nil
	}
	i := c.net.SelectedIndex()
	if i < 0 {
		return nil, nil, errors.New("no ControlNet fits the model: remove the picture it would look at, or choose another model")
	}
	out := Control{Net: c.nets[i].Path}
	var err error
	if out.A, out.B, err = c.hintSettings(); err != nil {
		return nil, nil, err
	}
	if way := hint.All()[max(0, c.way.SelectedIndex())]; way.Name != "none" {
		out.Preprocessor = way.Name
	}
	var ok [3]bool
	out.Weight, ok[0] = c.weight.read()
	out.Start, ok[1] = c.from.read()
	out.End, ok[2] = c.to.read()
	out.Start, out.End = out.Start/100, out.End/100
	switch {
	case !ok[0] || out.Weight == 0:
		return nil, nil, fmt.Errorf("strength %q of the control: a number above 0 and at most 10 is needed", c.weight.field.Text)
	case !ok[1] || !ok[2] || out.Start >= out.End:
		return nil, nil, fmt.Errorf("the control acts from %s %% to %s %% of the steps: two numbers from 0 to 100 are needed, the smaller first", c.from.field.Text, c.to.field.Text)
	}
	return []Control{out}, [][]byte{c.data}, nil
}

// isControl tells whether a recipe's key is that of a control that restore heeds.
func isControl(r gallery.Recipe, key string) bool {
	return slices.ContainsFunc(r.Extra, func(p gallery.Pair) bool {
		_, ok := p.Control()
		return ok && p.Key == key
	})
}

// enqueue puts a request into the queue, with the control.
func (p *createPage) enqueue(r Request, count int, init, mask []byte) {
	controls, files, err := p.control.request()
	if err != nil {
		p.notice.fail(err.Error())
		return
	}
	r.Controls = controls
	p.win.jobs.add(r, count, init, mask, files...)
}

// restore sets the pane as a recipe says and returns what it could not match. The
// picture is in no recipe.
func (c *controlPane) restore(r gallery.Recipe) (unmatched []string) {
	list := r.Controls()
	if len(list) == 0 && r.Steps > 0 && c.data != nil { // not a mere prompt
		c.remove()
	}
	for i, say := range list {
		name, _ := say.Name()
		if i > 0 {
			unmatched = append(unmatched, "a further ControlNet, "+name)
			continue
		}
		if c.data == nil {
			unmatched = append(unmatched, "the picture that ControlNet "+name+" looked at")
		}
		if k := slices.IndexFunc(c.nets, func(e Extra) bool { return strings.EqualFold(e.Name, name) }); k >= 0 {
			c.net.SetSelectedIndex(k)
		} else {
			unmatched = append(unmatched, "ControlNet "+name)
		}
		if way, err := hint.Find(say.Module); err == nil {
			c.setHint(way, say.A, say.B)
		} else {
			unmatched = append(unmatched, "preprocessor "+say.Module)
		}
		c.weight.set(say.Weight)
		c.from.set(100 * say.Start)
		c.to.set(100 * say.End)
		if u := say.Unlike(); u != "" {
			unmatched = append(unmatched, u)
		}
	}
	return unmatched
}
