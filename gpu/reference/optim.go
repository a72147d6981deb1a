package reference

import (
	"math"

	"latent/gpu"
)

func (backend) SumSquares(x *gpu.Tensor) float64 {
	xs := load(x)
	return dot(xs, xs)
}

func (backend) Finite(x *gpu.Tensor) bool {
	for _, v := range load(x) {
		if v-v != 0 { // ∞−∞ and NaN−NaN are NaN
			return false
		}
	}
	return true
}

// AdamW is algorithm 2 of Loshchilov & Hutter 2019 with the decay scaled by the
// learning rate, as PyTorch does.
func (backend) AdamW(param, master, m, v, grad *gpu.Tensor, s gpu.AdamWStep) {
	ps, ms, vs, gs := load(master), load(m), load(v), load(grad)
	outP, outM, outV := make([]float64, len(ps)), make([]float64, len(ps)), make([]float64, len(ps))
	lr, b1, b2 := float64(s.LR), float64(s.Beta1), float64(s.Beta2)
	bias1, bias2 := 1-math.Pow(b1, float64(s.Step)), 1-math.Pow(b2, float64(s.Step))
	for i := range ps {
		g := float64(s.GradScale) * gs[i]
		m := b1*ms[i] + (1-b1)*g
		v := b2*vs[i] + (1-b2)*g*g
		p := ps[i] * (1 - lr*float64(s.WeightDecay))
		p -= lr * (m / bias1) / (math.Sqrt(v/bias2) + float64(s.Eps))
		outP[i], outM[i], outV[i] = p, m, v
	}
	store(m, outM)
	store(v, outV)
	store(master, outP)
	store(param, outP)
}
