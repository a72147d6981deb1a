//go:build !headless

package ui

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"latent/app/gallery"
)

// form is what a person says about the picture to make.
type form struct {
	content  *fyne.Container
	low      bool // its lines are close together
	models   []Model
	examples []string
	example  int // the next one to offer

	model            *choice
	prompt, negative *entry
	lengths          [2]length // of prompt and negative prompt
	loras            *loraList
	vae              *choice
	vaes             []Extra
	ownVAE           fyne.CanvasObject // vae with its caption
	beyond           beyond
	also             *text // says what beyond is
	alsoLine         fyne.CanvasObject
	steps, guidance  *number
	size             *editableChoice
	count, sampler   *choice
	schedule         *choice
	scheduled        fyne.CanvasObject // schedule with its caption
	samplers         []Sampler
	seed             *entry
	lock             *button
	locked           bool // the seed stays for the next picture
	setting          bool // by the program: typing locks the seed, setting does not

	changed func() // anything; may be nil
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
	f.loras = newLoRAList(k, f.tell)
	f.vae = newChoice(k, []string{modelsVAE}, told)
	f.ownVAE = labelled("Autoencoder", f.vae)
	f.also = caption("").short()
	f.alsoLine = beside(nil, f.also, newLink(k, "Forget", func() { f.setBeyond(beyond{}); f.tell() }))
	f.alsoLine.Hide()
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
		f.ownVAE,
		f.alsoLine,
	)
	return f
}

// fitHeight brings the form's lines closer together where the window is low.
func (f *form) fitHeight(height float32) {
	low := height < lowForm
	if f.low == low {
		return
	}
	f.low = low
	space, prompt, negative := gap, 3, 2
	if low {
		space, prompt, negative = tight, 2, 1
	}
	f.content.Layout = layout.NewCustomPaddedVBoxLayout(space)
	f.prompt.SetMinRowsVisible(prompt)
	f.negative.SetMinRowsVisible(negative)
}

// lowForm is the height that the form needs for all of it.
const lowForm = 528

func (f *form) tell() {
	if f.changed != nil {
		f.changed()
	}
}

// useSampler offers the schedules that the chosen sampler can follow.
func (f *form) useSampler() {
	var list []string
	if i := f.sampler.SelectedIndex(); i >= 0 {
		list = f.samplers[i].Schedules
	}
	show(f.scheduled, len(list) > 0)
	if len(list) == 0 {
		f.schedule.Selected = ""
		return
	}
	kept := f.schedule.Selected
	f.schedule.SetOptions(list)
	if indexFold(list, kept) < 0 {
		f.schedule.Selected = list[0]
	}
	f.schedule.Refresh()
}

// setModels offers other models and keeps the chosen one, if it is among them.
func (f *form) setModels(models []Model) {
	id := f.chosen().ID
	f.models = models
	f.model.SetOptions(modelNames(models))
	for _, m := range models {
		if m.ID == id {
			f.model.Selected = m.Name // not SetSelected: what was set by hand stays
			f.model.Refresh()
			return
		}
	}
	f.model.SetSelectedIndex(0)
}

// useModel takes over what suits the chosen model.
func (f *form) useModel() {
	m := f.chosen()
	f.size.SetOptions(sizePresets(m))
	f.size.SetText(sizeText(m.Size, m.Size))
	f.steps.set(float64(m.Steps))
	f.guidance.set(m.Guidance)
	f.offerVAEs()
}

// modelsVAE stands for no other autoencoder.
const modelsVAE = "The model's own"

// setVAEs offers other autoencoders and keeps the chosen one, if it is among them.
func (f *form) setVAEs(list []Extra) {
	kept := f.vae.Selected
	f.vaes = list
	names := []string{modelsVAE}
	for _, e := range list {
		names = append(names, e.Name)
	}
	f.vae.SetOptions(names)
	f.vae.Selected = names[max(0, indexFold(names, kept))]
	f.vae.Refresh()
	f.offerVAEs()
}

func (f *form) offerVAEs() { show(f.ownVAE, len(f.vaes) > 0 && !f.chosen().OnlyVAE) }

// vaePath is the autoencoder to use; "" is the model's own.
func (f *form) vaePath() string {
	if i := f.vae.SelectedIndex(); i > 0 && f.ownVAE.Visible() {
		return f.vaes[i-1].Path
	}
	return ""
}

func (f *form) chosen() Model { return f.models[max(f.model.SelectedIndex(), 0)] }

func (f *form) nextExample() {
	f.prompt.SetText(f.examples[f.example%len(f.examples)])
	f.example++
}

func (f *form) setBeyond(b beyond) {
	f.beyond = b
	f.also.SetText("As restored: " + b.words())
	show(f.alsoLine, b != beyond{})
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
	f.beyond.apply(&r)
	count, err = strconv.Atoi(strings.TrimPrefix(f.count.Selected, "× "))
	return r, count, err
}

// restore sets the form as a recipe says and returns what it could not match.
func (f *form) restore(r gallery.Recipe) (unmatched []string) {
	if i := f.find(r.Model); i >= 0 {
		f.model.SetSelectedIndex(i)
	} else if r.Model != "" {
		unmatched = append(unmatched, "model "+r.Model)
	}
	sampler, schedule := samplerLabels(r)
	if i := indexFold(f.sampler.Options, sampler); i >= 0 {
		f.sampler.SetSelectedIndex(i)
	} else if r.Sampler != "" {
		unmatched = append(unmatched, "sampler "+r.Sampler)
	}
	if i := indexFold(f.schedule.Options, schedule); i >= 0 && f.scheduled.Visible() {
		f.schedule.SetSelectedIndex(i)
	} else if schedule != "" {
		unmatched = append(unmatched, "schedule "+schedule)
	} else if r.Sampler != "" && f.scheduled.Visible() {
		f.schedule.SetSelectedIndex(0)
	}
	if r.Sampler != "" {
		f.vae.SetSelectedIndex(0)
	}
	if r.VAE != "" {
		stem := strings.TrimSuffix(r.VAE, filepath.Ext(r.VAE))
		i := max(indexFold(f.vae.Options, r.VAE), indexFold(f.vae.Options, stem))
		if i > 0 && f.ownVAE.Visible() {
			f.vae.SetSelectedIndex(i)
		} else {
			unmatched = append(unmatched, "autoencoder "+r.VAE)
		}
	}
	f.prompt.SetText(r.Prompt)
	f.negative.SetText(r.Negative)
	if r.Steps > 0 {
		f.steps.set(float64(r.Steps))
	}
	if r.CFGScale > 0 {
		f.guidance.set(r.CFGScale) // below 1 there is none, as at 1
	}
	if float64(r.Steps) > f.steps.most {
		unmatched = append(unmatched, fmt.Sprintf("%d steps", r.Steps))
	}
	if r.CFGScale > f.guidance.most {
		unmatched = append(unmatched, fmt.Sprintf("guidance %g", r.CFGScale))
	}
	if r.Width > 0 && r.Height > 0 {
		f.size.SetText(sizeText(r.Width, r.Height))
	}
	if r.Steps > 0 || r.Seed != 0 { // else it is a mere prompt
		f.setSeed(r.Seed)
		f.setLock(true)
		also, missing := beyondOf(r)
		f.setBeyond(also)
		unmatched = append(unmatched, missing...)
	}
	return unmatched
}

// find is where the models have one that recipes call name; -1 if nowhere.
func (f *form) find(name string) int {
	return slices.IndexFunc(f.models, func(m Model) bool {
		return strings.EqualFold(m.Name, name) || m.ID == name || name != "" && strings.EqualFold(strings.TrimSuffix(filepath.Base(m.ID), filepath.Ext(m.ID)), name)
	})
}

// style is the form as a style keeps it.
func (f *form) style() style {
	s := style{Prompt: f.prompt.Text, Negative: f.negative.Text, Model: f.model.Selected, Sampler: f.sampler.Selected, Schedule: f.schedule.Selected, Size: f.size.Text, LoRAs: f.loras.list()}
	if f.vae.SelectedIndex() > 0 {
		s.VAE = f.vae.Selected
	}
	if v, ok := f.steps.read(); ok {
		s.Steps = int(v)
	}
	if v, ok := f.guidance.read(); ok {
		s.Guidance = v
	}
	return s
}

// wear sets the form as a style says and returns what it could not match.
func (f *form) wear(s style) (unmatched []string) {
	r := gallery.Recipe{Prompt: s.over(f.prompt.Text), Negative: s.Negative, Model: s.Model, Sampler: s.Sampler, ScheduleType: s.Schedule, CFGScale: s.Guidance, VAE: s.VAE}
	unmatched = f.restore(r)
	f.loras.set(s.LoRAs)
	if s.Steps > 0 {
		f.steps.set(float64(s.Steps))
	}
	if s.Size != "" {
		f.size.SetText(s.Size)
	}
	return unmatched
}

func modelNames(models []Model) (out []string) {
	for _, m := range models {
		out = append(out, m.Name)
	}
	return out
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
