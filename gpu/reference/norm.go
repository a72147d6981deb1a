package reference

import (
	"math"

	"latent/gpu"
)

// grouping divides x[n,middle,c] into n·groups sets that share statistics. A
// layer norm is the case of one group and no middle.
type grouping struct{ n, middle, c, groups int }

func groupsOf(x *gpu.Tensor, groups int) grouping {
	n, c := x.Dim(0), x.Dim(-1)
	return grouping{n, x.Len() / max(n*c, 1), c, groups}
}

func layers(x *gpu.Tensor) grouping { return grouping{x.Len() / max(x.Dim(-1), 1), 1, x.Dim(-1), 1} }

// visit calls f with the index and the channel of each element of set s.
func (g grouping) visit(s int, f func(i, c int)) {
	width := g.c / g.groups
	n, first := s/g.groups, s%g.groups*width
	for m := range g.middle {
		for c := first; c < first+width; c++ {
			f((n*g.middle+m)*g.c+c, c)
		}
	}
}

func (g grouping) set(i int) int {
	return i/(g.middle*g.c)*g.groups + i%g.c/(g.c/g.groups)
}

func (g grouping) count() float64 { return float64(g.middle * g.c / g.groups) }

func (backend) GroupNorm(y, stats, x, gamma, beta *gpu.Tensor, groups int, eps float32, silu bool) {
	norm(y, stats, x, gamma, beta, groupsOf(x, groups), eps, silu)
}

func (backend) LayerNorm(y, stats, x, gamma, beta *gpu.Tensor, eps float32) {
	norm(y, stats, x, gamma, beta, layers(x), eps, false)
}

// norm is y = γ·x̂ + β with x̂ = (x − mean)/√(var + eps).
func norm(y, stats, x, gamma, beta *gpu.Tensor, g grouping, eps float32, silu bool) {
	xs, scale, shift := load(x), load(gamma), load(beta)
	out, st := make([]float64, y.Len()), make([]float64, stats.Len())
	parallel(g.n*g.groups, func(s int) {
		var mean, variance float64
		g.visit(s, func(i, _ int) { mean += xs[i] })
		mean /= g.count()
		g.visit(s, func(i, _ int) { d := xs[i] - mean; variance += d * d })
		inv := 1 / math.Sqrt(variance/g.count()+float64(eps))
		g.visit(s, func(i, c int) {
			z := (xs[i]-mean)*inv*scale[c] + shift[c]
			if silu {
				z *= sigmoid(z)
			}
			out[i] = z
		})
		st[2*s], st[2*s+1] = mean, inv
	})
	store(y, out)
	store(stats, st)
}

func (backend) GroupNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma, beta *gpu.Tensor, groups int, silu bool) {
	g, dz := groupsOf(x, groups), load(dy)
	if silu {
		xs, st, scale, shift := load(x), load(stats), load(gamma), load(beta)
		for i := range dz {
			s, c := g.set(i), i%g.c
			z := (xs[i]-st[2*s])*st[2*s+1]*scale[c] + shift[c]
			dz[i] *= siluGrad(z)
		}
	}
	normGrad(dx, dgamma, dbeta, dz, x, stats, gamma, g)
}

func (backend) LayerNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma *gpu.Tensor) {
	normGrad(dx, dgamma, dbeta, load(dy), x, stats, gamma, layers(x))
}

// normGrad takes dz, the gradient of z = γ·x̂ + β:
// dx = (γ·dz − mean(γ·dz) − x̂·mean(γ·dz·x̂))/√(var + eps).
func normGrad(dx, dgamma, dbeta *gpu.Tensor, dz []float64, x, stats, gamma *gpu.Tensor, g grouping) {
	xs, st, scale := load(x), load(stats), load(gamma)
	out, xhat := make([]float64, dx.Len()), make([]float64, len(xs))
	parallel(g.n*g.groups, func(s int) {
		mean, inv := st[2*s], st[2*s+1]
		var m0, m1 float64
		g.visit(s, func(i, c int) {
			h := (xs[i] - mean) * inv
			d := dz[i] * scale[c]
			xhat[i] = h
			m0 += d
			m1 += d * h
		})
		m0, m1 = m0/g.count(), m1/g.count()
		g.visit(s, func(i, c int) {
			d := dz[i] * scale[c]
			out[i] = (d - m0 - xhat[i]*m1) * inv
		})
	})
	store(dx, out)
	sumRows(dbeta, dz)
	for i := range xhat {
		xhat[i] *= dz[i]
	}
	sumRows(dgamma, xhat)
}
