package vae

import (
	"latent/gpu"
	"latent/gpu/nn"
)

const eps = 1e-6 // of every group norm

// Encoder halves the picture in every block but the last.
type Encoder struct {
	ConvIn      *nn.Conv2d    `key:"conv_in"`
	DownBlocks  []*Block      `key:"down_blocks"`
	MidBlock    *MidBlock     `key:"mid_block"`
	ConvNormOut *nn.GroupNorm `key:"conv_norm_out"`
	ConvOut     *nn.Conv2d    `key:"conv_out"`
}

// Decoder mirrors the encoder.
type Decoder struct {
	ConvIn      *nn.Conv2d    `key:"conv_in"`
	MidBlock    *MidBlock     `key:"mid_block"`
	UpBlocks    []*Block      `key:"up_blocks"`
	ConvNormOut *nn.GroupNorm `key:"conv_norm_out"`
	ConvOut     *nn.Conv2d    `key:"conv_out"`
}

// Block is diffusers' DownEncoderBlock2D or UpDecoderBlock2D.
type Block struct {
	Resnets      []*nn.ResnetBlock2D `key:"resnets"`
	Downsamplers []*Sampler          `key:"downsamplers"` // one or none
	Upsamplers   []*Sampler          `key:"upsamplers"`   // one or none
}

// Sampler is the convolution that halves or follows the doubling of height
// and width.
type Sampler struct {
	Conv *nn.Conv2d `key:"conv"`
}

// MidBlock is two residual blocks with attention between them.
type MidBlock struct {
	Resnets    []*nn.ResnetBlock2D `key:"resnets"`
	Attentions []*SpatialAttention `key:"attentions"` // none where mid_block_add_attention is false
}

// SpatialAttention lets the positions of a feature map look at one another,
// with one head.
type SpatialAttention struct {
	GroupNorm    *nn.GroupNorm `key:"group_norm"`
	nn.Attention `key:""`
}

func newEncoder(cfg Config) *Encoder {
	width := cfg.BlockOutChannels
	last := len(width) - 1
	e := &Encoder{
		ConvIn:      nn.NewConv2d(cfg.InChannels, width[0], 3, 1, 1),
		MidBlock:    newMidBlock(cfg),
		ConvNormOut: nn.NewGroupNorm(cfg.NormNumGroups, width[last], eps),
		ConvOut:     nn.NewConv2d(width[last], 2*cfg.LatentChannels, 3, 1, 1),
	}
	in := width[0]
	for i, out := range width {
		b := newBlock(cfg, in, out, cfg.LayersPerBlock)
		if i < last {
			// Padded below and to the right alone, as the first autoencoders were.
			conv := nn.NewConv2d(out, out, 3, 2, 0)
			conv.Geometry.Bottom, conv.Geometry.Right = 1, 1
			b.Downsamplers = []*Sampler{{conv}}
		}
		e.DownBlocks = append(e.DownBlocks, b)
		in = out
	}
	return e
}

func newDecoder(cfg Config) *Decoder {
	width := cfg.BlockOutChannels
	last := len(width) - 1
	d := &Decoder{
		ConvIn:      nn.NewConv2d(cfg.LatentChannels, width[last], 3, 1, 1),
		MidBlock:    newMidBlock(cfg),
		ConvNormOut: nn.NewGroupNorm(cfg.NormNumGroups, width[0], eps),
		ConvOut:     nn.NewConv2d(width[0], cfg.OutChannels, 3, 1, 1),
	}
	in := width[last]
	for i := last; i >= 0; i-- {
		out := width[i]
		b := newBlock(cfg, in, out, cfg.LayersPerBlock+1)
		if i > 0 {
			b.Upsamplers = []*Sampler{{nn.NewConv2d(out, out, 3, 1, 1)}}
		}
		d.UpBlocks = append(d.UpBlocks, b)
		in = out
	}
	return d
}

func newBlock(cfg Config, in, out, layers int) *Block {
	b := &Block{}
	for range layers {
		b.Resnets = append(b.Resnets, nn.NewResnetBlock2D(in, out, 0, cfg.NormNumGroups, eps))
		in = out
	}
	return b
}

func newMidBlock(cfg Config) *MidBlock {
	c := cfg.BlockOutChannels[len(cfg.BlockOutChannels)-1]
	b := &MidBlock{Resnets: newBlock(cfg, c, c, 2).Resnets}
	if cfg.MidBlockAddAttention {
		b.Attentions = []*SpatialAttention{{
			GroupNorm: nn.NewGroupNorm(cfg.NormNumGroups, c, eps),
			Attention: *nn.NewAttention(c, c, 1, true),
		}}
	}
	return b
}

func (e *Encoder) forward(m *Model, x *gpu.Tensor) *gpu.Tensor {
	h := m.conv(e.ConvIn, x)
	for _, b := range e.DownBlocks {
		h = b.forward(m, h)
	}
	h = e.MidBlock.forward(m, h)
	return m.finish(e.ConvNormOut, e.ConvOut, h)
}

func (d *Decoder) forward(m *Model, z *gpu.Tensor) *gpu.Tensor {
	h := m.conv(d.ConvIn, z)
	h = d.MidBlock.forward(m, h)
	for _, b := range d.UpBlocks {
		h = b.forward(m, h)
	}
	return m.finish(d.ConvNormOut, d.ConvOut, h)
}

func (b *Block) forward(m *Model, x *gpu.Tensor) *gpu.Tensor {
	if m.banded {
		x.Device().Trim() // what the smaller maps took fits no larger one
	}
	for _, r := range b.Resnets {
		x = m.resnet(r, x)
	}
	for _, s := range b.Downsamplers {
		x = m.block(s, x, func(x *gpu.Tensor) *gpu.Tensor { return m.run(band{conv: s.Conv}, x) })
	}
	for _, s := range b.Upsamplers {
		x = m.block(s, x, func(x *gpu.Tensor) *gpu.Tensor { return m.run(band{conv: s.Conv, double: true}, x) })
	}
	return x
}

func (b *MidBlock) forward(m *Model, x *gpu.Tensor) *gpu.Tensor {
	x = m.resnet(b.Resnets[0], x)
	for _, a := range b.Attentions {
		x = m.block(a, x, a.Forward)
	}
	return m.resnet(b.Resnets[1], x)
}

// Forward maps x[N,h,w,C] to the same shape.
func (a *SpatialAttention) Forward(x *gpu.Tensor) *gpu.Tensor {
	n, h, w, c := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	tokens := gpu.Reshape(a.GroupNorm.Forward(x), n, h*w, c)
	return gpu.Reshape(a.ForwardAdd(tokens, tokens, gpu.Reshape(x, n, h*w, c)), n, h, w, c)
}

// end is the last norm and convolution of a coder, as one block.
type end struct {
	Conv *nn.Conv2d    `key:""` // first: it gives the block its name
	Norm *nn.GroupNorm `key:"norm"`
}

func (m *Model) finish(norm *nn.GroupNorm, conv *nn.Conv2d, x *gpu.Tensor) *gpu.Tensor {
	return m.block(&end{conv, norm}, x, func(x *gpu.Tensor) *gpu.Tensor { return m.run(band{norm: norm, conv: conv}, x) })
}

// conv is a convolution of what belongs to the caller.
func (m *Model) conv(c *nn.Conv2d, x *gpu.Tensor) *gpu.Tensor { return m.run(band{conv: c}, x) }

func (m *Model) resnet(r *nn.ResnetBlock2D, x *gpu.Tensor) *gpu.Tensor {
	return m.block(r, x, func(x *gpu.Tensor) *gpu.Tensor {
		if !m.banded {
			return r.Forward(x, nil)
		}
		h := m.run(band{norm: r.Norm1, conv: r.Conv1}, x)
		return m.run(band{norm: r.Norm2, conv: r.Conv2, res: x, shortcut: r.ConvShortcut}, h)
	})
}

// block runs one block: without gradients its temporaries are freed at its
// end, with m.Checkpoint also in training. x is not used again.
func (m *Model) block(part any, x *gpu.Tensor, f func(x *gpu.Tensor) *gpu.Tensor) *gpu.Tensor {
	y := x.Device().Scope1(func() *gpu.Tensor {
		g := func(xs ...*gpu.Tensor) *gpu.Tensor { return f(xs[0]) }
		switch {
		case m.Rescue != nil:
			return m.Rescue.Run(part, g, x)
		case m.Checkpoint:
			return gpu.Checkpoint(g, x)
		}
		return f(x)
	})
	if m.inference {
		x.Free()
	}
	return y
}
