package gpu

// GroupNorm normalises x[N,…,C] over the middle axes and each group of C/groups
// channels, then scales by gamma[C] and shifts by beta[C] (Wu & He 2018). silu
// applies x·σ(x) to the result.
func GroupNorm(x, gamma, beta *Tensor, groups int, eps float32, silu bool) *Tensor {
	const op = "group norm"
	check(x.Rank() >= 2, op, "x %v must have at least 2 axes", x)
	c := x.Dim(-1)
	check(groups > 0 && c%groups == 0, op, "%d channels do not divide into %d groups", c, groups)
	checkVector(op, "gamma", gamma, c)
	checkVector(op, "beta", beta, c)
	d := x.dev
	y, stats := x.like(), d.Empty(Float32, x.Dim(0), groups, 2)
	d.b.GroupNorm(y, stats, x, gamma, beta, groups, eps, silu)
	return differentiable(y, func(dy *Tensor) {
		dx, dgamma, dbeta := x.like(), d.Empty(Float32, c), d.Empty(Float32, c)
		d.b.GroupNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma, beta, groups, silu)
		x.accumulate(dx)
		gamma.accumulateFresh(dgamma)
		beta.accumulateFresh(dbeta)
	}, x, gamma, beta)
}

// GroupStats is the mean and 1/√(var+eps) of each group of x[N,…,C] that
// GroupNorm takes, [N,groups,2] Float32. It has no gradient.
func GroupStats(x *Tensor, groups int, eps float32) *Tensor {
	const op = "group statistics"
	check(x.Rank() >= 2, op, "x %v must have at least 2 axes", x)
	c := x.Dim(-1)
	check(groups > 0 && c%groups == 0, op, "%d channels do not divide into %d groups", c, groups)
	d := x.dev
	return d.Scope1(func() *Tensor {
		y, stats := x.like(), d.Empty(Float32, x.Dim(0), groups, 2)
		d.b.GroupNorm(y, stats, x, d.Full(1, Float32, c), d.Full(0, Float32, c), groups, eps, false)
		return stats
	})
}

// LayerNorm normalises the last axis, then scales by gamma and shifts by beta
// (Ba et al. 2016).
func LayerNorm(x, gamma, beta *Tensor, eps float32) *Tensor {
	const op = "layer norm"
	c := x.Dim(-1)
	checkVector(op, "gamma", gamma, c)
	checkVector(op, "beta", beta, c)
	d := x.dev
	y, stats := x.like(), d.Empty(Float32, x.rows(), 2)
	d.b.LayerNorm(y, stats, x, gamma, beta, eps)
	return differentiable(y, func(dy *Tensor) {
		dx, dgamma, dbeta := x.like(), d.Empty(Float32, c), d.Empty(Float32, c)
		d.b.LayerNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma)
		x.accumulate(dx)
		gamma.accumulateFresh(dgamma)
		beta.accumulateFresh(dbeta)
	}, x, gamma, beta)
}
