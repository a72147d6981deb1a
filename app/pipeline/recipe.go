package pipeline

import (
	"latent/app/gallery"
	"latent/scheduler"
)

// recipe is what the picture of a request for one says of itself.
func (g *generation) recipe(r Request) gallery.Recipe {
	sampler, named, _ := scheduler.FindSampler(r.Sampler) // which Validate has found
	out := gallery.Recipe{
		Prompt: r.Prompt, Negative: r.Negative, Steps: r.Steps, Sampler: sampler.Label,
		CFGScale: r.Guidance, Seed: int64(r.Seed), Width: r.Width, Height: r.Height,
		Model: g.Name, RNG: r.RNG, Eta: r.Eta,
	}
	if r.Schedule != "" {
		named = r.Schedule
	}
	if s, err := scheduler.FindSchedule(named); err == nil && s.Name != scheduler.ScheduleAutomatic {
		out.ScheduleType = s.Label
	}
	return out
}
