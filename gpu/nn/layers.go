package nn

import (
	"math"

	"latent/gpu"
)

// Linear is y = x·Wᵀ + b.
type Linear struct {
	Weight  *Param   `key:"weight"`
	Bias    *Param   `key:"bias"`
	Adapter *Adapter // nil: none
}

// NewLinear declares a linear layer of in → out features.
func NewLinear(in, out int, bias bool) *Linear {
	l := &Linear{Weight: &Param{Shape: []int{out, in}, Kind: Matrix, FanIn: in}}
	if bias {
		l.Bias = &Param{Shape: []int{out}, Kind: Bias, FanIn: in}
	}
	return l
}

// Forward maps x[…,in] to [… ,out].
func (l *Linear) Forward(x *gpu.Tensor) *gpu.Tensor { return l.ForwardAdd(x, nil) }

// ForwardAdd is Forward with the residual added in the same pass.
func (l *Linear) ForwardAdd(x, res *gpu.Tensor) *gpu.Tensor {
	y := gpu.Linear(x, l.Weight.T, value(l.Bias), res)
	if l.Adapter != nil {
		y = gpu.Linear(l.Adapter.scaled(gpu.Linear(x, l.Adapter.Down.T, nil, nil)), l.Adapter.Up.T, nil, y)
	}
	return y
}

// ForwardMany is Forward of x[…,in] through layers of one shape.
func ForwardMany(x *gpu.Tensor, layers ...*Linear) (ys []*gpu.Tensor) {
	var ws, bs []*gpu.Tensor
	apart := false
	for _, l := range layers {
		ws = append(ws, l.Weight.T)
		if l.Bias != nil {
			bs = append(bs, l.Bias.T)
		}
		apart = apart || l.Adapter != nil || (l.Bias == nil) != (layers[0].Bias == nil)
	}
	if !apart {
		return gpu.LinearMany(x, ws, bs)
	}
	for _, l := range layers {
		ys = append(ys, l.Forward(x))
	}
	return ys
}

// ForwardGEGLU is GEGLU of Forward: [a | g] becomes a·GELU(g).
func (l *Linear) ForwardGEGLU(x *gpu.Tensor) *gpu.Tensor {
	if l.Adapter != nil {
		return gpu.GEGLU(l.Forward(x))
	}
	return gpu.LinearGEGLU(x, l.Weight.T, value(l.Bias))
}

func value(p *Param) *gpu.Tensor {
	if p == nil {
		return nil
	}
	return p.T
}

// Conv2d is a convolution with bias.
type Conv2d struct {
	Weight   *Param `key:"weight"`
	Bias     *Param `key:"bias"`
	Geometry gpu.Conv
	Adapter  *Adapter // nil: none
}

// NewConv2d declares a convolution of in → out channels.
func NewConv2d(in, out, kernel, stride, pad int) *Conv2d {
	fan := in * kernel * kernel
	return &Conv2d{
		Weight:   &Param{Shape: []int{out, kernel, kernel, in}, Kind: Kernel, FanIn: fan},
		Bias:     &Param{Shape: []int{out}, Kind: Bias, FanIn: fan},
		Geometry: gpu.Conv{Stride: stride, Top: pad, Bottom: pad, Left: pad, Right: pad},
	}
}

// Forward maps x[N,H,W,in] to [N,P,Q,out].
func (c *Conv2d) Forward(x *gpu.Tensor) *gpu.Tensor { return c.ForwardAdd(x, nil) }

// ForwardAdd is Forward with the residual added in the same pass.
func (c *Conv2d) ForwardAdd(x, res *gpu.Tensor) *gpu.Tensor {
	y := gpu.Conv2d(x, c.Weight.T, value(c.Bias), res, c.Geometry)
	if c.Adapter != nil {
		h := c.Adapter.scaled(gpu.Conv2d(x, c.Adapter.Down.T, nil, nil, c.Geometry))
		y = gpu.Conv2d(h, c.Adapter.Up.T, nil, y, gpu.Conv{Stride: 1})
	}
	return y
}

// ForwardShift is Forward with t[N,out] added to every pixel.
func (c *Conv2d) ForwardShift(x, t *gpu.Tensor) *gpu.Tensor {
	if c.Adapter != nil {
		return gpu.AddChannels(c.Forward(x), t)
	}
	return gpu.Conv2dShift(x, c.Weight.T, value(c.Bias), t, c.Geometry)
}

// GroupNorm normalises groups of channels.
type GroupNorm struct {
	Weight *Param `key:"weight"`
	Bias   *Param `key:"bias"`
	Groups int
	Eps    float32
}

// NewGroupNorm declares a group norm.
func NewGroupNorm(groups, channels int, eps float32) *GroupNorm {
	return &GroupNorm{
		Weight: &Param{Shape: []int{channels}, Kind: Scale},
		Bias:   &Param{Shape: []int{channels}, Kind: Shift},
		Groups: groups, Eps: eps,
	}
}

// Forward normalises x[N,…,C].
func (g *GroupNorm) Forward(x *gpu.Tensor) *gpu.Tensor {
	return gpu.GroupNorm(x, g.Weight.T, g.Bias.T, g.Groups, g.Eps, false)
}

// ForwardSiLU is Forward followed by x·σ(x).
func (g *GroupNorm) ForwardSiLU(x *gpu.Tensor) *gpu.Tensor {
	return gpu.GroupNorm(x, g.Weight.T, g.Bias.T, g.Groups, g.Eps, true)
}

// LayerNorm normalises the last axis.
type LayerNorm struct {
	Weight *Param `key:"weight"`
	Bias   *Param `key:"bias"`
	Eps    float32
}

// NewLayerNorm declares a layer norm.
func NewLayerNorm(c int, eps float32) *LayerNorm {
	return &LayerNorm{
		Weight: &Param{Shape: []int{c}, Kind: Scale},
		Bias:   &Param{Shape: []int{c}, Kind: Shift},
		Eps:    eps,
	}
}

// Forward normalises x[…,C].
func (l *LayerNorm) Forward(x *gpu.Tensor) *gpu.Tensor {
	return gpu.LayerNorm(x, l.Weight.T, l.Bias.T, l.Eps)
}

// Embedding is a table of vectors.
type Embedding struct {
	Weight *Param `key:"weight"`
}

// NewEmbedding declares a table of n vectors of d features.
func NewEmbedding(n, d int) *Embedding {
	return &Embedding{Weight: &Param{Shape: []int{n, d}, Kind: Table}}
}

// Forward looks up ids, an Int32 tensor.
func (e *Embedding) Forward(ids *gpu.Tensor) *gpu.Tensor { return gpu.Embedding(e.Weight.T, ids) }

// SinusoidalEmbedding is the position code of timesteps, [N,dim]: frequencies
// 10000^(−i/(dim/2−freqShift)) for i < dim/2, sines then cosines, or cosines
// first with flipSinToCos (Ho et al. 2020, appendix B; diffusers' Timesteps).
func SinusoidalEmbedding(dev *gpu.Device, dtype gpu.DType, timesteps []float32, dim int, flipSinToCos bool, freqShift float64) *gpu.Tensor {
	half := dim / 2
	data := make([]float32, len(timesteps)*dim)
	for n, t := range timesteps {
		row := data[n*dim : (n+1)*dim]
		sin, cos := row[:half], row[half:2*half]
		if flipSinToCos {
			sin, cos = cos, sin
		}
		for i := range half {
			freq := math.Exp(-math.Log(10000) * float64(i) / (float64(half) - freqShift))
			sin[i] = float32(math.Sin(float64(t) * freq))
			cos[i] = float32(math.Cos(float64(t) * freq))
		}
	}
	return dev.FromFloat32(data, dtype, len(timesteps), dim)
}
