//go:build !headless

package ui

import (
	"fmt"
	"image"
	"strings"

	"fyne.io/fyne/v2"

	"latent/app/pictures"
	"latent/app/pictures/hint"
)

// showHint shows what the net will be shown, made small.
func (c *controlPane) showHint() {
	img, way := c.image, c.way.SelectedIndex()
	if img == nil || way < 0 {
		return
	}
	if c.hinting {
		c.stale = true
		return
	}
	c.hinting = true
	var settings []float64
	for _, n := range c.knobs[way] {
		settings = append(settings, n.value)
	}
	inBackground(c.list.page.win.post, func() (image.Image, error) {
		// Edges are those of a picture of about the size that is painted.
		return pictures.Fit(hint.All()[way].Apply(pictures.Fit(img, hintPixels, hintPixels), settings...), thumbPixels, thumbPixels), nil
	}, func(small image.Image, _ error) {
		c.hinting = false
		if c.image == img && c.way.SelectedIndex() == way {
			c.tile.show(small)
		}
		if c.stale {
			c.stale = false
			c.showHint()
		}
	})
}

const hintPixels = 512

// hintSide is the size of the shown hint.
const hintSide = 96

// wayName is what a person reads of a preprocessor.
func wayName(p hint.Preprocessor) string { return strings.ToUpper(p.What[:1]) + p.What[1:] }

// knob is how a setting of a preprocessor is offered: hint.Setting has its bounds.
type knob struct {
	label      string
	high, step float64 // of the slider
}

var knobs = map[string][]knob{
	"canny": {{"Low threshold", 500, 5}, {"High threshold", 500, 5}},
	"blur":  {{"Pixels", 32, 0.5}},
	"tile":  {{"Times smaller", 8, 0.5}},
}

// newKnobs makes a line for each setting of each preprocessor.
func (c *controlPane) newKnobs() fyne.CanvasObject {
	c.knobBox = stack(0)
	for _, way := range hint.All() {
		var numbers []*number
		lines := stack(tight)
		for i, s := range way.Settings {
			k := knobs[way.Name][i]
			n := newNumber(&c.list.page.win.keys, k.label, s.Least, k.high, k.step, s.Most)
			n.set(s.Default)
			n.changed = func() { c.showHint(); c.list.page.form.tell() }
			numbers = append(numbers, n)
			lines.Add(n.content)
		}
		c.knobs, c.knobbed = append(c.knobs, numbers), append(c.knobbed, lines)
		c.knobBox.Add(lines)
	}
	c.showKnobs()
	return c.knobBox
}

// showKnobs shows the settings of the chosen preprocessor.
func (c *controlPane) showKnobs() {
	at := c.way.SelectedIndex()
	for i, lines := range c.knobbed {
		show(lines, i == at)
	}
	show(c.knobBox, at >= 0 && len(c.knobs[at]) > 0)
	c.list.page.win.keys.shown()
}

// checkKnobs says which setting of the chosen preprocessor is no number.
func (c *controlPane) checkKnobs() error {
	at := max(0, c.way.SelectedIndex())
	way := hint.All()[at]
	for i, n := range c.knobs[at] {
		if _, ok := n.read(); !ok {
			return fmt.Errorf("%s %q of %s: a number from %g to %g is needed", strings.ToLower(knobs[way.Name][i].label), n.field.Text, c.list.ofControl(c), way.Settings[i].Least, way.Settings[i].Most)
		}
	}
	return nil
}

// setHint chooses a preprocessor with its settings; those below 0 and 0 are the
// defaults.
func (c *controlPane) setHint(way hint.Preprocessor, settings ...float64) {
	c.way.SetSelected(wayName(way))
	for i, n := range c.knobs[c.way.SelectedIndex()] {
		if n.set(way.Settings[i].Default); settings[i] > 0 {
			n.set(settings[i])
		}
	}
}
