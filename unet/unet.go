// Package unet is the denoiser of latent diffusion: a U-Net whose residual
// blocks know the time and whose transformers look at the text (Rombach et al.
// 2022, figure 3; Ronneberger et al. 2015; Ho et al. 2020). It is built from
// the config.json of diffusers' UNet2DConditionModel and bears its parameter
// names: Stable Diffusion 1.x, 2.x and XL are configurations of it.
//
// Tensors are channels last: a latent is [N,h,w,C], the text [N,L,D].
package unet

import (
	"fmt"

	"latent/gpu"
	"latent/gpu/nn"
)

// Model predicts ε, v or x₀ (as it was trained) from a noisy latent.
type Model struct {
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
	UpBlocks       []*UpBlock2D       `key:"up_blocks"`
	ConvNormOut    *nn.GroupNorm      `key:"conv_norm_out"`
	ConvOut        *nn.Conv2d         `key:"conv_out"`
}

// Added is what some models are told besides the time and the text. A model
// that wants none takes nil.
type Added struct {
	Pooled       *gpu.Tensor // [N,P]: the pooled text vector of "text_time" (SDXL)
	TimeIDs      [][]float32 // [N][6]: original height, width, crop top, left, target height, width (SDXL)
	SizeCode     *gpu.Tensor // TimeIDs as SizeCode makes it; may be given instead
	ClassLabels  *gpu.Tensor // [N,P]: what class_embed_type "projection" projects
	TimestepCond *gpu.Tensor // [N,time_cond_proj_dim]: the guidance embedding of LCM
}

// New builds the model of a configuration; its parameters have no values yet.
func New(cfg Config) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	width, temb := cfg.BlockOutChannels, cfg.timeEmbedDim()
	first, last := width[0], len(width)-1
	m := &Model{
		Config:        cfg,
		ConvIn:        nn.NewConv2d(cfg.InChannels, first, cfg.ConvInKernel, 1, (cfg.ConvInKernel-1)/2),
		TimeEmbedding: newTimestepEmbedding(first, temb, cfg.TimeCondProjDim),
		ConvNormOut:   nn.NewGroupNorm(cfg.NormNumGroups, first, cfg.NormEps),
		ConvOut:       nn.NewConv2d(first, cfg.OutChannels, cfg.ConvOutKernel, 1, (cfg.ConvOutKernel-1)/2),
	}
	if cfg.ClassEmbedType != "" {
		m.ClassEmbedding = newTimestepEmbedding(cfg.ProjectionClassEmbeddingsInputDim, temb, 0)
	}
	if cfg.AdditionEmbedType != "" {
		m.AddEmbedding = newAddEmbedding(cfg, temb)
	}
	in := first
	for i, kind := range cfg.DownBlockTypes {
		m.DownBlocks = append(m.DownBlocks, newDownBlock(cfg, i, kind, in, temb))
		in = width[i]
	}
	if cfg.MidBlockType != "" {
		m.MidBlock = newMidBlock(cfg, temb)
	}
	for i, kind := range cfg.UpBlockTypes {
		// Block i of the way up mirrors block last−i of the way down.
		m.UpBlocks = append(m.UpBlocks, newUpBlock(cfg, last-i, kind, in, temb))
		in = width[last-i]
	}
	return m, nil
}

// Forward predicts from x[N,h,w,Cin] at times t (one, or one per element),
// given the text cond[N,L,D] and what else the model wants. The result is
// [N,h,w,Cout].
func (m *Model) Forward(x *gpu.Tensor, t []float32, cond *gpu.Tensor, added *Added) *gpu.Tensor {
	return x.Device().Scope1(func() *gpu.Tensor {
		return m.ForwardCode(x, m.TimeCode(x.Device(), x.DType(), t, x.Dim(0)), cond, added)
	})
}

// ForwardCode is Forward at times that TimeCode was made of. If the sizes too are
// given as their code it reads nothing but tensors, so that it can be captured.
func (m *Model) ForwardCode(x, code, cond *gpu.Tensor, added *Added) *gpu.Tensor {
	if added == nil {
		added = &Added{}
	}
	return x.Device().Scope1(func() *gpu.Tensor {
		temb := m.embedTime(code, cond, added)

		h := m.block(m.ConvIn, func(xs ...*gpu.Tensor) *gpu.Tensor { return m.ConvIn.Forward(xs[0]) }, x)
		residuals := []*gpu.Tensor{h}
		for _, down := range m.DownBlocks {
			var rs []*gpu.Tensor
			h, rs = down.forward(m, h, temb, cond)
			residuals = append(residuals, rs...)
		}

		if m.MidBlock != nil {
			h = m.MidBlock.forward(m, h, temb, cond)
		}

		for _, up := range m.UpBlocks {
			h, residuals = up.forward(m, h, residuals, temb, cond)
		}
		return m.block(&end{m.ConvOut, m.ConvNormOut}, func(xs ...*gpu.Tensor) *gpu.Tensor {
			return m.ConvOut.Forward(m.ConvNormOut.ForwardSiLU(xs[0]))
		}, h)
	})
}

// end is the last norm and convolution, as one block.
type end struct {
	Conv *nn.Conv2d    `key:""` // first: it gives the block its name
	Norm *nn.GroupNorm `key:"norm"`
}

// TimeCode is the position code [n,C] of the times t (one, or one per element) of
// n latents.
func (m *Model) TimeCode(dev *gpu.Device, dtype gpu.DType, t []float32, n int) *gpu.Tensor {
	if len(t) == 1 && n > 1 {
		t = repeat(t[0], n)
	}
	check(len(t) == n, "%d times for %d latents", len(t), n)
	return nn.SinusoidalEmbedding(dev, dtype, t, m.Config.BlockOutChannels[0], m.Config.FlipSinToCos, m.Config.FreqShift)
}

// embedTime is the vector [N,T] that every residual block adds, after its
// activation: the time, and what the model is told besides.
func (m *Model) embedTime(code, cond *gpu.Tensor, added *Added) *gpu.Tensor {
	emb := m.TimeEmbedding.Forward(code, added.TimestepCond)
	if m.ClassEmbedding != nil {
		check(added.ClassLabels != nil, "the model wants Added.ClassLabels")
		emb = gpu.Add(emb, m.ClassEmbedding.Forward(added.ClassLabels, nil))
	}
	if m.AddEmbedding != nil {
		emb = gpu.Add(emb, m.AddEmbedding.forward(m.Config, cond, added))
	}
	return gpu.Apply(gpu.SiLU, emb)
}

// block runs one part, a residual block or transformer: without gradients its
// temporaries are freed at its end, with m.Checkpoint also in training.
func (m *Model) block(part any, f func(xs ...*gpu.Tensor) *gpu.Tensor, xs ...*gpu.Tensor) *gpu.Tensor {
	return xs[0].Device().Scope1(func() *gpu.Tensor {
		switch {
		case m.Rescue != nil:
			return m.Rescue.Run(part, f, xs...)
		case m.Checkpoint:
			return gpu.Checkpoint(f, xs...)
		}
		return f(xs...)
	})
}

func repeat(v float32, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func check(ok bool, format string, args ...any) {
	if !ok {
		panic(&gpu.Error{Op: "unet", Err: fmt.Errorf(format, args...)})
	}
}
