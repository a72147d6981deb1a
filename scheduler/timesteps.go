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

// spaced returns Timesteps of the given spacing, whatever the config says.
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
		default: // SpacingLeading
			timesteps[i] = fromEnd*(total/n) + s.cfg.StepsOffset
		}
	}
	if timesteps[0] >= total {
		return nil, fmt.Errorf("%d steps with the model's steps_offset %d begin at timestep %d, beyond the last (%d): choose fewer steps",
			n, s.cfg.StepsOffset, timesteps[0], total-1)
	}
	return timesteps, nil
}

// samplingTimesteps returns the whole timesteps of the plan, without the skipped
// ones, or an error if the model's prediction type cannot start from the first:
// dividing by √ᾱ = 0, x̂0 of an ε prediction would be infinite.
func (p *plan) samplingTimesteps() ([]int, error) {
	timesteps, err := p.spaced(p.n, cmp.Or(p.spacing, SpacingLeading))
	if err != nil {
		return nil, err
	}
	timesteps = timesteps[p.skip:]
	if p.cfg.PredictionType == PredictEpsilon && p.alphaBar[timesteps[0]] == 0 {
		return nil, fmt.Errorf("a model of prediction_type epsilon cannot start from pure noise (timestep %d with rescale_betas_zero_snr): choose schedule %s or turn the rescaling off", timesteps[0], ScheduleDDIMUniform)
	}
	return timesteps, nil
}
