//go:build !headless

package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"latent/app/pipeline"
)

// secondPane is the second pass in the form: how much larger the picture becomes, by
// what, and how much of it is painted anew then.
type secondPane struct {
	line     fyne.CanvasObject
	by       *editableChoice // a factor, a size, or notLarger
	settings fyne.CanvasObject
	hidden   bool
	upscaler *choice
	strength *number

	files  []Extra // ESRGANs, which are offered after builtinUpscalers
	wished string  // an ESRGAN that is not among them
	folder func()  // shows where they lie
}

// notLarger stands for no second pass.
const notLarger = "No"

// mostTimes is the largest factor of a second pass.
const mostTimes = 16

func newSecondPane(k *keys, changed func()) *secondPane {
	s := &secondPane{by: newEditableChoice(k, []string{notLarger, "× 1.5", "× 2", "× 3", "× 4"}), strength: newNumber(k, "Strength", 0.05, 1, 0.05, 1)}
	s.upscaler = newChoice(k, nil, func(string) { s.wished = ""; changed() })
	s.strength.set(pipeline.HiresStrength)
	s.strength.changed = changed
	s.settings = stack(tight, beside(fixedSize(numberLabel, 0, middle(caption("Upscaler"))), s.upscaler, middle(newLink(k, "Folder…", func() { s.folder() }))), s.strength.content)
	s.by.SetText(notLarger)
	s.by.OnChanged = func(string) { s.show(!s.hidden); k.shown(); changed() }
	s.settings.Hide()
	s.line = container.New(&insets{left: tight}, beside(middle(caption("Enlarge")), s.by, nil))
	s.offer(nil)
	return s
}

// show shows the pane, or hides all of it.
func (s *secondPane) show(on bool) {
	s.hidden = !on
	show(s.line, on)
	show(s.settings, on && s.on())
}

func (s *secondPane) on() bool {
	t := strings.TrimSpace(s.by.Text)
	return t != "" && !strings.EqualFold(t, notLarger)
}

// name is the chosen upscaler as SecondPass has it.
func (s *secondPane) name() string {
	switch i := s.upscaler.SelectedIndex() - len(builtinUpscalers); {
	case s.wished != "":
		return s.wished
	case i >= 0:
		return s.files[i].Path
	}
	return builtinUpscalers[max(0, s.upscaler.SelectedIndex())].name
}

// choose chooses an upscaler as SecondPass has it. One that is not known is used all
// the same: not all may have been found yet.
func (s *secondPane) choose(name string) {
	at := slices.IndexFunc(s.files, func(e Extra) bool { return e.Path == name })
	if at += len(builtinUpscalers); at < len(builtinUpscalers) {
		at = -1
		for i, b := range builtinUpscalers {
			if b.name == name {
				at = i
			}
		}
	}
	if s.wished = ""; at >= 0 {
		s.upscaler.Selected = s.upscaler.Options[at]
	} else {
		s.wished, s.upscaler.Selected = name, stemOf(name)
	}
	s.upscaler.Refresh()
}

// offer lists the ESRGANs that there are now. Where the chosen one is not among them
// any more, Lanczos' filter is chosen, and its name is returned if that matters.
func (s *secondPane) offer(files []Extra) (lost string) {
	chosen := s.name()
	s.files = files
	var names []string
	for _, b := range builtinUpscalers {
		names = append(names, b.label)
	}
	for _, e := range files {
		names = append(names, e.Name)
	}
	s.upscaler.SetOptions(names)
	if s.choose(chosen); s.wished != "" {
		s.choose("")
		if s.on() {
			return stemOf(chosen)
		}
	}
	return ""
}

// request reads the pane, for pictures of width×height whose sides are multiples of
// unit; the zero value is no second pass. Its error says what to change.
func (s *secondPane) request(width, height, unit int) (p SecondPass, err error) {
	if !s.on() {
		return p, nil
	}
	text := strings.TrimSpace(s.by.Text)
	times := strings.TrimLeft(text, "×xX ")
	if v, err := strconv.ParseFloat(times, 64); err == nil && (times != text || v <= mostTimes) {
		if p.Hires = v; !(v >= 1 && v <= mostTimes) || v*float64(max(width, height)) > maxSide {
			return p, fmt.Errorf("enlarge %q: a factor from 1 to %d is needed, and at most %d pixels on a side", text, mostTimes, maxSide)
		}
	} else if p.HiresWidth, p.HiresHeight, err = parseSize(text, unit); err != nil {
		return p, fmt.Errorf("enlarge %q: write a factor such as × 2, a size such as 1024 × 1024 in multiples of %d, or No", text, unit)
	}
	if _, ok := s.strength.read(); !ok {
		return p, fmt.Errorf("strength %q of the enlarged picture: a number from 0.05 to 1 is needed", s.strength.field.Text)
	}
	return s.pass(p), nil
}

// pass is p by the chosen upscaler and strength.
func (s *secondPane) pass(p SecondPass) SecondPass {
	if p.HiresUpscaler = s.name(); s.strength.value != pipeline.HiresStrength {
		p.HiresStrength = s.strength.value
	}
	return p
}

// set shows a second pass. Where there is none, upscaler and strength stay as they are.
func (s *secondPane) set(p SecondPass) {
	switch {
	case p.Hires > 0:
		s.by.SetText("× " + strconv.FormatFloat(p.Hires, 'f', -1, 64))
	case p.HiresWidth > 0:
		s.by.SetText(sizeText(p.HiresWidth, p.HiresHeight))
	default:
		s.by.SetText(notLarger)
		return
	}
	s.choose(p.HiresUpscaler)
	s.strength.set(cmp.Or(p.HiresStrength, pipeline.HiresStrength))
}
