package scheduler

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Samplers that count in σ take x from one level to the next. A level lies at a
// training timestep or between two.
type level struct {
	t     float64 // what the model is told
	sigma float64 // σ; 0 where the trajectory ends at x̂0
}

const (
	minSigma = 1e-6 // the least sigma_min of a config; its inverse is the greatest sigma_max

	// zeroSNR stands for ᾱ = 0, where σ would be infinite; it is what diffusers
	// takes.
	zeroSNR = 1.0 / (1 << 24)

	rho = 7 // of Karras et al. 2022, eq. 5
)

// sigmaTable returns σ_t of all T timesteps, all finite.
func (s *Schedule) sigmaTable() []float64 {
	table := make([]float64, s.Len())
	for t, a := range s.alphaBar {
		if s.cfg.RescaleBetasZeroSNR {
			a = max(a, zeroSNR)
		}
		table[t] = math.Sqrt((1 - a) / a)
	}
	return table
}

// levels returns the levels at which the model is called, without the skipped
// ones, and one more, where the trajectory ends.
//
// diffusers has two habits. Its k-diffusion samplers (Euler, Heun, DPM++ SDE)
// know timesteps between the training timesteps, and let σ fall by Karras etc.
// from the first to the last timestep of the spacing. Its solvers (DPM++ 2M,
// UniPC) take whole timesteps, one spacing shorter, and let σ fall over the whole
// table.
func (p *plan) levels(whole bool) ([]level, error) {
	table := p.sigmaTable()
	var timesteps []float64
	var err error
	if whole {
		timesteps, err = p.wholeTimesteps()
	} else {
		timesteps, err = p.timesteps()
	}
	if err != nil {
		return nil, err
	}
	levels := make([]level, p.n, p.n+1)
	for i, t := range timesteps {
		levels[i] = level{t, interpolate(table, t)}
	}
	if p.sigmas != "" {
		first, last := levels[0].sigma, levels[p.n-1].sigma
		if whole {
			first, last = table[len(table)-1], table[0]
		}
		first, last = cmp.Or(p.cfg.SigmaMax, first), cmp.Or(p.cfg.SigmaMin, last)
		if first < last {
			return nil, fmt.Errorf("scheduler config: σ would rise from %g to %g: change sigma_max or sigma_min, or choose another schedule", first, last)
		}
		for i := range levels {
			sigma := falling(p.sigmas, first, last, p.n, i)
			t := timestepOf(table, sigma)
			if whole {
				t = p.wholeTimestep(t)
			}
			levels[i] = level{t, sigma}
		}
	}
	end := 0.0 // in diffusers only Euler and the solvers heed final_sigmas_type
	if p.cfg.FinalSigmasType == FinalSigmaMin {
		end = min(table[0], levels[p.n-1].sigma)
	}
	return append(levels, level{sigma: end})[p.skip:], nil
}

// timesteps returns n timesteps as k-diffusion samplers take them: like
// Timesteps, but linspace is not rounded. (One step of linspace begins at T−1; in
// diffusers it begins at 0, where nothing is left to do.)
func (p *plan) timesteps() ([]float64, error) {
	spacing := cmp.Or(p.spacing, SpacingLinspace)
	timesteps := make([]float64, p.n)
	if spacing == SpacingLinspace {
		for i := range timesteps {
			timesteps[i] = float64(p.Len()-1) * (1 - float64(i)/float64(max(p.n-1, 1)))
		}
		return timesteps, nil
	}
	ints, err := p.spaced(p.n, spacing)
	if err != nil {
		return nil, err
	}
	for i, t := range ints {
		timesteps[i] = float64(t)
	}
	return timesteps, nil
}

// wholeTimesteps returns n timesteps as solvers take them: with linspace and
// leading, of n+1 timesteps all but the last.
func (p *plan) wholeTimesteps() ([]float64, error) {
	timesteps := make([]float64, p.n)
	switch last := p.Len() - 1; cmp.Or(p.spacing, SpacingLinspace) {
	case SpacingLinspace:
		for i := range timesteps {
			timesteps[i] = math.RoundToEven(float64(p.n-i) * (float64(last) / float64(p.n)))
		}
	case SpacingLeading:
		apart := p.Len() / (p.n + 1)
		if apart == 0 {
			return nil, fmt.Errorf("steps is %d, must be 1 to %d with this sampler", p.n, last)
		}
		for i := range timesteps {
			timesteps[i] = float64((p.n-i)*apart + p.cfg.StepsOffset)
		}
		if timesteps[0] > float64(last) {
			return nil, p.beyond(int(timesteps[0]))
		}
	default:
		return p.timesteps()
	}
	return timesteps, nil
}

// wholeTimestep makes a timestep between training timesteps a whole one.
//
// diffusers rounds with karras, unless p.truncates, and else truncates. Its float32
// finds the first timestep a hair below T−1 (with the betas of Stable Diffusion and
// most others) and makes it T−2; so does the hair here.
func (p *plan) wholeTimestep(t float64) float64 {
	const hair = 1e-4
	if p.sigmas == ScheduleKarras && !p.truncates {
		return math.RoundToEven(t)
	}
	return max(0, math.Floor(t-hair))
}

// falling returns the i-th of n noise levels that fall from first to last as the
// schedule has it.
//
//	karras:       σ = (first^(1/ρ) + u·(last^(1/ρ) − first^(1/ρ)))^ρ, ρ = 7    (Karras et al. 2022, eq. 5)
//	exponential:  σ = first·(last/first)^u
//	kl_optimal:   σ = tan(arctan(first)·(1−u) + arctan(last)·u)                 (Sabour et al. 2024, arXiv:2404.14507, theorem 3.1)
//	beta:         σ = last + (first − last)·F⁻¹(1 − u)                          (Lee et al. 2024, arXiv:2407.12173)
//
// with u = i/(n−1) and F the distribution of Beta(0.6, 0.6). ComfyUI and
// AUTOMATIC1111 apply F⁻¹ to timesteps; this is diffusers' way.
func falling(schedule string, first, last float64, n, i int) float64 {
	u := float64(i) / float64(max(n-1, 1))
	switch schedule {
	case ScheduleKarras:
		a, b := math.Pow(first, 1.0/rho), math.Pow(last, 1.0/rho)
		return math.Pow(a+u*(b-a), rho)
	case ScheduleKLOptimal:
		return math.Tan(math.Atan(first)*(1-u) + math.Atan(last)*u)
	case ScheduleBeta:
		return last + (first-last)*betaQuantile(1-u, 0.6)
	default: // ScheduleExponential
		return math.Exp(math.Log(first) + u*(math.Log(last)-math.Log(first)))
	}
}

// interpolate returns the table's value at t, linear between its entries.
func interpolate(table []float64, t float64) float64 {
	i := min(int(t), len(table)-1)
	if i == len(table)-1 {
		return table[i]
	}
	return table[i] + (t-float64(i))*(table[i+1]-table[i])
}

// timestepOf returns the timestep at which the table has σ, linear in log σ
// between its entries, and within [0, T−1].
func timestepOf(table []float64, sigma float64) float64 {
	high, _ := slices.BinarySearchFunc(table, sigma, func(entry, sigma float64) int {
		if entry <= sigma {
			return -1
		}
		return 1
	})
	if high == 0 {
		return 0
	}
	if high == len(table) {
		return float64(high - 1)
	}
	low, up := math.Log(table[high-1]), math.Log(table[high])
	return float64(high-1) + (math.Log(sigma)-low)/(up-low)
}
