// Package esrgan enlarges pictures with the network of ESRGAN (Wang et al. 2018,
// section 3.1) and Real-ESRGAN (Wang et al. 2021): residual blocks of densely
// connected convolutions without normalisation.
//
// Parameters have the names of the Real-ESRGAN files; Names translates older ones.
package esrgan

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"latent/gpu"
	"latent/gpu/nn"
)

// Config is what a file's shapes say of its network.
type Config struct {
	Shuffle  int // sides of the square of pixels that are taken as one with more channels: 1, 2 or 4
	Doubling int // how often the picture is doubled then, 0 to 3
	Width    int // channels
	Growth   int // channels that a convolution of a dense block adds
	Blocks   int
}

// Scale is how many times larger a picture becomes.
func (c Config) Scale() int { return max(1<<c.Doubling/c.Shuffle, 1) }

// Net is the network.
type Net struct {
	Config Config

	First *nn.Conv2d   `key:"conv_first"`
	Body  []*block     `key:"body"`
	Trunk *nn.Conv2d   `key:"conv_body"`
	Up    []*nn.Conv2d `key:"conv_up"`
	Wide  *nn.Conv2d   `key:"conv_hr"`
	Last  *nn.Conv2d   `key:"conv_last"`
}

// block is a residual-in-residual dense block.
type block struct {
	Dense1 *dense `key:"rdb1"`
	Dense2 *dense `key:"rdb2"`
	Dense3 *dense `key:"rdb3"`
}

// dense is a block in which every convolution sees the results of all before.
type dense struct {
	Conv1 *nn.Conv2d `key:"conv1"`
	Conv2 *nn.Conv2d `key:"conv2"`
	Conv3 *nn.Conv2d `key:"conv3"`
	Conv4 *nn.Conv2d `key:"conv4"`
	Conv5 *nn.Conv2d `key:"conv5"`
}

// New builds the network; its parameters have no values yet.
func New(c Config) (*Net, error) {
	const wide, deep = 1024, 256
	if c.Width < 1 || c.Width > wide || c.Growth < 1 || c.Growth > wide || c.Blocks < 1 || c.Blocks > deep {
		return nil, fmt.Errorf("upscaler of %d blocks, %d and %d channels wide: want at most %d and %d", c.Blocks, c.Width, c.Growth, deep, wide)
	}
	if s := c.Shuffle; s != 1 && s != 2 && s != 4 || c.Doubling < 0 || c.Doubling > 3 || 1<<c.Doubling < s {
		return nil, fmt.Errorf("upscaler that takes %d×%d pixels for one and doubles %d times: a picture cannot become smaller", s, s, c.Doubling)
	}
	conv := func(in, out int) *nn.Conv2d { return nn.NewConv2d(in, out, 3, 1, 1) }
	newDense := func() *dense {
		w, g := c.Width, c.Growth
		return &dense{conv(w, g), conv(w+g, g), conv(w+2*g, g), conv(w+3*g, g), conv(w+4*g, w)}
	}
	n := &Net{
		Config: c,
		First:  conv(3*c.Shuffle*c.Shuffle, c.Width), Trunk: conv(c.Width, c.Width),
		Wide: conv(c.Width, c.Width), Last: conv(c.Width, 3),
	}
	for range c.Blocks {
		n.Body = append(n.Body, &block{newDense(), newDense(), newDense()})
	}
	for range c.Doubling {
		n.Up = append(n.Up, conv(c.Width, c.Width))
	}
	return n, nil
}

// Forward maps x[N,H,W,3·Shuffle²], a picture in [0,1], to the one
// [N,H·2ᵈ,W·2ᵈ,3] with d doublings.
func (n *Net) Forward(x *gpu.Tensor) *gpu.Tensor {
	return x.Device().Scope1(func() *gpu.Tensor {
		first := n.First.Forward(x)
		h := first
		step := func(f func(*gpu.Tensor) *gpu.Tensor) {
			old := h
			h = x.Device().Scope1(func() *gpu.Tensor { return f(old) })
			if old != first {
				old.Free()
			}
		}
		for _, b := range n.Body {
			step(b.forward)
		}
		step(func(h *gpu.Tensor) *gpu.Tensor { return n.Trunk.ForwardAdd(h, first) })
		first.Free()
		for _, up := range n.Up {
			step(func(h *gpu.Tensor) *gpu.Tensor { return leaky(up.Forward(gpu.Upsample2x(h))) })
		}
		step(func(h *gpu.Tensor) *gpu.Tensor { return leaky(n.Wide.Forward(h)) })
		return n.Last.Forward(h)
	})
}

// residual scales what a block adds.
const residual = 0.2

func (b *block) forward(x *gpu.Tensor) *gpu.Tensor {
	h := x
	for _, d := range []*dense{b.Dense1, b.Dense2, b.Dense3} {
		h = d.forward(h)
	}
	return gpu.Combine([]float32{residual, 1}, h, x)
}

func (d *dense) forward(x *gpu.Tensor) *gpu.Tensor {
	return x.Device().Scope1(func() *gpu.Tensor {
		seen := x
		for _, c := range []*nn.Conv2d{d.Conv1, d.Conv2, d.Conv3, d.Conv4} {
			seen = gpu.Concat(seen, leaky(c.Forward(seen)))
		}
		return gpu.Combine([]float32{residual, 1}, d.Conv5.Forward(seen), x)
	})
}

// leaky is x where that is positive, else x/5.
func leaky(x *gpu.Tensor) *gpu.Tensor {
	const slope = 0.2
	return gpu.Combine([]float32{slope, 1 - slope}, x, gpu.Clamp(x, 0, float32(math.Inf(1))))
}

// ConfigOf tells from the shapes of a file, under the names that Net has, what its
// network is like.
func ConfigOf(src nn.Source) (Config, error) {
	shape := func(name string) []int {
		v, ok := src.Get(name)
		if !ok || len(v.Shape) != 4 {
			return make([]int, 4)
		}
		return v.Shape
	}
	first := shape("conv_first.weight")
	c := Config{Width: first[0], Growth: shape("body.0.rdb1.conv1.weight")[0]}
	switch first[1] {
	case 3:
		c.Shuffle = 1
	case 12:
		c.Shuffle = 2
	case 48:
		c.Shuffle = 4
	default:
		return c, errors.New("this is no ESRGAN of colour pictures")
	}
	for _, name := range src.Names() {
		rest, ok := strings.CutPrefix(name, "body.")
		number, _, _ := strings.Cut(rest, ".")
		if i, err := strconv.Atoi(number); ok && err == nil {
			c.Blocks = max(c.Blocks, i+1)
		}
		if strings.HasPrefix(name, "conv_up.") && strings.HasSuffix(name, ".weight") {
			c.Doubling++
		}
	}
	return c, nil
}
