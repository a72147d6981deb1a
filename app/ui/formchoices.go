//go:build !headless

package ui

import (
	"cmp"
	"fmt"
	"slices"
)

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
	if i := indexModel(models, id); i >= 0 {
		f.model.Selected = models[i].Name // not SetSelected: what was set by hand stays
		f.model.Refresh()
		return
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
	if f.chose != nil {
		f.chose()
	}
}

// modelsVAE stands for no other autoencoder.
const modelsVAE = "The model's own"

// setVAEs offers other autoencoders and keeps the chosen one, if it is among them.
func (f *form) setVAEs(list []Extra) {
	kept := cmp.Or(f.wishedVAE, f.vae.Selected)
	f.vaes, f.wishedVAE = list, ""
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

// speeds are cache intervals from 1 on: the longer, the more another picture.
var speeds = []string{"Exact", "Faster", "Fastest"}

// cacheInterval is the chosen one; 0 is exact.
func (f *form) cacheInterval() int {
	if i := f.speed.SelectedIndex(); i > 0 {
		return i + 1
	}
	return f.rare
}

// setSpeed shows a cache interval; 0 is 1. One that is not among the speeds is kept all
// the same.
func (f *form) setSpeed(interval int) {
	interval = max(interval, 1)
	if f.rare = 0; interval <= len(speeds) {
		f.speed.Selected = speeds[interval-1]
	} else {
		f.rare, f.speed.Selected = interval, fmt.Sprintf("1 of %d whole", interval)
	}
	f.speed.Refresh()
}

// indexModel is where models has the one of an ID; -1 if nowhere.
func indexModel(models []Model, id string) int {
	return slices.IndexFunc(models, func(m Model) bool { return m.ID == id })
}

func modelNames(models []Model) (out []string) {
	for _, m := range models {
		out = append(out, m.Name)
	}
	return out
}
