//go:build !headless

package ui

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"latent/app/trainer"
)

// trainForm says what is to be trained, on what and how.
type trainForm struct {
	win *Window

	folder, name, prompt        *entry
	base, kind                  *choice
	begins                      *beginning
	steps, batch, rank          *number
	rate                        *editableChoice
	text, flip, buckets, frugal *check
	unfold                      *link
	more                        fyne.CanvasObject // settings that seldom matter
	found                       *text             // what the folder holds
	changedFolder, changedKind  func()
	changedName, changedPace    func()
}

// What is trained.
const trainLoRA, trainWhole = "A LoRA", "The whole model"

const unfoldWord, foldWord = "More settings", "Fewer settings"

func newTrainForm(w *Window) *trainForm {
	k := &w.keys
	f := &trainForm{win: w}
	f.folder, f.name, f.prompt = newEntry(k, 1), newEntry(k, 1), newEntry(k, 2)
	f.folder.SetPlaceHolder("Drop a folder here")
	f.folder.OnChanged = func(string) { f.changedFolder() }
	f.found = caption("Pictures with .txt captions beside them").short()
	f.name.SetText("my-model")
	f.name.OnChanged = func(string) { f.changedName() }
	f.base = newChoice(k, modelNames(w.models), func(string) { f.changedFolder(); f.suit() })
	f.kind = newChoice(k, []string{trainLoRA, trainWhole}, func(string) { f.suit() })
	f.begins = newBeginning(k)
	f.prompt.SetText(w.engine.Examples()[0])
	f.steps = newNumber(k, "Steps", 100, 5000, 100, 10_000_000)
	f.steps.least = 1
	f.steps.set(1000)
	f.batch = newNumber(k, "Batch size", 1, 64, 1, 4096)
	f.batch.set(16)
	pace := func() { f.changedPace() }
	f.steps.changed, f.batch.changed = pace, pace
	f.rate = newEditableChoice(k, []string{"1e-5", "2e-5", "5e-5", "1e-4", "2e-4", "5e-4"})
	f.rate.SetText("1e-4")
	f.rank = newNumber(k, "Rank", 1, 128, 1, trainer.MaxRank)
	f.rank.set(16)
	f.text, f.flip, f.frugal = newCheck(k, "Train the text encoder too"), newCheck(k, "Mirrored pictures too"), newCheck(k, "Less memory, more time")
	f.buckets = newCheck(k, "Keep the pictures' proportions")
	f.more = stack(gap, f.rank.content, labelled("Learning rate", f.rate), stack(0, f.text, f.flip, f.buckets, f.frugal))
	f.more.Hide()
	f.unfold = newLink(k, unfoldWord, nil)
	f.unfold.tapped = func() { f.fold(f.more.Visible()) }
	show(f.buckets, f.model().Size%trainer.BucketUnit == 0)
	return f
}

// layout puts the controls below one another; filter stands beside what the folder
// holds.
func (f *trainForm) layout(filter fyne.CanvasObject) fyne.CanvasObject {
	browse := newButton(&f.win.keys, "Choose…", theme.FolderOpenIcon(), func() { f.win.askFolder(f.folder.SetText) })
	return stack(gap,
		stack(tight, caption("Pictures"), beside(nil, f.folder, browse), beside(nil, f.found, filter)),
		columns(labelled("Train", f.kind), labelled("Name", f.name)),
		labelled("Model to start from", f.base),
		f.begins.content,
		f.steps.content, f.batch.content,
		labelled("Prompt of the sample pictures", f.prompt),
		row(0, f.unfold),
		f.more,
	)
}

// fold shows or hides what seldom matters.
func (f *trainForm) fold(away bool) {
	show(f.more, !away)
	word := unfoldWord
	if !away {
		word = foldWord
	}
	f.unfold.SetText(word)
	f.win.keys.shown()
}

func (f *trainForm) lora() bool { return f.kind.Selected == trainLoRA }

// model is the model to start from.
func (f *trainForm) model() Model { return f.win.models[max(f.base.SelectedIndex(), 0)] }

// suit offers the settings of what is to be trained, with a learning rate that suits
// it. Whole models that know the world forget it at a larger one.
func (f *trainForm) suit() {
	show(f.rank.content, f.lora())
	if !f.lora() {
		f.begins.set("")
	}
	show(f.text, f.lora())
	show(f.buckets, f.model().Size%trainer.BucketUnit == 0)
	rate := "1e-4"
	if !f.lora() && f.model().Size > 256 {
		rate = "1e-5"
	}
	f.rate.SetText(rate)
	f.changedKind()
}

// say tells what the folder holds.
func (f *trainForm) say(s string, c fyne.ThemeColorName) {
	f.found.color = c
	f.found.Text = s
	f.found.Refresh()
}

// measured is what a training sample's time depends on.
func (f *trainForm) measured() string {
	c, m := f.win.settings.compute(), f.model()
	return fmt.Sprintf("train|%s|%s|%s|%d|%s|%v", m.ID, c.Device, c.Precision, m.Size, f.kind.Selected, f.frugal.Checked)
}

// output is the folder that the training writes to.
func (f *trainForm) output() string {
	folder := f.win.settings.Models
	if f.lora() {
		folder = f.win.settings.LoRAs
	}
	return filepath.Join(folder, strings.TrimSpace(f.name.Text))
}

// named tells whether the name makes a folder inside the models folder.
func (f *trainForm) named() bool {
	n := strings.TrimSpace(f.name.Text)
	return n != "" && n != "." && n != ".." && !strings.ContainsAny(n, `/\`)
}

// fill shows the settings of a training that goes on.
func (f *trainForm) fill(r TrainRequest) {
	f.kind.SetSelected(trainWhole)
	if r.Rank > 0 {
		f.kind.SetSelected(trainLoRA)
		f.rank.set(float64(r.Rank))
	}
	if i := indexModel(f.win.models, r.Base); i >= 0 {
		f.base.SetSelectedIndex(i)
	}
	f.begins.set(r.From)
	f.folder.SetText(r.Folder)
	f.name.SetText(filepath.Base(r.Output))
	f.steps.set(float64(r.Steps))
	f.batch.set(float64(r.Batch))
	f.rate.SetText(strconv.FormatFloat(r.LearningRate, 'g', -1, 64))
	f.prompt.SetText(r.SamplePrompt)
	f.text.SetChecked(r.Text)
	f.flip.SetChecked(r.Flip)
	f.buckets.SetChecked(r.Buckets)
	f.frugal.SetChecked(r.Frugal)
}

// request reads the form; goesOn says that the folder it names holds a training that
// was stopped. Its error says what to change.
func (f *trainForm) request(goesOn bool) (TrainRequest, error) {
	m := f.model()
	r := TrainRequest{
		Compute: f.win.settings.compute(), Base: m.ID, Resolution: m.Size,
		Folder: strings.TrimSpace(f.folder.Text), Output: f.output(), SamplePrompt: strings.TrimSpace(f.prompt.Text),
	}
	if !f.named() {
		return r, fmt.Errorf("name %q: a plain name without / is needed, such as my-model", f.name.Text)
	}
	if goesOn { // with the settings that it began with
		r.Resume = true
		if f.lora() {
			r.Rank = int(f.rank.value)
		}
		return r, nil
	}
	if r.Folder == "" {
		return r, errors.New("choose a folder of pictures first, or drop one on the window")
	}
	steps, ok := f.steps.read()
	if r.Steps = int(steps); !ok || float64(r.Steps) != steps {
		return r, fmt.Errorf("steps %q: a whole number from 1 on is needed", f.steps.field.Text)
	}
	batch, ok := f.batch.read()
	if r.Batch = int(batch); !ok || float64(r.Batch) != batch {
		return r, fmt.Errorf("batch size %q: a whole number from 1 to %g is needed", f.batch.field.Text, f.batch.most)
	}
	var err error
	if r.LearningRate, err = strconv.ParseFloat(strings.TrimSpace(f.rate.Text), 64); err != nil || !(r.LearningRate > 0 && r.LearningRate <= 1) {
		return r, fmt.Errorf("learning rate %q: a number such as 1e-4 is needed", f.rate.Text)
	}
	if f.lora() {
		rank, ok := f.rank.read()
		if r.Rank = int(rank); !ok || float64(r.Rank) != rank {
			return r, fmt.Errorf("rank %q: a whole number from 1 to %g is needed", f.rank.field.Text, f.rank.most)
		}
		r.Text, r.From = f.text.Checked, f.begins.path
	}
	r.Flip, r.Frugal = f.flip.Checked, f.frugal.Checked
	r.Buckets = f.buckets.Checked && m.Size%trainer.BucketUnit == 0
	// Each sample costs as much as some tens of steps.
	r.SampleEvery = min(max(r.Steps/10, 20), r.Steps)
	return r, nil
}
