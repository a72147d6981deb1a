//go:build !headless

package ui

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// form is what a person says about the picture to make.
type form struct {
	content  *fyne.Container
	space    float32 // between its lines
	rows     int     // of the prompt
	models   []Model
	examples []string
	example  int // the next one to offer

	model            *choice
	prompt, negative *entry
	lengths          [2]length // of prompt and negative prompt
	loras            *loraList
	vae              *choice
	vaes             []Extra
	wishedVAE        string            // by the draft, until the autoencoders are known
	ownVAE           fyne.CanvasObject // vae with its caption
	beyond           beyond
	also             *text // says what beyond is
	alsoLine         fyne.CanvasObject
	second           *secondPane
	steps, guidance  *number
	size             *editableChoice
	count, sampler   *choice
	speed            *choice // of speeds
	rare             int     // a cache interval that is not among speeds; 0: none
	schedule         *choice
	scheduled        fyne.CanvasObject // schedule with its caption
	samplers         []Sampler
	seed             *entry
	lock             *button
	locked           bool // the seed stays for the next picture
	setting          bool // by the program: typing locks the seed, setting does not

	changed func() // anything; may be nil
	chose   func() // another model; may be nil
}

func newForm(k *keys, e Engine, models []Model, styles *link) *form {
	f := &form{models: models, examples: e.Examples(), samplers: e.Samplers()}
	told := func(string) { f.tell() }
	f.prompt, f.negative = newEntry(k, 3), newEntry(k, 2)
	f.prompt.SetPlaceHolder("What shall the picture show?")
	f.negative.SetPlaceHolder("What it shall not show")
	f.steps = newNumber(k, "Steps", 1, 60, 1, 1000)
	f.guidance = newNumber(k, "Guidance", 1, 15, 0.5, 100)
	f.size = newEditableChoice(k, nil)
	f.count = newChoice(k, []string{"× 1", "× 2", "× 4", "× 8", "× 16", "× 32", "× 100"}, told)
	f.schedule = newChoice(k, nil, told)
	f.scheduled = labelled("Schedule", f.schedule)
	var names []string
	for _, s := range f.samplers {
		names = append(names, s.Label)
	}
	f.sampler = newChoice(k, names, func(string) { f.useSampler(); f.tell() })
	f.lengths = [2]length{newLength(), newLength()}
	f.speed = newChoice(k, speeds, func(string) { f.rare = 0; f.tell() })
	f.setSpeed(0)
	f.loras = newLoRAList(k, f.tell)
	f.vae = newChoice(k, []string{modelsVAE}, told)
	f.ownVAE = labelled("Autoencoder", f.vae)
	f.also = caption("").short()
	f.alsoLine = beside(nil, f.also, newLink(k, "Forget", func() { f.setBeyond(beyond{}); f.tell() }))
	f.alsoLine.Hide()
	f.second = newSecondPane(k, f.tell)
	f.second.show(e.Features().Hires)
	f.prompt.OnChanged, f.negative.OnChanged, f.size.OnChanged = told, told, told
	f.steps.changed, f.guidance.changed = f.tell, f.tell
	f.seed = newEntry(k, 1)
	f.seed.OnChanged = func(string) {
		if !f.setting {
			f.setLock(true)
		}
	}
	f.lock = newButton(k, "", icon("unlocked"), func() { f.setLock(!f.locked) })
	dice := newButton(k, "", icon("dice"), func() { f.setSeed(newSeed()) })
	idea := newLink(k, "Another idea", f.nextExample)

	f.model = newChoice(k, modelNames(f.models), func(string) { f.useModel() })
	f.useModel()
	f.useSampler()
	f.setSeed(newSeed())
	f.nextExample()

	f.content = stack(gap,
		stack(tight, beside(caption("Model"), container.NewStack(), f.loras.more), f.model, f.loras.rows),
		stack(tight, beside(caption("Prompt"), f.lengths[0].count, row(gap, idea, styles)), f.prompt, f.lengths[0].chunks),
		stack(tight, beside(caption("Negative prompt"), f.lengths[1].count, nil), f.negative, f.lengths[1].chunks),
		beside(fixedSize(numberLabel, 0, middle(caption("Size"))), f.size, nil),
		f.steps.content, f.guidance.content,
		beside(fixedSize(numberLabel, 0, middle(caption("Seed"))), f.seed, row(tight, dice, f.lock)),
		columns(labelled("Sampler", f.sampler), f.scheduled),
		stack(tight, beside(beside(middle(caption("Speed")), fixedSize(106, 0, f.speed), nil), f.second.line, nil), f.second.settings),
		f.ownVAE,
		f.alsoLine,
	)
	return f
}

// fitHeight brings the form's lines closer together where the window is low.
func (f *form) fitHeight(height float32) {
	space, prompt, negative := gap, 3, 2
	switch {
	case height < lowForm:
		space, prompt, negative = tight-1, 2, 1
	case height < mostForm:
		space, negative = tight-1, 1
	case height < wholeForm:
		space = (gap + tight) / 2
	}
	if f.space == space && f.rows == prompt {
		return
	}
	f.space, f.rows = space, prompt
	f.content.Layout = layout.NewCustomPaddedVBoxLayout(space)
	f.prompt.SetMinRowsVisible(prompt)
	f.negative.SetMinRowsVisible(negative)
	f.content.Refresh()
}

// wholeForm is the height that the form needs for all of it with its usual spaces,
// mostForm what it needs with smaller ones for all but its last line, and below lowForm
// the prompt gives way too: a notice below the form must not move the others much.
const wholeForm, mostForm, lowForm = 630, 558, 460

func (f *form) tell() {
	if f.changed != nil {
		f.changed()
	}
}

func (f *form) chosen() Model { return f.models[max(f.model.SelectedIndex(), 0)] }

func (f *form) nextExample() {
	f.prompt.SetText(f.examples[f.example%len(f.examples)])
	f.example++
}

// setSeed shows a seed, whose upper half of 64 bits is negative in recipes.
func (f *form) setSeed(seed int64) {
	f.setting = true
	f.seed.SetText(strconv.FormatUint(uint64(seed), 10))
	f.setting = false
}

func (f *form) setLock(locked bool) {
	f.locked = locked
	f.lock.Icon, f.lock.Importance = icon("unlocked"), widget.MediumImportance
	if locked {
		f.lock.Icon = theme.NewPrimaryThemedResource(icon("locked"))
	}
	f.lock.Refresh()
}

// request reads the form: what to paint, and how often. Its error says what to
// change.
func (f *form) request() (r Request, count int, err error) {
	m := f.chosen()
	r = Request{Model: m.ID, Prompt: strings.TrimSpace(f.prompt.Text), Negative: strings.TrimSpace(f.negative.Text), Sampler: f.sampler.Selected, Schedule: f.schedule.Selected}
	if r.Prompt == "" {
		return r, 0, errors.New("write a prompt first: say what the picture shall show")
	}
	steps, ok := f.steps.read()
	if r.Steps = int(steps); !ok || float64(r.Steps) != steps {
		return r, 0, fmt.Errorf("steps %q: a whole number from 1 to %g is needed", f.steps.field.Text, f.steps.most)
	}
	if r.Guidance, ok = f.guidance.read(); !ok {
		return r, 0, fmt.Errorf("guidance %q: a number from 1 to %g is needed", f.guidance.field.Text, f.guidance.most)
	}
	if r.Width, r.Height, err = parseSize(f.size.Text, m.Unit); err != nil {
		return r, 0, err
	}
	seed, err := strconv.ParseUint(strings.TrimSpace(f.seed.Text), 10, 64)
	if r.Seed = int64(seed); err != nil {
		return r, 0, fmt.Errorf("seed %q: a whole number from 0 on is needed", f.seed.Text)
	}
	if err := f.loras.check(); err != nil {
		return r, 0, err
	}
	r.LoRAs, r.VAE = f.loras.list(), f.vaePath()
	if r.SecondPass, err = f.second.request(r.Width, r.Height, m.Unit); err != nil {
		return r, 0, err
	}
	r.CacheInterval = f.cacheInterval()
	f.beyond.apply(&r)
	count, err = strconv.Atoi(strings.TrimPrefix(f.count.Selected, "× "))
	return r, count, err
}

// scrolled lets a form grow beyond the window. Its scroll bar lies in the
// panel's padding, so that the form is as wide as what stands below it.
func scrolled(k *keys, o fyne.CanvasObject) fyne.CanvasObject {
	return scrolledIn(k, o, nil)
}

// scrolledIn tells of the height that there is for the form; resized may be nil.
func scrolledIn(k *keys, o fyne.CanvasObject, resized func(height float32)) fyne.CanvasObject {
	f := newFading(k, container.New(&insets{right: gap}, o))
	f.resized = resized
	return container.New(&insets{bottom: tight, right: -gap}, f.content)
}
