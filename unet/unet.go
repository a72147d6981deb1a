// Package unet is the denoiser of latent diffusion: a U-Net whose residual
// blocks know the time and whose transformers look at the text (Rombach et al.
// 2022, figure 3; Ronneberger et al. 2015; Ho et al. 2020). It is built from
// the config.json of diffusers' UNet2DConditionModel and bears its parameter
// names: Stable Diffusion 1.x, 2.x and XL are configurations of it. ControlNets
// (Zhang et al. 2023) share its encoder.
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
	Encoder     `key:""`
	UpBlocks    []*UpBlock2D  `key:"up_blocks"`
	ConvNormOut *nn.GroupNorm `key:"conv_norm_out"`
	ConvOut     *nn.Conv2d    `key:"conv_out"`
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
		Encoder:     newEncoder(cfg),
		ConvNormOut: nn.NewGroupNorm(cfg.NormNumGroups, first, cfg.NormEps),
		ConvOut:     nn.NewConv2d(first, cfg.OutChannels, cfg.ConvOutKernel, 1, (cfg.ConvOutKernel-1)/2),
	}
	in := width[last]
	for i, kind := range cfg.UpBlockTypes {
		// Block i of the way up mirrors block last−i of the way down.
		m.UpBlocks = append(m.UpBlocks, newUpBlock(cfg, last-i, kind, in, temb))
		in = width[last-i]
	}
	return m, nil
}

// Forward predicts from x[N,h,w,Cin] at times t (one, or one per element),
// given the text cond[N,L,D], what else the model wants, and what ControlNets
// add. The result is [N,h,w,Cout].
func (m *Model) Forward(x *gpu.Tensor, t []float32, cond *gpu.Tensor, added *Added, controls ...Residuals) *gpu.Tensor {
	return x.Device().Scope1(func() *gpu.Tensor {
		return m.ForwardCode(x, m.TimeCode(x.Device(), x.DType(), t, x.Dim(0)), cond, added, controls...)
	})
}

// ForwardCode is Forward at times that TimeCode was made of. If the sizes too are
// given as their code it reads nothing but tensors, so that it can be captured.
func (m *Model) ForwardCode(x, code, cond *gpu.Tensor, added *Added, controls ...Residuals) *gpu.Tensor {
	return x.Device().Scope1(func() *gpu.Tensor {
		temb := m.embedTime(code, cond, added)
		h, skips := m.encode(x, nil, temb, cond)
		h, skips = control(h, skips, controls)
		h = m.ascend(h, skips, temb, cond)
		return m.top(h, skips[0], temb, cond)
	})
}

// ascend is the way up to before the last layer, which reads skips[0].
func (m *Model) ascend(h *gpu.Tensor, skips []*gpu.Tensor, temb, cond *gpu.Tensor) *gpu.Tensor {
	last := len(m.UpBlocks) - 1
	for _, up := range m.UpBlocks[:last] {
		h, skips = up.forward(&m.Encoder, h, skips, temb, cond)
	}
	up := m.UpBlocks[last]
	for i := range up.Resnets[1:] {
		h, skips = up.layer(&m.Encoder, i, h, skips, temb, cond)
	}
	return h
}

// top is the last layer, its norm and the last convolution.
func (m *Model) top(h, skip, temb, cond *gpu.Tensor) *gpu.Tensor {
	up := m.UpBlocks[len(m.UpBlocks)-1]
	h, _ = up.layer(&m.Encoder, len(up.Resnets)-1, h, []*gpu.Tensor{skip}, temb, cond)
	return m.block(&end{m.ConvOut, m.ConvNormOut}, func(xs ...*gpu.Tensor) *gpu.Tensor {
		return m.ConvOut.Forward(m.ConvNormOut.ForwardSiLU(xs[0]))
	}, h)
}

// end is the last norm and convolution, as one block.
type end struct {
	Conv *nn.Conv2d    `key:""` // first: it gives the block its name
	Norm *nn.GroupNorm `key:"norm"`
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
