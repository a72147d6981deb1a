package reference

import (
	"math"

	"latent/gpu"
)

// split is one batch's head: vector i of a [B,L,heads·d] tensor.
type split struct{ batch, head, heads, d int }

func (s split) vector(x []float64, l, i int) []float64 {
	return row(x, (s.batch*l+i)*s.heads+s.head, s.d)
}

// keys is how many keys query i sees.
func keys(i, lk int, causal bool) int {
	if causal {
		return i + 1
	}
	return lk
}

func (backend) Attention(y, lse, q, k, v *gpu.Tensor, heads int, scale float32, causal bool) {
	lq, lk, d := q.Dim(1), k.Dim(1), q.Dim(2)/heads
	qs, ks, vs := load(q), load(k), load(v)
	out := make([]float64, y.Len())
	logs := make([]float64, q.Dim(0)*heads*lq)
	parallel(len(logs), func(r int) {
		s, i := split{r / (heads * lq), r / lq % heads, heads, d}, r%lq
		scores := make([]float64, keys(i, lk, causal))
		top := math.Inf(-1)
		for j := range scores {
			scores[j] = float64(scale) * dot(s.vector(qs, lq, i), s.vector(ks, lk, j))
			top = max(top, scores[j])
		}
		var sum float64
		for j, z := range scores {
			scores[j] = math.Exp(z - top)
			sum += scores[j]
		}
		for j, p := range scores {
			axpy(s.vector(out, lq, i), p/sum, s.vector(vs, lk, j))
		}
		logs[r] = top + math.Log(sum)
	})
	store(y, out)
	if lse != nil {
		store(lse, logs)
	}
}

// AttentionGrad forms p = exp(scale·q·kᵀ − lse) again, row by row.
func (backend) AttentionGrad(dq, dk, dv, dy, _, lse, q, k, v *gpu.Tensor, heads int, scale float32, causal bool) {
	lq, lk, d := q.Dim(1), k.Dim(1), q.Dim(2)/heads
	qs, ks, vs, dys, logs := load(q), load(k), load(v), load(dy), load(lse)
	outQ, outK, outV := make([]float64, dq.Len()), make([]float64, dk.Len()), make([]float64, dv.Len())
	parallel(q.Dim(0)*heads, func(bh int) {
		s := split{bh / heads, bh % heads, heads, d}
		p, dp := make([]float64, lk), make([]float64, lk)
		for i := range lq {
			qi, dyi := s.vector(qs, lq, i), s.vector(dys, lq, i)
			n := keys(i, lk, causal)
			var mean float64 // Σ p·dp
			for j := range n {
				p[j] = math.Exp(float64(scale)*dot(qi, s.vector(ks, lk, j)) - logs[bh*lq+i])
				dp[j] = dot(dyi, s.vector(vs, lk, j))
				mean += p[j] * dp[j]
			}
			for j := range n {
				ds := float64(scale) * p[j] * (dp[j] - mean)
				axpy(s.vector(outQ, lq, i), ds, s.vector(ks, lk, j))
				axpy(s.vector(outK, lk, j), ds, qi)
				axpy(s.vector(outV, lk, j), p[j], dyi)
			}
		}
	})
	store(dq, outQ)
	store(dk, outK)
	store(dv, outV)
}

func (backend) Softmax(y, x *gpu.Tensor) {
	n := x.Dim(-1)
	xs, out := load(x), make([]float64, y.Len())
	for r := range len(xs) / max(n, 1) {
		in, o := row(xs, r, n), row(out, r, n)
		top := math.Inf(-1)
		for _, v := range in {
			top = max(top, v)
		}
		var sum float64
		for _, v := range in {
			sum += math.Exp(v - top)
		}
		for i, v := range in {
			o[i] = math.Exp(v-top) / sum
		}
	}
	store(y, out)
}

// SoftmaxGrad is dx = y·(dy − Σ y·dy).
func (backend) SoftmaxGrad(dx, dy, y *gpu.Tensor) {
	n := y.Dim(-1)
	ys, dys, out := load(y), load(dy), make([]float64, dx.Len())
	for r := range len(ys) / max(n, 1) {
		p, dp := row(ys, r, n), row(dys, r, n)
		mean := dot(p, dp)
		for i, o := 0, row(out, r, n); i < n; i++ {
			o[i] = p[i] * (dp[i] - mean)
		}
	}
	store(dx, out)
}
