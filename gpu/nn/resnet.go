package nn

import "latent/gpu"

// ResnetBlock2D is the residual block of the U-Net and the autoencoder
// (He et al. 2016; Ho et al. 2020, appendix B).
type ResnetBlock2D struct {
	Norm1        *GroupNorm `key:"norm1"`
	Conv1        *Conv2d    `key:"conv1"`
	TimeEmbProj  *Linear    `key:"time_emb_proj"` // nil: no time, as in the autoencoder
	Norm2        *GroupNorm `key:"norm2"`
	Conv2        *Conv2d    `key:"conv2"`
	ConvShortcut *Conv2d    `key:"conv_shortcut"` // nil where in == out
}

// NewResnetBlock2D declares a block of in → out channels; temb is the width of
// the time embedding, 0 for none.
func NewResnetBlock2D(in, out, temb, groups int, eps float32) *ResnetBlock2D {
	r := &ResnetBlock2D{
		Norm1: NewGroupNorm(groups, in, eps),
		Conv1: NewConv2d(in, out, 3, 1, 1),
		Norm2: NewGroupNorm(groups, out, eps),
		Conv2: NewConv2d(out, out, 3, 1, 1),
	}
	if temb > 0 {
		r.TimeEmbProj = NewLinear(temb, out, true)
	}
	if in != out {
		r.ConvShortcut = NewConv2d(in, out, 1, 1, 0)
	}
	return r
}

// Forward maps x[N,H,W,in] to [N,H,W,out]. temb [N,T] is the time embedding
// after its activation: every block applies the same one, so it is done once.
func (r *ResnetBlock2D) Forward(x, temb *gpu.Tensor) *gpu.Tensor {
	return r.ForwardJoined(gpu.Join(x), temb)
}

// ForwardJoined is Forward of parts side by side along the channels.
func (r *ResnetBlock2D) ForwardJoined(x *gpu.Joined, temb *gpu.Tensor) *gpu.Tensor {
	n := r.Norm1
	h := x.GroupNorm(n.Weight.T, n.Bias.T, n.Groups, n.Eps, true)
	if r.TimeEmbProj != nil {
		h = r.Conv1.ForwardShift(h, r.TimeEmbProj.Forward(temb))
	} else {
		h = r.Conv1.Forward(h)
	}
	res := r.ConvShortcut
	h = r.Norm2.ForwardSiLU(h)
	switch {
	case res == nil:
		return r.Conv2.ForwardAdd(h, x.Whole())
	case res.Adapter != nil:
		return r.Conv2.ForwardAdd(h, res.Forward(x.Whole()))
	default:
		return r.Conv2.ForwardAdd(h, x.Pointwise(res.Weight.T, value(res.Bias)))
	}
}
