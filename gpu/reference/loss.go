package reference

import (
	"math"

	"latent/gpu"
)

// mean sets y[1] to the mean of f(i) over i < n.
func mean(y *gpu.Tensor, n int, f func(i int) float64) {
	var sum float64
	for i := range n {
		sum += f(i)
	}
	store(y, []float64{sum / float64(n)})
}

// weights gives the weight of element i of a, which goes by its first axis.
func weights(a, weight *gpu.Tensor) func(i int) float64 {
	if weight == nil {
		return func(int) float64 { return 1 }
	}
	ws, size := load(weight), a.Len()/max(a.Dim(0), 1)
	return func(i int) float64 { return ws[i/size] }
}

func (backend) MSE(y, a, b, weight *gpu.Tensor) {
	as, bs, w := load(a), load(b), weights(a, weight)
	mean(y, len(as), func(i int) float64 {
		d := as[i] - bs[i]
		return w(i) * d * d
	})
}

func (backend) MSEGrad(da, dy, a, b, weight *gpu.Tensor) {
	as, bs, w := load(a), load(b), weights(a, weight)
	scale := 2 * load(dy)[0] / float64(len(as))
	each(da, func(i int) float64 {
		return scale * w(i) * (as[i] - bs[i])
	})
}

func (backend) L1(y, a, b *gpu.Tensor) {
	as, bs := load(a), load(b)
	mean(y, len(as), func(i int) float64 { return math.Abs(as[i] - bs[i]) })
}

func (backend) L1Grad(da, dy, a, b *gpu.Tensor) {
	as, bs := load(a), load(b)
	scale := load(dy)[0] / float64(len(as))
	each(da, func(i int) float64 {
		switch {
		case as[i] > bs[i]:
			return scale
		case as[i] < bs[i]:
			return -scale
		}
		return 0
	})
}

// The limits of log σ² when sampling.
const minLogVar, maxLogVar = -30, 20

// moment gives the indices of mean and logvar of element i of the latent.
func moment(moments *gpu.Tensor) func(i int) (mu, logvar int) {
	c := moments.Dim(-1) / 2
	return func(i int) (int, int) {
		at := i/c*2*c + i%c
		return at, at + c
	}
}

func (backend) GaussianSample(z, moments, noise *gpu.Tensor) {
	m, eps, at := load(moments), load(noise), moment(moments)
	each(z, func(i int) float64 {
		mu, logvar := at(i)
		lv := min(max(m[logvar], minLogVar), maxLogVar)
		return m[mu] + math.Exp(0.5*lv)*eps[i]
	})
}

func (backend) GaussianSampleGrad(dmoments, dz, moments, noise *gpu.Tensor) {
	m, eps, at := load(moments), load(noise), moment(moments)
	out := make([]float64, len(m))
	for i, d := range load(dz) {
		mu, logvar := at(i)
		out[mu] = d
		if lv := m[logvar]; lv >= minLogVar && lv <= maxLogVar {
			out[logvar] = 0.5 * math.Exp(0.5*lv) * eps[i] * d
		}
	}
	store(dmoments, out)
}

func (backend) GaussianKL(y, moments *gpu.Tensor) {
	m, at := load(moments), moment(moments)
	mean(y, len(m)/2, func(i int) float64 {
		mu, logvar := at(i)
		u, lv := m[mu], m[logvar]
		return 0.5 * (u*u + math.Exp(lv) - 1 - lv)
	})
}

func (backend) GaussianKLGrad(dmoments, dy, moments *gpu.Tensor) {
	m, at := load(moments), moment(moments)
	out := make([]float64, len(m))
	scale := load(dy)[0] / float64(len(m)/2)
	for i := range len(m) / 2 {
		mu, logvar := at(i)
		out[mu] = scale * m[mu]
		out[logvar] = scale * 0.5 * (math.Exp(m[logvar]) - 1)
	}
	store(dmoments, out)
}
