package unet

import (
	"latent/gpu"
	"latent/gpu/nn"
)

// ControlNet looks at a picture (edges, a drawing, …) and adds to the skip
// connections and the middle of a U-Net, whose encoder it was copied from (Zhang et
// al. 2023, figure 3). It is diffusers' ControlNetModel and bears its parameter
// names.
type ControlNet struct {
	Encoder `key:""`
	Control ControlConfig // of which Encoder.Config is a part

	Hint *Hint        `key:"controlnet_cond_embedding"`
	Down []*nn.Conv2d `key:"controlnet_down_blocks"` // "zero convolutions": one for each skip
	Mid  *nn.Conv2d   `key:"controlnet_mid_block"`
}

// Hint brings a picture to the size of the latents.
type Hint struct {
	ConvIn  *nn.Conv2d   `key:"conv_in"`
	Blocks  []*nn.Conv2d `key:"blocks"` // in pairs, the second of which halves height and width
	ConvOut *nn.Conv2d   `key:"conv_out"`
}

// Residuals is what a ControlNet adds to a U-Net, and how strongly.
type Residuals struct {
	Weight float32
	Down   []*gpu.Tensor // like the skips: after the first convolution and each layer of the way down
	Mid    *gpu.Tensor
}

// NewControlNet builds the model of a configuration; its parameters have no values
// yet.
func NewControlNet(cfg ControlConfig) (*ControlNet, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	width := cfg.BlockOutChannels
	zero := func(c int) *nn.Conv2d { return nn.NewConv2d(c, c, 1, 1, 0) }
	m := &ControlNet{
		Encoder: newEncoder(cfg.Config),
		Control: cfg,
		Hint:    newHint(cfg),
		Down:    []*nn.Conv2d{zero(width[0])},
		Mid:     zero(width[len(width)-1]),
	}
	for i, b := range m.DownBlocks {
		for range len(b.Resnets) + len(b.Downsamplers) {
			m.Down = append(m.Down, zero(width[i]))
		}
	}
	return m, nil
}

func newHint(cfg ControlConfig) *Hint {
	c := cfg.HintChannels
	h := &Hint{
		ConvIn:  nn.NewConv2d(cfg.ConditioningChannels, c[0], 3, 1, 1),
		ConvOut: nn.NewConv2d(c[len(c)-1], cfg.BlockOutChannels[0], 3, 1, 1),
	}
	for i := range len(c) - 1 {
		h.Blocks = append(h.Blocks, nn.NewConv2d(c[i], c[i], 3, 1, 1), nn.NewConv2d(c[i], c[i+1], 3, 2, 1))
	}
	return h
}

// Embed turns a picture[N,H,W,3] of numbers in [0,1], red, green and blue, into
// the hint[N,h,w,C] that Forward wants. It is the same at every step.
func (m *ControlNet) Embed(picture *gpu.Tensor) *gpu.Tensor {
	return picture.Device().Scope1(func() *gpu.Tensor {
		x := picture
		if m.Control.ChannelOrder == "bgr" {
			x = gpu.Concat(gpu.Channels(x, 2, 3), gpu.Channels(x, 1, 2), gpu.Channels(x, 0, 1))
		}
		silu := func(c *nn.Conv2d) {
			x = m.block(c, func(xs ...*gpu.Tensor) *gpu.Tensor { return gpu.Apply(gpu.SiLU, c.Forward(xs[0])) }, x)
		}
		silu(m.Hint.ConvIn)
		for _, c := range m.Hint.Blocks {
			silu(c)
		}
		return m.block(m.Hint.ConvOut, func(xs ...*gpu.Tensor) *gpu.Tensor { return m.Hint.ConvOut.Forward(xs[0]) }, x)
	})
}

// Forward gives the residuals of weight 1 for the U-Net at x[N,h,w,Cin], at the
// times of the position code (of TimeCode), given a hint[N,h,w,C] of Embed, the
// text cond[N,L,D] and what else the U-Net is told. Like ForwardCode it can be
// captured.
func (m *ControlNet) Forward(x, code, hint, cond *gpu.Tensor, added *Added) (r Residuals) {
	x.Device().Scope(func() []*gpu.Tensor {
		h, skips := m.encode(x, hint, m.embedTime(code, cond, added), cond)
		zero := func(c *nn.Conv2d, x *gpu.Tensor) *gpu.Tensor {
			return m.block(c, func(xs ...*gpu.Tensor) *gpu.Tensor { return c.Forward(xs[0]) }, x)
		}
		r = Residuals{Weight: 1, Mid: zero(m.Mid, h)}
		for i, s := range skips {
			r.Down = append(r.Down, zero(m.Down[i], s))
		}
		return append([]*gpu.Tensor{r.Mid}, r.Down...)
	})
	return r
}

// control adds all residuals to the middle h and the skips.
func control(h *gpu.Tensor, skips []*gpu.Tensor, controls []Residuals) (*gpu.Tensor, []*gpu.Tensor) {
	if len(controls) == 0 {
		return h, skips
	}
	for _, c := range controls {
		check(len(c.Down) == len(skips), "a ControlNet of %d residuals for %d skip connections", len(c.Down), len(skips))
	}
	for i, x := range skips {
		skips[i] = sum(x, controls, func(r Residuals) *gpu.Tensor { return r.Down[i] })
	}
	return sum(h, controls, func(r Residuals) *gpu.Tensor { return r.Mid }), skips
}

// sum is x, if it is not nil, and one residual of each ControlNet with its weight.
func sum(x *gpu.Tensor, controls []Residuals, residual func(Residuals) *gpu.Tensor) *gpu.Tensor {
	var coef []float32
	var xs []*gpu.Tensor
	if x != nil {
		coef, xs = []float32{1}, []*gpu.Tensor{x}
	}
	for _, c := range controls {
		r := residual(c)
		coef, xs = append(coef, c.Weight), append(xs, r)
		if r.DType() == gpu.Float32 { // it was rescued from overflow, and the sum may overflow too
			xs[0] = gpu.Cast(xs[0], gpu.Float32)
		}
	}
	return gpu.Combine(coef, xs...)
}
