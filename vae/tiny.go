package vae

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"latent/gpu"
	"latent/gpu/nn"
)

// Tiny is TAESD (Ollin Boer Bohan 2023), a small autoencoder for the latents of
// Stable Diffusion: 1.2 million parameters a coder, no attention and no norms. It
// is good enough for previews. Its parameter names are those of diffusers'
// AutoencoderTiny; TinyNames translates those of the original files.
type Tiny struct {
	Config TinyConfig

	Encoder *TinyCoder `key:"encoder"` // nil: the file has none
	Decoder *TinyCoder `key:"decoder"` // nil: the file has none
}

// TinyConfig is the config.json of diffusers' AutoencoderTiny.
type TinyConfig struct {
	ClassName      string `json:"_class_name"`
	LatentChannels int    `json:"latent_channels"`
	EncoderWidth   []int  `json:"encoder_block_out_channels"`
	DecoderWidth   []int  `json:"decoder_block_out_channels"`
	EncoderBlocks  []int  `json:"num_encoder_blocks"`
	DecoderBlocks  []int  `json:"num_decoder_blocks"`
	// ScalingFactor divides a latent before it is decoded: TAESD works on the
	// latents as the U-Net does, at 1.
	ScalingFactor float32 `json:"scaling_factor"`
}

// TAESD is the configuration that all published files of it have.
func TAESD() TinyConfig {
	return TinyConfig{
		ClassName:      tinyClass,
		LatentChannels: 4,
		EncoderWidth:   []int{64, 64, 64, 64},
		DecoderWidth:   []int{64, 64, 64, 64},
		EncoderBlocks:  []int{1, 3, 3, 3},
		DecoderBlocks:  []int{3, 3, 3, 1},
		ScalingFactor:  1,
	}
}

const tinyClass = "AutoencoderTiny"

// ParseTinyConfig reads a config.json of diffusers' AutoencoderTiny. Options that
// this package does not know are ignored; a value that it cannot honour is an
// error.
func ParseTinyConfig(data []byte) (TinyConfig, error) {
	cfg := TAESD()
	more := struct {
		InChannels  int    `json:"in_channels"`
		OutChannels int    `json:"out_channels"`
		ActFn       string `json:"act_fn"`
		UpsampleFn  string `json:"upsample_fn"`
		Upsampling  int    `json:"upsampling_scaling_factor"`
	}{3, 3, "relu", "nearest", 2}
	want := more
	for _, v := range []any{&cfg, &more} {
		if err := json.Unmarshal(data, v); err != nil {
			return TinyConfig{}, fmt.Errorf("tiny autoencoder config: %w", err)
		}
	}
	if more != want {
		return TinyConfig{}, fmt.Errorf("tiny autoencoder config: in_channels, out_channels, act_fn, upsample_fn and upsampling_scaling_factor must be 3, 3, relu, nearest and 2")
	}
	return cfg, cfg.Validate()
}

// Validate tells what in the configuration cannot be built.
func (c TinyConfig) Validate() error {
	if c.ClassName != tinyClass {
		return fmt.Errorf("tiny autoencoder config: _class_name is %q, want %q", c.ClassName, tinyClass)
	}
	for _, v := range []struct {
		name          string
		width, blocks []int
	}{{"encoder", c.EncoderWidth, c.EncoderBlocks}, {"decoder", c.DecoderWidth, c.DecoderBlocks}} {
		if len(v.width) < 1 || len(v.width) > maxBlocks || len(v.blocks) != len(v.width) {
			return fmt.Errorf("tiny autoencoder config: the %s has %d widths for %d numbers of blocks, want as many of each, 1 to %d",
				v.name, len(v.width), len(v.blocks), maxBlocks)
		}
		for i := range v.width {
			if v.width[i] != v.width[0] || v.width[i] < 1 || v.width[i] > maxWidth {
				return fmt.Errorf("tiny autoencoder config: %s_block_out_channels %v must be one number, 1 to %d", v.name, v.width, maxWidth)
			}
			if v.blocks[i] < 0 || v.blocks[i] > maxLayers {
				return fmt.Errorf("tiny autoencoder config: num_%s_blocks is %d, want 0 to %d", v.name, v.blocks[i], maxLayers)
			}
		}
	}
	if c.LatentChannels < 1 || c.LatentChannels > maxWidth {
		return fmt.Errorf("tiny autoencoder config: latent_channels is %d, want 1 to %d", c.LatentChannels, maxWidth)
	}
	if c.ScalingFactor == 0 {
		return fmt.Errorf("tiny autoencoder config: scaling_factor is 0")
	}
	return nil
}

// Factor is how many times smaller than the picture the latent is.
func (c TinyConfig) Factor() int { return 1 << (len(c.DecoderWidth) - 1) }

// TinyCoder is a sequence of layers; the index is part of the parameter's name.
type TinyCoder struct {
	Layers []layer `key:"layers"`
}

type layer interface {
	Forward(x *gpu.Tensor) *gpu.Tensor
}

// TinyBlock is a residual block of three convolutions with ReLU between them.
type TinyBlock struct {
	Conv0 *nn.Conv2d `key:"conv.0"`
	Conv2 *nn.Conv2d `key:"conv.2"`
	Conv4 *nn.Conv2d `key:"conv.4"`
}

// Forward maps x[N,h,w,C] to the same shape.
func (b *TinyBlock) Forward(x *gpu.Tensor) *gpu.Tensor {
	return relu(b.Conv4.ForwardAdd(relu(b.Conv2.Forward(relu(b.Conv0.Forward(x)))), x))
}

func relu(x *gpu.Tensor) *gpu.Tensor { return gpu.Clamp(x, 0, float32(math.Inf(1))) }

// plain is a layer without parameters.
type plain func(x *gpu.Tensor) *gpu.Tensor

func (f plain) Forward(x *gpu.Tensor) *gpu.Tensor { return f(x) }

// NewTiny builds the coders of a configuration, of which one may not be wanted;
// its parameters have no values yet.
func NewTiny(cfg TinyConfig, encoder, decoder bool) (*Tiny, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := &Tiny{Config: cfg}
	blocks := func(c *TinyCoder, n, width int) {
		for range n {
			conv := func() *nn.Conv2d { return nn.NewConv2d(width, width, 3, 1, 1) }
			c.Layers = append(c.Layers, &TinyBlock{conv(), conv(), conv()})
		}
	}
	resize := func(width, stride int) *nn.Conv2d {
		c := nn.NewConv2d(width, width, 3, stride, 1)
		c.Bias = nil
		return c
	}
	if encoder {
		w := cfg.EncoderWidth[0]
		c := &TinyCoder{[]layer{nn.NewConv2d(3, w, 3, 1, 1)}}
		for i, n := range cfg.EncoderBlocks {
			if i > 0 {
				c.Layers = append(c.Layers, resize(w, 2))
			}
			blocks(c, n, w)
		}
		c.Layers = append(c.Layers, nn.NewConv2d(w, cfg.LatentChannels, 3, 1, 1))
		t.Encoder = c
	}
	if decoder {
		w := cfg.DecoderWidth[0]
		c := &TinyCoder{[]layer{nn.NewConv2d(cfg.LatentChannels, w, 3, 1, 1), plain(relu)}}
		for i, n := range cfg.DecoderBlocks {
			if i > 0 {
				c.Layers = append(c.Layers, plain(gpu.Upsample2x), resize(w, 1))
			}
			blocks(c, n, w)
		}
		c.Layers = append(c.Layers, nn.NewConv2d(w, 3, 3, 1, 1))
		t.Decoder = c
	}
	return t, nil
}

// Encode gives the latent [N,h,w,C] of a picture [N,H,W,3] in [−1,1].
func (t *Tiny) Encode(x *gpu.Tensor) (z *gpu.Tensor, err error) {
	defer gpu.Catch(&err)
	check(t.Encoder != nil, "the file holds no encoder")
	f := 1 << (len(t.Config.EncoderWidth) - 1)
	check(x.Rank() == 4 && x.Dim(1)%f == 0 && x.Dim(2)%f == 0, "picture %v must have a height and width that %d divides", x, f)
	return x.Device().Scope1(func() *gpu.Tensor {
		half := x.Device().Full(0.5, x.DType(), x.Shape()...)
		return gpu.Scale(t.Config.ScalingFactor, t.Encoder.forward(gpu.Combine([]float32{0.5, 1}, x, half)))
	}), nil
}

// Decode gives the picture [N,H,W,3] of a latent [N,h,w,C], about −1 to 1 and not
// clamped.
func (t *Tiny) Decode(z *gpu.Tensor) (x *gpu.Tensor, err error) {
	defer gpu.Catch(&err)
	check(t.Decoder != nil, "the file holds no decoder")
	return z.Device().Scope1(func() *gpu.Tensor {
		// tanh(z/3)·3 keeps latents beyond those of pictures near them.
		z := gpu.Scale(3, gpu.Apply(gpu.Tanh, gpu.Scale(1/(3*t.Config.ScalingFactor), z)))
		y := t.Decoder.forward(z)
		return gpu.Combine([]float32{2, -1}, y, y.Device().Full(1, y.DType(), y.Shape()...))
	}), nil
}

// DType is the type of the weights, and so of what the coder takes.
func (c *TinyCoder) DType() gpu.DType { return nn.Params(c)[0].T.DType() }

func (c *TinyCoder) forward(x *gpu.Tensor) *gpu.Tensor {
	for i, l := range c.Layers {
		y := x.Device().Scope1(func() *gpu.Tensor { return l.Forward(x) })
		if i > 0 {
			x.Free()
		}
		x = y
	}
	return x
}

// TinyConfigOf tells from a file without a config.json what it holds: the coders
// of TAESD, of any width. The error says that it is none.
func TinyConfigOf(src nn.Source) (cfg TinyConfig, encoder, decoder bool, err error) {
	cfg = TAESD()
	for _, name := range src.Names() {
		v, _ := src.Get(name)
		key := TinyNames(src)(name)
		if key != "encoder.layers.0.weight" && key != "decoder.layers.0.weight" || len(v.Shape) != 4 {
			continue
		}
		width := []int{v.Shape[0], v.Shape[0], v.Shape[0], v.Shape[0]}
		if strings.HasPrefix(key, "encoder.") {
			encoder, cfg.EncoderWidth = true, width
		} else {
			decoder, cfg.DecoderWidth, cfg.LatentChannels = true, width, v.Shape[1]
		}
	}
	if !encoder && !decoder {
		return cfg, false, false, fmt.Errorf("this is no TAESD: it holds neither decoder.layers.0.weight nor 1.weight")
	}
	return cfg, encoder, decoder, cfg.Validate()
}

// TinyNames returns the renaming, for nn.Renamed, of a file's names: in the
// original files a coder stands alone and its names begin with the layer's
// number. The decoder's are one higher, since its clamp counts there.
func TinyNames(src nn.Source) func(key string) string {
	coder := "decoder"
	if _, ok := src.Get("0.weight"); ok {
		coder = "encoder"
	}
	return func(key string) string {
		number, rest, _ := strings.Cut(key, ".")
		n, err := strconv.Atoi(number)
		if err != nil {
			return key
		}
		if coder == "decoder" {
			n--
		}
		return fmt.Sprintf("%s.layers.%d.%s", coder, n, rest)
	}
}
