// Package vae is the autoencoder of latent diffusion: pictures to latents an
// eighth of their size and back (Kingma & Welling 2014; Rombach et al. 2022,
// section 3.1). It is built from the config.json of diffusers' AutoencoderKL
// and bears its parameter names.
//
// Tensors are channels last: a picture is [N,H,W,3] in [−1,1], a latent
// [N,h,w,C], the moments of a latent's distribution [N,h,w,2C] = [mean | logvar].
package vae

import (
	"fmt"
	"strings"

	"latent/gpu"
	"latent/gpu/nn"
)

// Model is the autoencoder.
type Model struct {
	Config Config
	// Checkpoint recomputes each block in the backward pass instead of keeping
	// its intermediate tensors: memory for time.
	Checkpoint bool
	// Tiling says whether Encode and Decode go over large pictures in bands.
	Tiling Tiling
	// Rescue, if not nil, watches over the blocks.
	Rescue *nn.Rescue

	// Of the Encode or Decode under way: nothing is kept for a backward pass, and
	// convolutions run band by band.
	inference, banded bool

	Encoder       *Encoder   `key:"encoder"`
	Decoder       *Decoder   `key:"decoder"`
	QuantConv     *nn.Conv2d `key:"quant_conv"`      // nil where use_quant_conv is false
	PostQuantConv *nn.Conv2d `key:"post_quant_conv"` // nil where use_post_quant_conv is false
}

// New builds the model of a configuration; its parameters have no values yet.
func New(cfg Config) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := &Model{Config: cfg, Encoder: newEncoder(cfg), Decoder: newDecoder(cfg)}
	c := cfg.LatentChannels
	if cfg.UseQuantConv {
		m.QuantConv = nn.NewConv2d(2*c, 2*c, 1, 1, 0)
	}
	if cfg.UsePostQuantConv {
		m.PostQuantConv = nn.NewConv2d(c, c, 1, 1, 0)
	}
	return m, nil
}

// Encode gives the latent that the U-Net works on, [N,h,w,C]: a sample
// z = mean + σ·noise, or the mean itself where noise is nil, shifted and scaled
// to about unit variance. H and W must be multiples of Config.Factor.
func (m *Model) Encode(x, noise *gpu.Tensor) (z *gpu.Tensor, err error) {
	defer gpu.Catch(&err)
	return x.Device().Scope1(func() *gpu.Tensor {
		return m.Latent(m.infer(x.Dim(1), x.Dim(2), x, m.Moments), noise)
	}), nil
}

// Latent is the second half of Encode: from the moments [N,h,w,2C] of a picture
// to its latent [N,h,w,C].
func (m *Model) Latent(moments, noise *gpu.Tensor) *gpu.Tensor {
	return moments.Device().Scope1(func() (z *gpu.Tensor) {
		if noise == nil {
			z = gpu.Channels(moments, 0, m.Config.LatentChannels)
		} else {
			z = gpu.GaussianSample(moments, noise)
		}
		if m.Config.ShiftFactor != 0 {
			z = gpu.Add(z, z.Device().Full(-m.Config.ShiftFactor, z.DType(), z.Shape()...))
		}
		return gpu.Scale(m.Config.ScalingFactor, z)
	})
}

// Decode turns a latent of the U-Net [N,h,w,C] into a picture [N,H,W,3], about
// −1 to 1 and not clamped.
func (m *Model) Decode(z *gpu.Tensor) (x *gpu.Tensor, err error) {
	defer gpu.Catch(&err)
	return z.Device().Scope1(func() *gpu.Tensor {
		z := gpu.Scale(1/m.Config.ScalingFactor, z)
		if m.Config.ShiftFactor != 0 {
			z = gpu.Add(z, z.Device().Full(m.Config.ShiftFactor, z.DType(), z.Shape()...))
		}
		f := m.Config.Factor()
		return m.infer(z.Dim(1)*f, z.Dim(2)*f, z, m.Reconstruct)
	}), nil
}

// infer is f(x), which passes a picture of h×w pixels, without gradients.
func (m *Model) infer(h, w int, x *gpu.Tensor, f func(*gpu.Tensor) *gpu.Tensor) (y *gpu.Tensor) {
	defer func() { m.inference, m.banded = false, false }()
	m.inference, m.banded = true, m.tiles(h, w, x.DType())
	x.Device().NoGrad(func() { y = f(x) })
	return y
}

// EncodeMoments is Moments without gradients, and with an error in place of a
// panic.
func (m *Model) EncodeMoments(x *gpu.Tensor) (moments *gpu.Tensor, err error) {
	defer gpu.Catch(&err)
	return m.infer(x.Dim(1), x.Dim(2), x, m.Moments), nil
}

// Moments is the distribution q(z|x) of the unscaled latent, for training:
// gpu.GaussianSample draws from it, gpu.GaussianKL holds it near N(0,1).
func (m *Model) Moments(x *gpu.Tensor) *gpu.Tensor {
	f := m.Config.Factor()
	check(x.Rank() == 4 && x.Dim(1)%f == 0 && x.Dim(2)%f == 0, "picture %v must have a height and width that %d divides", x, f)
	return x.Device().Scope1(func() *gpu.Tensor {
		h := m.Encoder.forward(m, x)
		if m.QuantConv != nil {
			h = m.QuantConv.Forward(h)
		}
		return h
	})
}

// Reconstruct is the picture of an unscaled latent z, for training.
func (m *Model) Reconstruct(z *gpu.Tensor) *gpu.Tensor {
	return z.Device().Scope1(func() *gpu.Tensor {
		h := z
		if m.PostQuantConv != nil {
			h = m.PostQuantConv.Forward(h)
		}
		return m.Decoder.forward(m, h)
	})
}

// Rename turns the parameter names of older files into those of today; use it
// with nn.Renamed.
func Rename(key string) string {
	prefix, name, ok := strings.Cut(key, ".attentions.0.")
	if !ok {
		return key
	}
	for _, r := range [][2]string{
		{"query.", "to_q."}, {"key.", "to_k."}, {"value.", "to_v."}, {"proj_attn.", "to_out.0."},
	} {
		if rest, ok := strings.CutPrefix(name, r[0]); ok {
			return prefix + ".attentions.0." + r[1] + rest
		}
	}
	return key
}

func check(ok bool, format string, args ...any) {
	if !ok {
		panic(&gpu.Error{Op: "autoencoder", Err: fmt.Errorf(format, args...)})
	}
}
