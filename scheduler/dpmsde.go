package scheduler

import "math"

// dpmSDE is DPM-Solver++(2S) of Lu et al. 2022 (arXiv:2211.01095, algorithm 1)
// with r = 1/2, made ancestral by k-diffusion. Each interval but the last takes
// two Steps: to the middle σₘ = √(σ·σ') and, with the model's idea there, from
// σ to σ':
//
//	xₘ = a·x + (1−a)·x̂0 + upₘ·z₁,   a = downₘ/σ
//	x' = b·x + (1−b)·x̂0ₘ + up·z₂,   b = down/σ
//
// with down and up of ancestral steps to σₘ and σ'. z₁ and z₂ are increments of
// one Brownian motion in σ, over [σₘ, σ] and [σ', σ]: in k-diffusion and
// diffusers of a Brownian tree, and here the same in law,
//
//	z₂ = (√(σ−σₘ)·z₁ + √(σₘ−σ')·z)/√(σ−σ')
//
// with z fresh, and z₁ found again in xₘ.
func dpmSDE(p *plan) ([]Step, error) {
	levels, err := p.levels(false)
	if err != nil {
		return nil, err
	}
	table := p.sigmaTable()
	var steps []Step
	for i, l := range levels[:len(levels)-1] {
		next := levels[i+1].sigma
		first := p.karrasStep(l)
		if next == 0 {
			first.update(1, linear{}, 0)
			steps = append(steps, first)
			continue
		}
		middle := math.Sqrt(l.sigma) * math.Sqrt(next)
		down, up := ancestral(l.sigma, middle, p.eta)
		a := down / l.sigma
		first.update(1-a, linear{X: a}, up)

		down, upNext := ancestral(l.sigma, next, p.eta)
		b := down / l.sigma
		again, fresh := 0.0, upNext // of z₁ and z
		if l.sigma > next && up > 0 {
			again = upNext * math.Sqrt((l.sigma-middle)/(l.sigma-next)) / up
			fresh = upNext * math.Sqrt((middle-next)/(l.sigma-next))
		}
		second := p.karrasStep(level{timestepOf(table, middle), middle})
		second.lookBack(first,
			[]float64{again, b - again*a},
			[]float64{1 - b, -again * (1 - a)})
		second.Noise = fresh
		steps = append(steps, first, second)
	}
	return steps, nil
}
