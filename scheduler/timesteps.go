package scheduler

import (
	"cmp"
	"fmt"
	"math"
)

// Timesteps returns n of the T timesteps, falling, as diffusers spaces them
// (Lin et al. 2024, table 2). spacing applies where the config names none. It
// returns an error if the config's steps_offset pushes one beyond T−1, or if
// n is not in [1, T].
//
//	leading:  i·⌊T/n⌋ + offset          the last is near 0, the first below T−1
//	trailing: round(T − i·T/n) − 1      the first is T−1
//	linspace: round(i·(T−1)/(n−1))      both ends; a single step starts at T−1
func (s *Schedule) Timesteps(n int, spacing string) ([]int, error) {
	return s.spaced(n, cmp.Or(s.cfg.TimestepSpacing, spacing))
}

// spaced returns Timesteps of the given spacing, whatever the config says. It
// knows one that is not in configs, ComfyUI's simple: T − 1 − ⌊i·T/n⌋.
func (s *Schedule) spaced(n int, spacing string) ([]int, error) {
	total := s.Len()
	if n < 1 || n > total {
		return nil, fmt.Errorf("steps is %d, must be 1 to %d", n, total)
	}
	// The distance of trailing timesteps as numpy's arange rounds it: which way
	// a half is rounded hangs on it.
	apart := float64(total) - (float64(total) - float64(total)/float64(n))
	timesteps := make([]int, n)
	for i := range timesteps {
		fromEnd := n - 1 - i
		switch spacing {
		case SpacingTrailing:
			timesteps[i] = int(math.RoundToEven(float64(total)-float64(i)*apart)) - 1
		case SpacingLinspace:
			timesteps[i] = total - 1
			if i > 0 {
				timesteps[i] = int(math.RoundToEven(float64(fromEnd) * (float64(total-1) / float64(n-1))))
			}
		case ScheduleSimple:
			timesteps[i] = total - 1 - int(float64(i)*(float64(total)/float64(n)))
		default: // SpacingLeading
			timesteps[i] = fromEnd*(total/n) + s.cfg.StepsOffset
		}
	}
	if timesteps[0] >= total {
		return nil, s.beyond(timesteps[0])
	}
	return timesteps, nil
}

// beyond returns the error of leading timesteps that begin beyond T−1.
func (s *Schedule) beyond(first int) error {
	return fmt.Errorf("so many steps begin with the model's steps_offset %d at timestep %d, beyond the last (%d): choose fewer steps",
		s.cfg.StepsOffset, first, s.Len()-1)
}

// samplingTimesteps returns the training timesteps of the plan, without the
// skipped ones.
func (p *plan) samplingTimesteps() ([]int, error) {
	timesteps, err := p.spaced(p.n, cmp.Or(p.spacing, SpacingLeading))
	if err != nil {
		return nil, err
	}
	return p.startable(timesteps[p.skip:])
}

// startable returns the timesteps, or an error if the model's prediction type
// cannot start from the first: dividing by √ᾱ = 0, x̂0 of an ε prediction would be
// infinite.
func (p *plan) startable(timesteps []int) ([]int, error) {
	if p.cfg.PredictionType == PredictEpsilon && p.alphaBar[timesteps[0]] == 0 {
		return nil, fmt.Errorf("a model of prediction_type epsilon cannot start from pure noise (timestep %d with rescale_betas_zero_snr): choose schedule %s or turn the rescaling off", timesteps[0], ScheduleDDIMUniform)
	}
	return timesteps, nil
}
