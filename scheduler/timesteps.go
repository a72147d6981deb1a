package scheduler

import (
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
	total := s.Len()
	if n < 1 || n > total {
		return nil, fmt.Errorf("steps is %d, must be 1 to %d", n, total)
	}
	if s.cfg.TimestepSpacing != "" {
		spacing = s.cfg.TimestepSpacing
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

// samplingTimesteps returns n timesteps that the model's prediction type can
// start from: dividing by √ᾱ = 0, x̂0 of an ε prediction would be infinite.
func (s *Schedule) samplingTimesteps(n int, spacing string) ([]int, error) {
	timesteps, err := s.Timesteps(n, spacing)
	if err != nil {
		return nil, err
	}
	if s.cfg.PredictionType == PredictEpsilon && s.alphaBar[timesteps[0]] == 0 {
		return nil, fmt.Errorf("a model of prediction_type epsilon cannot start from pure noise (timestep %d with rescale_betas_zero_snr): choose leading timestep_spacing or turn the rescaling off", timesteps[0])
	}
	return timesteps, nil
}
