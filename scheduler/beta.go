package scheduler

import "math"

// betaQuantile returns the x in [0, 1] below which the share u of the
// distribution Beta(a, a) lies, a > 0, to about 1e-15.
func betaQuantile(u, a float64) float64 {
	if u <= 0 {
		return 0
	}
	if u > 0.5 { // by symmetry; so x is at most 1/2, where the series converges fast
		return 1 - betaQuantile(1-u, a)
	}
	double, _ := math.Lgamma(2 * a)
	single, _ := math.Lgamma(a)
	logB := 2*single - double
	low, high := 0.0, 0.5
	for range 200 { // halvings, until low and high are neighbours
		x := (low + high) / 2
		if x <= low || x >= high {
			break
		}
		if betaShare(x, a, logB) < u {
			low = x
		} else {
			high = x
		}
	}
	return high
}

// betaShare returns the share of Beta(a, a) below x, 0 ≤ x ≤ 1/2, by the series
// (logB is log B(a, a))
//
//	I_x(a, b) = x^a/B(a, b) · Σ_k (1−b)(2−b)…(k−b)/(k!·(a+k)) · x^k     (DLMF, 8.17.7 with 15.2.1)
func betaShare(x, a, logB float64) float64 {
	sum, term := 0.0, 1.0
	for k := range 100 {
		add := term / (a + float64(k))
		sum += add
		if math.Abs(add) < 1e-18*sum {
			break
		}
		term *= x * (float64(k+1) - a) / float64(k+1)
	}
	return math.Exp(a*math.Log(x)-logB) * sum
}
