package scheduler

import "math"

// maxOrder is the highest order of UniPC, which looks back on one x̂0 more.
const maxOrder = 3

// uniPC is the predictor-corrector of Zhao et al. 2023 (arXiv:2302.04867, with data
// prediction). With λ = −log σ, h = λ' − λ, and m = x̂0 of this step, m_k of the
// step k before it, r_k = (λ_k − λ)/h < 0,
//
//	x' = s'/s·x + α'·(1 − e^(−h))·m − α'·B·Σ_k ρ_k·(m_k − m)/r_k         (predictor)
//
// where x = α·x_0 + s·ε and B = B(−h). The ρ match the powers of h up to the
// order. The next call of the model gives m' at x'; it stands in as another point,
// with r = 1, and corrects x' by new ρ before that goes on:
//
//	x'ᶜ = x' − α'·B·(Σ_k (ρᶜ_k − ρ_k)·(m_k − m)/r_k + ρᶜ·(m' − m))       (corrector)
//
// Both are linear in x and m, so a Step corrects and predicts in one.
func uniPC(p *plan) ([]Step, error) {
	levels, err := p.levels(true)
	if err != nil {
		return nil, err
	}
	steps := make([]Step, len(levels)-1)
	var correct []float64 // of m', m, m_1, …; nil before the first step
	for i := range steps {
		at, next := levels[i], levels[i+1]
		_, sigma := at.forward()
		_, nextSigma := next.forward()
		ratio := nextSigma / sigma

		predict, corrected := p.uniStep(levels, i)
		denoised := make([]float64, max(len(correct), len(predict)))
		for k, c := range correct {
			denoised[k] = ratio * c
		}
		for k, c := range predict {
			denoised[k] += c
		}
		steps[i] = p.solverStep(at)
		steps[i].X, steps[i].Denoised = []float64{ratio}, denoised
		correct = corrected
	}
	return steps, nil
}

// uniStep returns what the predictor of step i adds to s'/s·x, as coefficients of
// m, m_1, …, and what the corrector adds to its x', as coefficients of m', m,
// m_1, …
func (p *plan) uniStep(levels []level, i int) (predict, correct []float64) {
	at, next := levels[i].sigma, levels[i+1].sigma
	alpha, _ := levels[i+1].forward()
	if next == 0 {
		return []float64{1}, nil // x' = m
	}
	if next == at {
		return []float64{0}, nil
	}
	h := math.Log(at / next)
	var r []float64
	for k := 1; k < p.uniOrder(i, len(levels)-1); k++ {
		// A level met twice tells nothing new; no older one is used either.
		if levels[i-k].sigma == levels[i-k+1].sigma {
			break
		}
		r = append(r, math.Log(at/levels[i-k].sigma)/h)
	}
	scale := alpha * math.Expm1(-h) // α'·B
	if p.cfg.SolverType == SolverBH1 {
		scale = -alpha * h
	}
	// The corrector's point comes last; without it these are the predictor's.
	matrix, vector := uniSystem(append(r, 1), h, scale/alpha)
	rho := []float64{}
	switch order := len(r) + 1; order {
	case 1:
	case 2:
		rho = []float64{0.5} // of whatever B, as in diffusers
	default:
		rho = solve(matrix[:order-1], vector[:order-1])
	}
	rhoC := []float64{0.5}
	if len(r) > 0 {
		rhoC = solve(matrix, vector)
	}

	predict = make([]float64, len(r)+1)
	correct = make([]float64, len(r)+2)
	predict[0] = -alpha * math.Expm1(-h)
	for k, rk := range r {
		c := scale * rho[k] / rk
		predict[0] += c
		predict[k+1] = -c
		c = scale * (rhoC[k] - rho[k]) / rk
		correct[1] += c
		correct[k+2] = -c
	}
	c := scale * rhoC[len(r)]
	correct[0] = -c
	correct[1] += c
	return predict, correct
}

// uniOrder returns the order of step i of n: it grows from 1, and with
// lower_order_final falls to 1 again.
func (p *plan) uniOrder(i, n int) int {
	order := min(p.cfg.SolverOrder, i+1)
	if p.cfg.LowerOrderFinal {
		order = min(order, n-i)
	}
	return order
}

// uniSystem returns the equations Σ_k r_k^(j−1)·ρ_k = j!·φ_j/B(−h), j = 1, 2, …,
// as many as there are r, where φ_j = Σ_{m≥1} (−h)^m/(m+j)! is h·φ_{j+1}(−h) of
// the exponential integrators.
func uniSystem(r []float64, h, b float64) (matrix [][]float64, vector []float64) {
	factorial := 1.0
	for j := 1; j <= len(r); j++ {
		row := make([]float64, len(r))
		for k := range r {
			row[k] = math.Pow(r[k], float64(j-1))
		}
		factorial *= float64(j)
		matrix, vector = append(matrix, row), append(vector, factorial*tail(-h, j)/b)
	}
	return matrix, vector
}

// tail returns Σ_{m≥1} x^m/(m+j)!, which is ((e^x − 1)/x − 1) for j = 1, and for
// greater j the one before it divided by x, less 1/j!.
func tail(x float64, j int) float64 {
	factorial := 1.0
	for i := 2; i <= j; i++ {
		factorial *= float64(i)
	}
	if math.Abs(x) < 1 { // where the recursion would lose digits
		sum, term := 0.0, 1/factorial
		for m := 1; m < 25; m++ {
			term *= x / float64(m+j)
			sum += term
		}
		return sum
	}
	if j == 0 {
		return math.Expm1(x)
	}
	return tail(x, j-1)/x - 1/factorial
}

// solve returns the solution of a regular system in the first len(vector)
// unknowns, by elimination with row pivots. It leaves its arguments alone.
func solve(matrix [][]float64, vector []float64) []float64 {
	n := len(vector)
	m := make([][]float64, n)
	for i := range m {
		m[i] = append(append([]float64{}, matrix[i][:n]...), vector[i])
	}
	for c := range n {
		pivot := c
		for i := c + 1; i < n; i++ {
			if math.Abs(m[i][c]) > math.Abs(m[pivot][c]) {
				pivot = i
			}
		}
		m[c], m[pivot] = m[pivot], m[c]
		for i := range n {
			if i == c {
				continue
			}
			f := m[i][c] / m[c][c]
			for k := c; k <= n; k++ {
				m[i][k] -= f * m[c][k]
			}
		}
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = m[i][n] / m[i][i]
	}
	return x
}
