//go:build !headless

package ui

import (
	"fmt"
	"slices"
	"strings"

	"latent/app/gallery"
	"latent/app/pictures/hint"
)

// path is the chosen net's; "": none fits the model.
func (c *controlPane) path() string {
	if i := c.net.SelectedIndex(); c.wished == "" && i >= 0 {
		return c.list.nets[i].Path
	}
	return c.wished
}

// kept is the control as it stands; what was typed and is no number counts as before.
func (c *controlPane) kept() Control {
	out := Control{Net: c.path(), Weight: c.weight.value, Start: c.from.value / 100, End: c.to.value / 100}
	way := hint.All()[max(0, c.way.SelectedIndex())]
	if way.Name != "none" {
		out.Preprocessor = way.Name
	}
	for i, n := range c.knobs[max(0, c.way.SelectedIndex())] {
		if n.value != way.Settings[i].Default {
			*[]*float64{&out.A, &out.B}[i] = n.value
		}
	}
	return out
}

// request reads the control. Its error says what to change.
func (c *controlPane) request() (Control, error) {
	out, name := c.kept(), c.list.ofControl(c)
	if err := c.checkKnobs(); err != nil {
		return out, err
	}
	_, weight := c.weight.read()
	_, from := c.from.read()
	_, to := c.to.read()
	switch {
	case out.Net == "":
		return out, errNoNet
	case !weight || out.Weight == 0:
		return out, fmt.Errorf("strength %q of %s: a number above 0 and at most 10 is needed", c.weight.field.Text, name)
	case !from || !to || out.Start >= out.End:
		return out, fmt.Errorf("%s acts from %s %% to %s %% of the steps: two numbers from 0 to 100 are needed, the smaller first", name, c.from.field.Text, c.to.field.Text)
	}
	return out, nil
}

// set shows a control as kept gave it. Its net may not be known yet.
func (c *controlPane) set(to Control) {
	c.wished = to.Net
	c.offer()
	if way, err := hint.Find(to.Preprocessor); err == nil {
		c.setHint(way, to.A, to.B)
	}
	c.weight.set(to.Weight)
	c.from.set(100 * to.Start)
	c.to.set(100 * to.End)
}

// restore sets the control as a recipe says and returns what it could not match.
func (c *controlPane) restore(say gallery.Control) (unmatched []string) {
	name, _ := say.Name()
	if c.data == nil {
		unmatched = append(unmatched, "the picture that ControlNet "+name+" looked at")
	}
	if k := slices.IndexFunc(c.list.nets, func(e Extra) bool { return strings.EqualFold(e.Name, name) }); k >= 0 {
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
	return unmatched
}
