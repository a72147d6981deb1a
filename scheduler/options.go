package scheduler

import (
	"fmt"
	"strings"
)

// Options are the user's choices; the rest is the model's [Config].
type Options struct {
	// Sampler and Schedule are names or labels of [Samplers] and [Schedules], in
	// any case. An empty Sampler is the model's own (see [Config.Sampler]), an
	// empty Schedule the one that the config and the sampler are used to. Sampler
	// may carry the schedule, as old recipes do: "DPM++ 2M Karras".
	Sampler, Schedule string

	// Steps of the whole trajectory, 1 to T. Some samplers call the model more
	// often: see Sampler.Calls.
	Steps int

	// Eta is the share of fresh noise in (0, 1]; 0 is the sampler's usual share,
	// Sampler.Eta.
	Eta float64

	// Strength of image-to-image in (0, 1]: the share of the trajectory, counted
	// from its end, that runs. 0 is all of it.
	Strength float64
}

// New returns the steps of a trajectory, first step first. With Strength below 1
// they are the last ⌊Steps·Strength⌋ (as in diffusers), and begin from a latent
// x_0 at the first one's StartSignal and StartNoise. A sampler that looks back
// does so to no step that was left out.
//
// Its errors are one line that says what to choose instead.
func New(o Options, cfg Config) ([]Step, error) {
	if o.Sampler == "" {
		o.Sampler = cfg.Sampler()
	}
	sampler, named, err := FindSampler(o.Sampler)
	if err != nil {
		return nil, err
	}
	spacing, err := FindSchedule(o.Schedule)
	if err != nil {
		return nil, err
	}
	if spacing.Name == ScheduleAutomatic && named != "" {
		spacing.Name = named
	}
	schedule, err := NewSchedule(cfg)
	if err != nil {
		return nil, err
	}
	if o.Steps < 1 || o.Steps > schedule.Len() {
		return nil, fmt.Errorf("steps is %d, must be 1 to %d", o.Steps, schedule.Len())
	}
	if !(o.Eta >= 0 && o.Eta <= 1) {
		return nil, fmt.Errorf("eta is %g, must be 0 to 1", o.Eta)
	}
	skip, err := skipped(o)
	if err != nil {
		return nil, err
	}
	p := &plan{Schedule: schedule, n: o.Steps, skip: skip, eta: o.Eta}
	if p.eta == 0 {
		p.eta = sampler.Eta
	}
	if err := p.space(sampler, spacing.Name); err != nil {
		return nil, err
	}
	return sampler.steps(p)
}

// skipped returns how many of the first steps image-to-image leaves out.
func skipped(o Options) (int, error) {
	switch {
	case o.Strength == 0:
		return 0, nil
	case !(o.Strength > 0 && o.Strength <= 1):
		return 0, fmt.Errorf("strength is %g, must be 0 to 1", o.Strength)
	}
	run := int(float64(o.Steps) * o.Strength)
	if run == 0 {
		return 0, fmt.Errorf("strength %g of %d steps leaves none to run: choose a strength of %.2g or more steps", o.Strength, o.Steps, 1/float64(o.Steps))
	}
	return o.Steps - run, nil
}

// plan is what a sampler is asked for: n steps, of which the first skip ones are
// left out.
type plan struct {
	*Schedule
	n, skip int
	eta     float64
	spacing string // of the timesteps: SpacingLeading, …; empty: as the sampler is used to
	sigmas  string // how σ falls instead, between its ends at these timesteps: ScheduleKarras, …; empty: as the timesteps have it

	truncates bool // whether whole timesteps are truncated always, not rounded with karras
}

// space settles spacing and sigmas by the schedule the user named, or else by
// the config.
func (p *plan) space(sampler Sampler, schedule string) error {
	if !sampler.takes(schedule) {
		return fmt.Errorf("%s has no schedule %s: choose one of %s", sampler.Name, schedule, strings.Join(sampler.Schedules, ", "))
	}
	p.spacing = p.cfg.TimestepSpacing
	switch schedule {
	case ScheduleAutomatic:
		if sampler.takes(ScheduleKarras) {
			p.sigmas = p.cfg.sigmas()
		}
	case ScheduleUniform:
		p.spacing = SpacingLinspace
	case ScheduleSGMUniform:
		p.spacing = SpacingTrailing
	case ScheduleDDIMUniform:
		p.spacing = SpacingLeading
	case ScheduleSimple:
		p.spacing = ScheduleSimple
	default:
		p.sigmas = schedule
	}
	return nil
}
