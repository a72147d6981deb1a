package scheduler

import (
	"fmt"
	"math"
)

// lcm samples latent consistency models (Luo et al. 2023, arXiv:2310.04378,
// algorithm 3), which are distilled to jump to x_0 from each of a few timesteps:
//
//	f  = c_skip·x + c_out·x̂0
//	x' = √ᾱ'·f + √(1−ᾱ')·z,  but f after the last step
//
// c_skip and c_out make f = x at t = 0 (the boundary condition of Song et al. 2023),
// with τ = s·t, s the timestep scaling, and σ_data = 0.5:
//
//	c_skip = σ_data²/(τ² + σ_data²),  c_out = τ/√(τ² + σ_data²)
func lcm(p *plan) ([]Step, error) {
	timesteps, err := p.distilledTimesteps()
	if err != nil {
		return nil, err
	}
	const data = 0.5 // σ_data
	steps := make([]Step, len(timesteps))
	for i, t := range timesteps {
		tau := float64(t) * p.cfg.TimestepScaling
		skip, out := data*data/(tau*tau+data*data), tau/math.Hypot(tau, data)
		signal, noise := 1.0, 0.0
		if i+1 < len(timesteps) {
			signal, noise = p.Forward(timesteps[i+1])
		}
		steps[i] = newStep(p.Schedule, t)
		steps[i].clipped(p.cfg)
		steps[i].update(signal*out, linear{X: signal * skip}, noise)
	}
	return steps, nil
}

// tcd samples trajectory consistency models (Zheng et al. 2024, arXiv:2402.19159,
// algorithm 4), which are distilled to jump from any timestep to any earlier one:
// below the next timestep t', to s = ⌊(1−γ)·t'⌋, and back up with fresh noise,
//
//	x_s  = √ᾱ_s·x̂0 + √(1−ᾱ_s)·ε̂
//	x_t' = √(ᾱ_t'/ᾱ_s)·x_s + √(1 − ᾱ_t'/ᾱ_s)·z
//
// where γ is eta. The last step goes to timestep 0.
func tcd(p *plan) ([]Step, error) {
	timesteps, err := p.distilledTimesteps()
	if err != nil {
		return nil, err
	}
	steps := make([]Step, len(timesteps))
	for i, t := range timesteps {
		next, s := 0, 0
		if i+1 < len(timesteps) {
			next = timesteps[i+1]
			s = int(math.Floor((1 - p.eta) * float64(next)))
		}
		kept := p.alphaBar[next] / p.alphaBar[s]
		signal, noise := p.Forward(s)
		_, eps := p.predictions(t)
		noise *= math.Sqrt(kept)
		steps[i] = newStep(p.Schedule, t)
		steps[i].update(math.Sqrt(kept)*signal, linear{noise * eps.X, noise * eps.Output}, math.Sqrt(1-kept))
	}
	return steps, nil
}

// distilledTimesteps returns n of the timesteps that a distilled model knows,
// which are evenly many, the last T−1 or just below.
func (p *plan) distilledTimesteps() ([]int, error) {
	known := p.cfg.OriginalInferenceSteps
	if known > p.Len() {
		return nil, fmt.Errorf("scheduler config: original_inference_steps is %d, must be at most num_train_timesteps = %d", known, p.Len())
	}
	if p.n > known {
		return nil, fmt.Errorf("steps is %d: a model distilled on %d timesteps takes at most %d", p.n, known, known)
	}
	apart := float64(known) / float64(p.n)
	timesteps := make([]int, p.n)
	for i := range timesteps {
		timesteps[i] = (known-int(float64(i)*apart))*(p.Len()/known) - 1
	}
	return p.startable(timesteps[p.skip:])
}
