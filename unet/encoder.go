package unet

import (
	"latent/gpu"
	"latent/gpu/nn"
)

// Encoder is what a U-Net and a ControlNet have in common: the embedding of the
// time, the way down and the middle.
type Encoder struct {
	Config Config
	// Checkpoint recomputes each block in the backward pass instead of keeping
	// its intermediate tensors: memory for time.
	Checkpoint bool
	// Rescue, if not nil, watches over the blocks.
	Rescue *nn.Rescue

	ConvIn         *nn.Conv2d         `key:"conv_in"`
	TimeEmbedding  *TimestepEmbedding `key:"time_embedding"`
	ClassEmbedding *TimestepEmbedding `key:"class_embedding"` // class_embed_type "projection"
	AddEmbedding   *AddEmbedding      `key:"add_embedding"`   // addition_embed_type
	DownBlocks     []*DownBlock2D     `key:"down_blocks"`
	MidBlock       *MidBlock2D        `key:"mid_block"`
}

// newEncoder builds the encoder of a valid configuration.
func newEncoder(cfg Config) Encoder {
	width, temb := cfg.BlockOutChannels, cfg.timeEmbedDim()
	e := Encoder{
		Config:        cfg,
		ConvIn:        nn.NewConv2d(cfg.InChannels, width[0], cfg.ConvInKernel, 1, (cfg.ConvInKernel-1)/2),
		TimeEmbedding: newTimestepEmbedding(width[0], temb, cfg.TimeCondProjDim),
	}
	if cfg.ClassEmbedType != "" {
		e.ClassEmbedding = newTimestepEmbedding(cfg.ProjectionClassEmbeddingsInputDim, temb, 0)
	}
	if cfg.AdditionEmbedType != "" {
		e.AddEmbedding = newAddEmbedding(cfg, temb)
	}
	in := width[0]
	for i, kind := range cfg.DownBlockTypes {
		e.DownBlocks = append(e.DownBlocks, newDownBlock(cfg, i, kind, in, temb))
		in = width[i]
	}
	if cfg.MidBlockType != "" {
		e.MidBlock = newMidBlock(cfg, temb)
	}
	return e
}

// encode goes from x[N,h,w,Cin] down and through the middle. It returns the result
// and the tensors after each layer. hint[N,h,w,C], if not nil, is added to the
// first of them.
func (e *Encoder) encode(x, hint, temb, cond *gpu.Tensor) (h *gpu.Tensor, skips []*gpu.Tensor) {
	h = e.enter(x, hint)
	skips = []*gpu.Tensor{h}
	for _, down := range e.DownBlocks {
		var rs []*gpu.Tensor
		h, rs = down.forward(e, h, temb, cond)
		skips = append(skips, rs...)
	}
	if e.MidBlock != nil {
		h = e.MidBlock.forward(e, h, temb, cond)
	}
	return h, skips
}

// enter is the first convolution, with hint added where there is one.
func (e *Encoder) enter(x, hint *gpu.Tensor) *gpu.Tensor {
	in := []*gpu.Tensor{x}
	if hint != nil {
		in = append(in, hint)
	}
	return e.block(e.ConvIn, func(xs ...*gpu.Tensor) *gpu.Tensor {
		if len(xs) > 1 {
			return e.ConvIn.ForwardAdd(xs[0], xs[1])
		}
		return e.ConvIn.Forward(xs[0])
	}, in...)
}

// TimeCode is the position code [n,C] of the times t (one, or one per element) of
// n latents.
func (e *Encoder) TimeCode(dev *gpu.Device, dtype gpu.DType, t []float32, n int) *gpu.Tensor {
	if len(t) == 1 && n > 1 {
		t = repeat(t[0], n)
	}
	check(len(t) == n, "%d times for %d latents", len(t), n)
	return nn.SinusoidalEmbedding(dev, dtype, t, e.Config.BlockOutChannels[0], e.Config.FlipSinToCos, e.Config.FreqShift)
}

// embedTime is the vector [N,T] that every residual block adds, after its
// activation: the time, and what the model is told besides.
func (e *Encoder) embedTime(code, cond *gpu.Tensor, added *Added) *gpu.Tensor {
	if added == nil {
		added = &Added{}
	}
	emb := e.TimeEmbedding.Forward(code, added.TimestepCond)
	if e.ClassEmbedding != nil {
		check(added.ClassLabels != nil, "the model wants Added.ClassLabels")
		emb = gpu.Add(emb, e.ClassEmbedding.Forward(added.ClassLabels, nil))
	}
	if e.AddEmbedding != nil {
		emb = gpu.Add(emb, e.AddEmbedding.forward(e.Config, cond, added))
	}
	return gpu.Apply(gpu.SiLU, emb)
}

// block runs one part, a residual block or transformer: without gradients its
// temporaries are freed at its end, with e.Checkpoint also in training.
func (e *Encoder) block(part any, f func(xs ...*gpu.Tensor) *gpu.Tensor, xs ...*gpu.Tensor) *gpu.Tensor {
	return xs[0].Device().Scope1(func() *gpu.Tensor {
		switch {
		case e.Rescue != nil:
			return e.Rescue.Run(part, f, xs...)
		case e.Checkpoint:
			return gpu.Checkpoint(f, xs...)
		}
		return f(xs...)
	})
}
