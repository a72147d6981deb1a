package unet

import (
	"latent/gpu"
	"latent/gpu/nn"
)

// Sampler is the convolution that halves or follows the doubling of height
// and width.
type Sampler struct {
	Conv *nn.Conv2d `key:"conv"`
}

// DownBlock2D is diffusers' DownBlock2D, or CrossAttnDownBlock2D where it has
// attentions.
type DownBlock2D struct {
	Resnets      []*nn.ResnetBlock2D `key:"resnets"`
	Attentions   []*Transformer2D    `key:"attentions"`
	Downsamplers []*Sampler          `key:"downsamplers"` // one, none in the last block
}

func newDownBlock(cfg Config, i int, kind string, in, temb int) *DownBlock2D {
	b, out := &DownBlock2D{}, cfg.BlockOutChannels[i]
	for range cfg.LayersPerBlock.At(i) {
		b.Resnets = append(b.Resnets, nn.NewResnetBlock2D(in, out, temb, cfg.NormNumGroups, cfg.NormEps))
		if kind == crossAttnDown {
			b.Attentions = append(b.Attentions, newTransformer(cfg, i))
		}
		in = out
	}
	if i < len(cfg.BlockOutChannels)-1 {
		b.Downsamplers = []*Sampler{{nn.NewConv2d(out, out, 3, 2, 1)}}
	}
	return b
}

// forward returns the block's output and the tensor after each of its layers,
// for the skip connections.
func (b *DownBlock2D) forward(e *Encoder, x, temb, cond *gpu.Tensor) (*gpu.Tensor, []*gpu.Tensor) {
	var residuals []*gpu.Tensor
	for i, r := range b.Resnets {
		x = e.resnet(r, temb, x)
		if b.Attentions != nil {
			x = e.attend(b.Attentions[i], x, cond)
		}
		residuals = append(residuals, x)
	}
	for _, d := range b.Downsamplers {
		x = e.block(d, func(xs ...*gpu.Tensor) *gpu.Tensor { return d.Conv.Forward(xs[0]) }, x)
		residuals = append(residuals, x)
	}
	return x, residuals
}

// MidBlock2D is diffusers' UNetMidBlock2DCrossAttn, a transformer between two
// residual blocks, or its UNetMidBlock2D, one residual block alone.
type MidBlock2D struct {
	Resnets    []*nn.ResnetBlock2D `key:"resnets"`
	Attentions []*Transformer2D    `key:"attentions"`
}

func newMidBlock(cfg Config, temb int) *MidBlock2D {
	last := len(cfg.BlockOutChannels) - 1
	c := cfg.BlockOutChannels[last]
	resnet := func() *nn.ResnetBlock2D { return nn.NewResnetBlock2D(c, c, temb, cfg.NormNumGroups, cfg.NormEps) }
	b := &MidBlock2D{Resnets: []*nn.ResnetBlock2D{resnet()}}
	if cfg.MidBlockType == crossAttnMid {
		b.Attentions = []*Transformer2D{newTransformer(cfg, last)}
		b.Resnets = append(b.Resnets, resnet())
	}
	return b
}

func (b *MidBlock2D) forward(e *Encoder, x, temb, cond *gpu.Tensor) *gpu.Tensor {
	x = e.resnet(b.Resnets[0], temb, x)
	for i, a := range b.Attentions {
		x = e.resnet(b.Resnets[i+1], temb, e.attend(a, x, cond))
	}
	return x
}

// UpBlock2D is diffusers' UpBlock2D, or CrossAttnUpBlock2D where it has
// attentions.
type UpBlock2D struct {
	Resnets    []*nn.ResnetBlock2D `key:"resnets"`
	Attentions []*Transformer2D    `key:"attentions"`
	Upsamplers []*Sampler          `key:"upsamplers"` // one, none in the last block
}

// newUpBlock mirrors down block i; in is the width of what comes from below.
func newUpBlock(cfg Config, i int, kind string, in, temb int) *UpBlock2D {
	b, out := &UpBlock2D{}, cfg.BlockOutChannels[i]
	layers := cfg.LayersPerBlock.At(i) + 1
	for j := range layers {
		// The skip of the last layer was made by the block above on the way down.
		skip := out
		if j == layers-1 {
			skip = cfg.BlockOutChannels[max(i-1, 0)]
		}
		b.Resnets = append(b.Resnets, nn.NewResnetBlock2D(in+skip, out, temb, cfg.NormNumGroups, cfg.NormEps))
		if kind == crossAttnUp {
			b.Attentions = append(b.Attentions, newTransformer(cfg, i))
		}
		in = out
	}
	if i > 0 {
		b.Upsamplers = []*Sampler{{nn.NewConv2d(out, out, 3, 1, 1)}}
	}
	return b
}

// forward pops one residual per layer and returns those that are left.
func (b *UpBlock2D) forward(e *Encoder, x *gpu.Tensor, residuals []*gpu.Tensor, temb, cond *gpu.Tensor) (*gpu.Tensor, []*gpu.Tensor) {
	for i := range b.Resnets {
		x, residuals = b.layer(e, i, x, residuals, temb, cond)
	}
	for _, u := range b.Upsamplers {
		next := residuals[len(residuals)-1]
		x = e.block(u, func(xs ...*gpu.Tensor) *gpu.Tensor {
			return u.Conv.Forward(cropTo(gpu.Upsample2x(xs[0]), next.Dim(1), next.Dim(2)))
		}, x)
	}
	return x, residuals
}

// layer is layer i, which reads the last of the residuals, and those that are left.
func (b *UpBlock2D) layer(e *Encoder, i int, x *gpu.Tensor, residuals []*gpu.Tensor, temb, cond *gpu.Tensor) (*gpu.Tensor, []*gpu.Tensor) {
	top := len(residuals) - 1
	x = e.resnet(b.Resnets[i], temb, x, residuals[top])
	if b.Attentions != nil {
		x = e.attend(b.Attentions[i], x, cond)
	}
	return x, residuals[:top]
}

// resnet applies r to the channels of parts side by side.
func (e *Encoder) resnet(r *nn.ResnetBlock2D, temb *gpu.Tensor, parts ...*gpu.Tensor) *gpu.Tensor {
	return e.block(r, func(xs ...*gpu.Tensor) *gpu.Tensor {
		return r.ForwardJoined(gpu.Join(xs[1:]...), xs[0])
	}, append([]*gpu.Tensor{temb}, parts...)...)
}

func (e *Encoder) attend(t *Transformer2D, x, cond *gpu.Tensor) *gpu.Tensor {
	return e.block(t, func(xs ...*gpu.Tensor) *gpu.Tensor { return t.Forward(xs[0], xs[1]) }, x, cond)
}

// cropTo cuts x to height h and width w, where doubling the rounded-up half of
// an odd size gave a row or a column too many.
func cropTo(x *gpu.Tensor, h, w int) *gpu.Tensor {
	n, c := x.Dim(0), x.Dim(3)
	if x.Dim(1) != h {
		x = gpu.Reshape(gpu.Channels(gpu.Reshape(x, n, x.Len()/n), 0, h*x.Dim(2)*c), n, h, x.Dim(2), c)
	}
	if x.Dim(2) != w {
		x = gpu.Reshape(gpu.Channels(gpu.Reshape(x, n*h, x.Dim(2)*c), 0, w*c), n, h, w, c)
	}
	return x
}
