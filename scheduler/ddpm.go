package scheduler

import "math"

// ddpm is ancestral sampling (Ho et al. 2020, algorithm 2), over n of the T
// timesteps: with t' the timestep after t,
//
//	α = ᾱ_t/ᾱ_{t'},  β = 1−α
//	x_{t'} = √ᾱ_{t'}·β/(1−ᾱ_t)·x̂0 + √α·(1−ᾱ_{t'})/(1−ᾱ_t)·x_t + s·z     (eq. 7)
//	s² = β·(1−ᾱ_{t'})/(1−ᾱ_t)  (fixed_small)  or  β  (fixed_large)
//
// The last step ends at ᾱ = 1. No noise is added at t = 0. eta has no part.
func ddpm(p *plan) ([]Step, error) {
	large, err := largeVariance(p.cfg.VarianceType)
	if err != nil {
		return nil, err
	}
	timesteps, err := p.samplingTimesteps()
	if err != nil {
		return nil, err
	}
	steps := make([]Step, len(timesteps))
	for i, t := range timesteps {
		alphaBar, prev := p.alphaBar[t], 1.0
		if i+1 < len(timesteps) {
			prev = p.alphaBar[timesteps[i+1]]
		}
		alpha := alphaBar / prev
		beta := 1 - alpha
		variance := beta
		if !large {
			variance *= (1 - prev) / (1 - alphaBar)
		}
		if t == 0 {
			variance = 0
		}

		steps[i] = newStep(p.Schedule, t)
		steps[i].clipped(p.cfg)
		steps[i].update(
			math.Sqrt(prev)*beta/(1-alphaBar),
			linear{X: math.Sqrt(alpha) * (1 - prev) / (1 - alphaBar)},
			math.Sqrt(variance))
	}
	return steps, nil
}

// largeVariance reports whether the variance type is β rather than β̃. The
// logarithmic form of the small one, as diffusers names it, is the same number.
func largeVariance(varianceType string) (bool, error) {
	switch varianceType {
	case "", VarianceSmall, "fixed_small_log":
		return false, nil
	case VarianceLarge:
		return true, nil
	}
	return false, oneOf("variance_type", varianceType, VarianceSmall, VarianceLarge)
}
