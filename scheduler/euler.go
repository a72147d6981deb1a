package scheduler

import "math"

// euler follows the probability-flow ODE of Karras et al. 2022 (algorithm 1 with
// their s = 1 and σ = t, first order):
//
//	x' = x + (σ'−σ)·d,  d = (x − x̂0)/σ
func euler(p *plan) ([]Step, error) {
	levels, err := p.levels(false)
	if err != nil {
		return nil, err
	}
	steps := make([]Step, len(levels)-1)
	for i := range steps {
		ratio := levels[i+1].sigma / levels[i].sigma
		steps[i] = p.karrasStep(levels[i])
		steps[i].update(1-ratio, linear{X: ratio}, 0)
	}
	return steps, nil
}

// eulerAncestral goes a bit below the next level and comes back with fresh noise,
// as DDPM does in other terms (Song et al. 2021, appendix F, generalized by
// k-diffusion's eta).
func eulerAncestral(p *plan) ([]Step, error) {
	levels, err := p.levels(false)
	if err != nil {
		return nil, err
	}
	steps := make([]Step, len(levels)-1)
	for i := range steps {
		down, up := ancestral(levels[i].sigma, levels[i+1].sigma, p.eta)
		ratio := down / levels[i].sigma
		steps[i] = p.karrasStep(levels[i])
		steps[i].update(1-ratio, linear{X: ratio}, up)
	}
	return steps, nil
}

// ancestral splits the way from σ to σ' into one down and fresh noise of standard
// deviation up:
//
//	up = η·σ'·√(1 − σ'²/σ²),  down² + up² = σ'²
func ancestral(sigma, next, eta float64) (down, up float64) {
	ratio := next / sigma
	up = min(next, eta*next*math.Sqrt(max(0, (1-ratio)*(1+ratio))))
	// Where next is a product not yet rounded, arm64 may subtract from that, and find
	// a little less than up.
	return math.Sqrt(max(0, next-up) * (next + up)), up
}
