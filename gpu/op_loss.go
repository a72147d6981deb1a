package gpu

// MSE is mean(weight[n]·(pred−target)²) over all elements, a Float32 scalar;
// weight [N] Float32 may be nil. The gradient goes to pred alone. With pred the
// U-Net's output and target the noise it is the objective of DDPM (Ho et al.
// 2020, eq. 14).
func MSE(pred, target, weight *Tensor) *Tensor {
	checkSame("mse", pred, target)
	checkVector("mse", "weight", weight, pred.Dim(0))
	d := pred.dev
	y := d.Empty(Float32, 1)
	d.b.MSE(y, pred, target, weight)
	return differentiable(y, func(dy *Tensor) {
		g := pred.like()
		d.b.MSEGrad(g, dy, pred, target, weight)
		pred.accumulate(g)
	}, pred)
}

// L1 is mean|pred−target|, a Float32 scalar with its gradient to pred alone.
func L1(pred, target *Tensor) *Tensor {
	checkSame("l1", pred, target)
	d := pred.dev
	y := d.Empty(Float32, 1)
	d.b.L1(y, pred, target)
	return differentiable(y, func(dy *Tensor) {
		g := pred.like()
		d.b.L1Grad(g, dy, pred, target)
		pred.accumulate(g)
	}, pred)
}

// GaussianSample draws z = mean + exp(½·logvar)·noise from moments[N,…,2C] =
// [mean | logvar] with logvar clamped to [−30,20] (Kingma & Welling 2014).
func GaussianSample(moments, noise *Tensor) *Tensor {
	const op = "gaussian sample"
	check(moments.Dim(-1) == 2*noise.Dim(-1) && moments.rows() == noise.rows() && moments.dtype == noise.dtype,
		op, "moments %v, noise %v", moments, noise)
	d := moments.dev
	z := noise.like()
	d.b.GaussianSample(z, moments, noise)
	return differentiable(z, func(dz *Tensor) {
		g := moments.like()
		d.b.GaussianSampleGrad(g, dz, moments, noise)
		moments.accumulate(g)
	}, moments)
}

// GaussianKL is the mean over the latent's elements of the divergence from
// N(0,1): ½(mean² + exp(logvar) − 1 − logvar), a Float32 scalar.
func GaussianKL(moments *Tensor) *Tensor {
	check(moments.Dim(-1)%2 == 0, "kl", "last axis of %v must be even", moments)
	d := moments.dev
	y := d.Empty(Float32, 1)
	d.b.GaussianKL(y, moments)
	return differentiable(y, func(dy *Tensor) {
		g := moments.like()
		d.b.GaussianKLGrad(g, dy, moments)
		moments.accumulate(g)
	}, moments)
}
