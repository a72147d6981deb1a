package nn

import "latent/gpu"

// Attention is multi-head attention from x to context (Vaswani et al. 2017).
type Attention struct {
	ToQ   *Linear   `key:"to_q"`
	ToK   *Linear   `key:"to_k"`
	ToV   *Linear   `key:"to_v"`
	ToOut []*Linear `key:"to_out"` // one
	Heads int
}

// NewAttention declares attention of dim features over context's; bias is that
// of the projections to q, k and v.
func NewAttention(dim, context, heads int, bias bool) *Attention {
	return &Attention{
		ToQ:   NewLinear(dim, dim, bias),
		ToK:   NewLinear(context, dim, bias),
		ToV:   NewLinear(context, dim, bias),
		ToOut: []*Linear{NewLinear(dim, dim, true)},
		Heads: heads,
	}
}

// ForwardAdd is res[B,Lq,dim] + attention of x[B,Lq,dim] to context[B,Lk,D].
func (a *Attention) ForwardAdd(x, context, res *gpu.Tensor) *gpu.Tensor {
	var q, k, v *gpu.Tensor
	if x == context {
		qkv := ForwardMany(x, a.ToQ, a.ToK, a.ToV)
		q, k, v = qkv[0], qkv[1], qkv[2]
	} else {
		kv := ForwardMany(context, a.ToK, a.ToV)
		q, k, v = a.ToQ.Forward(x), kv[0], kv[1]
	}
	y := gpu.Attention(q, k, v, a.Heads, false)
	return a.ToOut[0].ForwardAdd(y, res)
}
