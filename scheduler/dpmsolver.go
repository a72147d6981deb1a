package scheduler

import "math"

// dpmSolver returns DPM-Solver++(2M) of Lu et al. 2022 (arXiv:2211.01095,
// algorithm 2), or with noise its SDE form (eta is of k-diffusion; the paper's is
// 1). With λ = −log σ, h = λ' − λ and H = (1+η)·h
//
//	x' = s'/s·e^(−ηh)·x + α'·(1 − e^(−H))·D + s'·√(1 − e^(−2ηh))·z
//	D  = x̂0 + h/(2·h₋₁)·(x̂0 − x̂0₋₁)
//
// where x = α·x_0 + s·ε, and −1 stands for the step before. solver replaces the
// factor (1 − e^(−H))/2 of the difference by 1 − (1 − e^(−H))/H if it is
// SolverHeun.
//
// The SDE's noise is plain and fresh in each step, as in diffusers. k-diffusion
// draws it from a Brownian tree: for disjoint intervals the same in law.
func dpmSolver(p *plan, eta float64, solver string) ([]Step, error) {
	p.truncates = p.cfg.BetaSchedule == BetaSquaredCosine // as diffusers does
	levels, err := p.levels(true)
	if err != nil {
		return nil, err
	}
	steps := make([]Step, len(levels)-1)
	for i := range steps {
		at, next := levels[i], levels[i+1]
		ratio := next.sigma / at.sigma // e^(−h)
		_, sigma := at.forward()
		nextAlpha, nextSigma := next.forward()
		mean := 1 - math.Pow(ratio, 1+eta)
		denoised := []float64{nextAlpha * mean}
		if i > 0 && levels[i-1].sigma != at.sigma && !p.firstOrder(i, levels) {
			h, before := math.Log(at.sigma/next.sigma), math.Log(levels[i-1].sigma/at.sigma)
			slope := mean / 2
			if solver == SolverHeun && h != 0 {
				slope = 1 - mean/((1+eta)*h)
			}
			slope *= nextAlpha * h / before
			denoised = []float64{denoised[0] + slope, -slope}
		}
		steps[i] = p.solverStep(at)
		steps[i].X = []float64{nextSigma / sigma * math.Pow(ratio, eta)}
		steps[i].Denoised = denoised
		steps[i].Noise = nextSigma * math.Sqrt(1-math.Pow(ratio, 2*eta))
	}
	return steps, nil
}

// shortTrajectory is the number of steps below which a solver ends with order 1.
const shortTrajectory = 15

// firstOrder reports whether step i, not the first, takes order 1 because it is
// the last: always if it ends at σ = 0.
func (p *plan) firstOrder(i int, levels []level) bool {
	return i == len(levels)-2 && (levels[i+1].sigma == 0 || p.cfg.EulerAtFinal ||
		p.cfg.LowerOrderFinal && p.n < shortTrajectory)
}

// solver returns the config's solver type, if DPM-Solver++ has it.
func (p *plan) solver() string {
	if p.cfg.SolverType == SolverHeun {
		return SolverHeun
	}
	return SolverMidpoint
}

func dpmSolver2M(p *plan) ([]Step, error)        { return dpmSolver(p, 0, p.solver()) }
func dpmSolver2MSDE(p *plan) ([]Step, error)     { return dpmSolver(p, p.eta, p.solver()) }
func dpmSolver2MSDEHeun(p *plan) ([]Step, error) { return dpmSolver(p, p.eta, SolverHeun) }
