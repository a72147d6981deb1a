package scheduler

import "math"

// ddim is the sampler of Song et al. 2020 (arXiv:2010.02502). eta 0 is the
// deterministic DDIM, eta 1 an ancestral sampler like DDPM.
//
//	x_{t'} = √ᾱ_{t'}·x̂0 + √(1−ᾱ_{t'}−σ²)·ε̂ + σ·z                     (eq. 12)
//	σ = η·√((1−ᾱ_{t'})/(1−ᾱ_t))·√(1−ᾱ_t/ᾱ_{t'})                      (eq. 16)
//
// where t' = t − ⌊T/n⌋ as in diffusers, also where the timesteps are not that
// far apart (linspace, or n that does not divide T).
func ddim(p *plan) ([]Step, error) {
	timesteps, err := p.samplingTimesteps()
	if err != nil {
		return nil, err
	}
	steps := make([]Step, len(timesteps))
	for i, t := range timesteps {
		alphaBar, prev := p.alphaBar[t], p.finalAlphaBar()
		if t := t - p.Len()/p.n; t >= 0 {
			prev = p.alphaBar[t]
		}
		variance := (1 - prev) / (1 - alphaBar) * (1 - alphaBar/prev)
		sigma := p.eta * math.Sqrt(variance)
		// At eta 1 and ᾱ_t = 0 rounding could make this a hair negative.
		direction := math.Sqrt(max(0, 1-prev-sigma*sigma))

		_, eps := p.predictions(t)
		steps[i] = newStep(p.Schedule, t)
		steps[i].clipped(p.cfg)
		steps[i].update(math.Sqrt(prev), linear{direction * eps.X, direction * eps.Output}, sigma)
	}
	return steps, nil
}

// finalAlphaBar returns the ᾱ at which DDIM ends.
func (s *Schedule) finalAlphaBar() float64 {
	if s.cfg.SetAlphaToOne {
		return 1
	}
	return s.alphaBar[0]
}
