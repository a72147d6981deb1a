//go:build !headless

package ui

import (
	"fmt"
	"slices"
	"strings"

	"latent/app/gallery"
)

func (f *form) setBeyond(b beyond) {
	f.beyond = b
	f.also.SetText("As restored: " + b.words())
	show(f.alsoLine, b != beyond{})
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
		f.wishedVAE = ""
	}
	if r.VAE != "" {
		i := max(indexFold(f.vae.Options, r.VAE), indexFold(f.vae.Options, stemOf(r.VAE)))
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
		f.setSpeed(cacheOf(r))
		second, lost := secondPassOf(r, f.second.files)
		f.second.set(second)
		missing = append(missing, lost...)
		unmatched = append(unmatched, missing...)
	}
	return unmatched
}

// find is where the models have one that recipes call name; -1 if nowhere.
func (f *form) find(name string) int {
	return slices.IndexFunc(f.models, func(m Model) bool {
		return strings.EqualFold(m.Name, name) || m.ID == name || name != "" && strings.EqualFold(stemOf(m.ID), name)
	})
}

// style is the form as a style keeps it.
func (f *form) style() style {
	s := style{Prompt: f.prompt.Text, Negative: f.negative.Text, Model: f.model.Selected, Sampler: f.sampler.Selected, Schedule: f.schedule.Selected, Size: f.size.Text, Cache: f.cacheInterval(), LoRAs: f.loras.list()}
	if s.VAE = f.wishedVAE; f.vae.SelectedIndex() > 0 {
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
	f.setSpeed(s.Cache)
	if s.Size != "" {
		f.size.SetText(s.Size)
	}
	return unmatched
}
