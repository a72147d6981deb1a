package scheduler

// heun is the second-order sampler of Karras et al. 2022 (algorithm 1), without
// their churn. Each interval but the last takes two Steps: an Euler step to σ',
// and with the slope found there
//
//	x' = x + (σ'−σ)·(d + d')/2,  d = (x − x̂0)/σ,  d' = (x₁ − x̂0₁)/σ'
//
// where x₁ is what the first of them made and x̂0₁ the model's idea there. From
// zero SNR, which diffusers' Heun does not know, there is an Euler step alone: the
// way in σ from 4096 would magnify what d and d' differ by until nothing else is
// left.
func heun(p *plan) ([]Step, error) {
	levels, err := p.levels(false)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for i, l := range levels[:len(levels)-1] {
		next := levels[i+1]
		ratio := next.sigma / l.sigma
		first := p.karrasStep(l)
		first.clipped(p.cfg)
		first.update(1-ratio, linear{X: ratio}, 0)
		steps = append(steps, first)
		if next.sigma == 0 || p.cfg.RescaleBetasZeroSNR && l.t == float64(p.Len()-1) {
			continue
		}
		second := p.karrasStep(next)
		second.clipped(p.cfg)
		half := (next.sigma - l.sigma) / 2
		second.lookBack(first,
			[]float64{half / next.sigma, 1 + half/l.sigma},
			[]float64{-half / next.sigma, -half / l.sigma})
		steps = append(steps, second)
	}
	return steps, nil
}

// lookBack sets x ← Σ x[j]·xⱼ + Σ x0[j]·x̂0ⱼ of this step and the one before it.
// Without clipping x̂0 is folded in.
func (step *Step) lookBack(before Step, x, x0 []float64) {
	if step.Clip != 0 {
		step.X, step.Denoised = x, x0
		return
	}
	step.Output = make([]float64, 2)
	for j, s := range []*Step{step, &before} {
		x[j] += x0[j] * s.PredictX
		step.Output[j] = x0[j] * s.PredictOutput
	}
	step.X = x
}
