package scheduler

import (
	"errors"
	"math"
)

// plms is the pseudo linear multistep sampler of Liu et al. 2022 (PNDM,
// arXiv:2202.09778, F-PNDM without its Runge-Kutta start), with
//
//	x_{t'} = √(ᾱ'/ᾱ)·x − (ᾱ'−ᾱ)·e/(ᾱ·√(1−ᾱ') + √(ᾱ·(1−ᾱ)·ᾱ'))         (eq. 9)
//
// where t' = t − ⌊T/n⌋, and e combines the last four outputs as Adams-Bashforth
// does (eq. 12). The first step is taken twice, the second time with the mean of
// the outputs at both its ends, so there is one Step more than n.
//
// As in diffusers, outputs of v models are combined as they are and the sum is
// then read as ε. A config without skip_prk_steps, which stands for a
// Runge-Kutta start of twelve calls, is sampled without it just the same.
func plms(p *plan) ([]Step, error) {
	if p.cfg.PredictionType == PredictSample {
		return nil, errors.New("plms cannot sample a model of prediction_type sample: choose another sampler")
	}
	timesteps, err := p.samplingTimesteps()
	if err != nil {
		return nil, err
	}
	if p.alphaBar[timesteps[0]] == 0 {
		return nil, errors.New("plms cannot start from pure noise (rescale_betas_zero_snr): choose another sampler, or schedule " + ScheduleDDIMUniform)
	}
	apart := p.Len() / p.n
	var steps []Step
	for i, t := range timesteps {
		if i == 1 {
			from := min(t+apart, p.Len()-1)
			steps = append(steps, p.plmsStep(t, from, t, 1, []float64{1.0 / 2, 1.0 / 2}))
		}
		steps = append(steps, p.plmsStep(t, t, t-apart, 0, adamsBashforth(i)))
	}
	return steps, nil
}

// adamsBashforth returns the weights of the outputs at step i of n, the present
// first. The output at the second Step is left out: Step 2 is the same again.
func adamsBashforth(i int) []float64 {
	switch i {
	case 0:
		return []float64{1}
	case 1:
		return []float64{3.0 / 2, 0, -1.0 / 2}
	case 2:
		return []float64{23.0 / 12, -16.0 / 12, 0, 5.0 / 12}
	case 3:
		return []float64{55.0 / 24, -59.0 / 24, 37.0 / 24, 0, -9.0 / 24}
	default:
		return []float64{55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24}
	}
}

// plmsStep calls the model at timestep t and takes the x of the step back before
// it from one timestep to another, by the weighted outputs.
func (p *plan) plmsStep(t, from, to, back int, weights []float64) Step {
	a, next := p.alphaBar[from], p.finalAlphaBar()
	if to >= 0 {
		next = p.alphaBar[to]
	}
	slope := -(next - a) / (a*math.Sqrt(1-next) + math.Sqrt(a*(1-a)*next))
	_, eps := p.predictions(from)

	step := newStep(p.Schedule, t)
	step.X = make([]float64, back+1)
	step.X[back] = math.Sqrt(next/a) + slope*eps.X
	for _, w := range weights {
		step.Output = append(step.Output, slope*eps.Output*w)
	}
	return step
}
