package scheduler

import (
	"fmt"
	"slices"
	"strings"
)

// A Sampler lists the steps that take noise to a latent in about n calls of the
// model; eta in [0, 1] is the share of fresh noise, where the sampler has one.
type Sampler func(s *Schedule, n int, eta float64) ([]Step, error)

// samplers are the ones a user can name, in the order they are offered.
var samplers = []struct {
	name    string
	sampler Sampler
}{
	{"ddim", DDIM},
	{"ddpm", DDPM},
}

// Samplers returns the names that New knows.
func Samplers() []string {
	names := make([]string, len(samplers))
	for i, s := range samplers {
		names[i] = s.name
	}
	return names
}

// New returns the steps of the named sampler (in any case), first step first.
// Its errors are one line that says what to choose instead.
func New(name string, cfg Config, steps int, eta float64) ([]Step, error) {
	i := slices.Index(Samplers(), strings.ToLower(name))
	if i < 0 {
		return nil, fmt.Errorf("unknown sampler %q: choose one of %s", name, strings.Join(Samplers(), ", "))
	}
	schedule, err := NewSchedule(cfg)
	if err != nil {
		return nil, err
	}
	if steps < 1 || steps > schedule.Len() {
		return nil, fmt.Errorf("steps is %d, must be 1 to %d", steps, schedule.Len())
	}
	if !(eta >= 0 && eta <= 1) {
		return nil, fmt.Errorf("eta is %g, must be 0 to 1", eta)
	}
	return samplers[i].sampler(schedule, steps, eta)
}
