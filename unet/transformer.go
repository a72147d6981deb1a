package unet

import (
	"latent/gpu"
	"latent/gpu/nn"
)

// Transformer2D lets the positions of a feature map look at one another and at
// the text (Rombach et al. 2022, appendix E.2.1).
type Transformer2D struct {
	Norm    *nn.GroupNorm            `key:"norm"`
	ProjIn  projection               `key:"proj_in"`
	Blocks  []*BasicTransformerBlock `key:"transformer_blocks"`
	ProjOut projection               `key:"proj_out"`
}

// projection is a linear layer or, where use_linear_projection is false, the
// same arithmetic written as a 1×1 convolution.
type projection interface {
	ForwardAdd(x, res *gpu.Tensor) *gpu.Tensor
}

func newTransformer(cfg Config, i int) *Transformer2D {
	c := cfg.BlockOutChannels[i]
	project := func() projection {
		if cfg.UseLinearProjection {
			return nn.NewLinear(c, c, true)
		}
		return nn.NewConv2d(c, c, 1, 1, 0)
	}
	t := &Transformer2D{Norm: nn.NewGroupNorm(cfg.NormNumGroups, c, 1e-6), ProjIn: project(), ProjOut: project()}
	for range cfg.TransformerLayersPerBlock.At(i) {
		t.Blocks = append(t.Blocks, newBasicTransformerBlock(c, cfg.CrossAttentionDim.At(i), cfg.heads().At(i)))
	}
	return t
}

// Forward maps x[N,h,w,C] to the same shape, given the text cond[N,L,D].
func (t *Transformer2D) Forward(x, cond *gpu.Tensor) *gpu.Tensor {
	n, h, w, c := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	tokens := gpu.Reshape(t.ProjIn.ForwardAdd(t.Norm.Forward(x), nil), n, h*w, c)
	for _, b := range t.Blocks {
		tokens = b.Forward(tokens, cond)
	}
	return t.ProjOut.ForwardAdd(gpu.Reshape(tokens, n, h, w, c), x)
}

// BasicTransformerBlock is self-attention, attention to the text and a
// feed-forward layer, each on the normalised tokens and added to them.
type BasicTransformerBlock struct {
	Norm1 *nn.LayerNorm `key:"norm1"`
	Attn1 *nn.Attention `key:"attn1"`
	Norm2 *nn.LayerNorm `key:"norm2"`
	Attn2 *nn.Attention `key:"attn2"`
	Norm3 *nn.LayerNorm `key:"norm3"`
	FF    *FeedForward  `key:"ff"`
}

func newBasicTransformerBlock(c, context, heads int) *BasicTransformerBlock {
	return &BasicTransformerBlock{
		Norm1: nn.NewLayerNorm(c, 1e-5), Attn1: nn.NewAttention(c, c, heads, false),
		Norm2: nn.NewLayerNorm(c, 1e-5), Attn2: nn.NewAttention(c, context, heads, false),
		Norm3: nn.NewLayerNorm(c, 1e-5), FF: newFeedForward(c),
	}
}

// Forward maps tokens x[N,L,C] to the same shape.
func (b *BasicTransformerBlock) Forward(x, cond *gpu.Tensor) *gpu.Tensor {
	h := b.Norm1.Forward(x)
	x = b.Attn1.ForwardAdd(h, h, x)
	x = b.Attn2.ForwardAdd(b.Norm2.Forward(x), cond, x)
	return b.FF.forwardAdd(b.Norm3.Forward(x), x)
}

// FeedForward is a gated layer four times as wide (Shazeer 2020, GEGLU).
type FeedForward struct {
	Proj *nn.Linear `key:"net.0.proj"` // to [a | g]
	Out  *nn.Linear `key:"net.2"`
}

func newFeedForward(c int) *FeedForward {
	return &FeedForward{Proj: nn.NewLinear(c, 8*c, true), Out: nn.NewLinear(4*c, c, true)}
}

func (f *FeedForward) forwardAdd(x, res *gpu.Tensor) *gpu.Tensor {
	return f.Out.ForwardAdd(f.Proj.ForwardGEGLU(x), res)
}
