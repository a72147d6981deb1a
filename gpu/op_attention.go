package gpu

import "math"

// Attention is softmax(QKᵀ/√d_k)·V for each of heads (Vaswani et al. 2017,
// eq. 1). q is [B,Lq,heads·d_k]; k and v are [B,Lk,heads·d_k]; the result has
// q's shape. causal hides keys after the query's position. The score matrix is
// never held whole (Dao et al. 2022).
func Attention(q, k, v *Tensor, heads int, causal bool) *Tensor {
	const op = "attention"
	check(q.Rank() == 3 && k.Rank() == 3, op, "q %v and k %v must have 3 axes", q, k)
	checkSame(op, k, v)
	check(q.Dim(0) == k.Dim(0) && q.Dim(2) == k.Dim(2) && q.dtype == k.dtype, op, "q %v does not fit k %v", q, k)
	check(heads > 0 && q.Dim(2)%heads == 0, op, "%d features do not divide into %d heads", q.Dim(2), heads)
	check(!causal || q.Dim(1) == k.Dim(1), op, "causal attention wants equal lengths, has %v and %v", q, k)
	d := q.dev
	scale := float32(1 / math.Sqrt(float64(q.Dim(2)/heads)))
	y := q.like()
	var lse *Tensor
	if d.tape != nil && (wants(q) || wants(k) || wants(v)) {
		lse = d.Empty(Float32, q.Dim(0), heads, q.Dim(1))
	}
	d.b.Attention(y, lse, q, k, v, heads, scale, causal)
	return differentiable(y, func(dy *Tensor) {
		dq, dk, dv := q.like(), k.like(), v.like()
		d.b.AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v, heads, scale, causal)
		q.accumulate(dq)
		k.accumulate(dk)
		v.accumulate(dv)
	}, q, k, v)
}

// Softmax is over the last axis.
func Softmax(x *Tensor) *Tensor {
	d := x.dev
	y := x.like()
	d.b.Softmax(y, x)
	return differentiable(y, func(dy *Tensor) {
		dx := x.like()
		d.b.SoftmaxGrad(dx, dy, y)
		x.accumulate(dx)
	}, x)
}
