package cli

import (
	"math"
	"slices"
	"strings"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/unet"
	"latent/vae"
)

// arch is a family of models as bench builds it, with random weights.
type arch struct {
	unet   unet.Config
	vae    vae.Config
	pixels int // width and height of its pictures
}

// archs are the sizes of Stable Diffusion, from its published config.json files.
func archs() map[string]arch {
	sd15 := arch{unet: unet.Default(), vae: vae.Default(), pixels: 512}
	sd15.unet.CrossAttentionDim = unet.Ints{768}
	const down, up = "DownEncoderBlock2D", "UpDecoderBlock2D"
	sd15.vae.DownBlockTypes = []string{down, down, down, down}
	sd15.vae.UpBlockTypes = []string{up, up, up, up}
	sd15.vae.BlockOutChannels = []int{128, 256, 512, 512}
	sd15.vae.LayersPerBlock = 2

	sd21 := sd15
	sd21.pixels = 768
	sd21.unet.CrossAttentionDim = unet.Ints{1024}
	sd21.unet.AttentionHeadDim = unet.Ints{5, 10, 20, 20}
	sd21.unet.UseLinearProjection = true

	sdxl := sd15
	sdxl.pixels = 1024
	u := &sdxl.unet
	u.DownBlockTypes = []string{"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"}
	u.UpBlockTypes = []string{"CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}
	u.BlockOutChannels = []int{320, 640, 1280}
	u.TransformerLayersPerBlock = unet.Ints{1, 2, 10}
	u.CrossAttentionDim = unet.Ints{2048}
	u.AttentionHeadDim = unet.Ints{5, 10, 20}
	u.UseLinearProjection = true
	u.AdditionEmbedType, u.AdditionTimeEmbedDim, u.ProjectionClassEmbeddingsInputDim = "text_time", 256, 2816
	return map[string]arch{"sd15": sd15, "sd21": sd21, "sdxl": sdxl}
}

// benchModel is what bench paints with: no text encoder, its share is small.
type benchModel struct {
	name          string
	unet          *unet.Model
	vae           *vae.Model
	width, height int // of its pictures
}

// newBenchModel builds a with random weights.
func newBenchModel(name string, a arch, dev *gpu.Device, dtype gpu.DType) (m *benchModel, err error) {
	defer gpu.Catch(&err)
	m = &benchModel{name: name, width: a.pixels, height: a.pixels}
	if m.unet, err = unet.New(a.unet); err != nil {
		return nil, err
	}
	if m.vae, err = vae.New(a.vae); err != nil {
		return nil, err
	}
	m.vae.Encoder = nil // only the decoder is measured
	fill := newFiller(dev, dtype)
	defer fill.block.Free()
	fill.model(m.unet)
	fill.model(m.vae)
	return m, nil
}

func (m *benchModel) free() {
	nn.Free(m.unet)
	nn.Free(m.vae)
}

// filler gives parameters values on the device: copies of one block of random
// numbers, each parameter's of the deviation that keeps activations of one size.
type filler struct {
	dev   *gpu.Device
	dtype gpu.DType
	block *gpu.Tensor
}

func newFiller(dev *gpu.Device, dtype gpu.DType) (f filler) {
	v, state := make([]float32, 1<<20), uint32(1)
	for i := range v {
		state = state*1664525 + 1013904223
		v[i] = float32(int32(state)) / (1 << 31)
	}
	dev.Permanent(func() { f = filler{dev, dtype, dev.FromFloat32(v, dtype, len(v))} })
	return f
}

func (f *filler) model(model any) {
	for _, p := range nn.Params(model) {
		f.dev.Permanent(func() {
			switch p.Kind {
			case nn.Matrix, nn.Kernel, nn.Table:
				p.T = f.dev.Empty(f.dtype, p.Shape...)
			case nn.Scale:
				p.T = f.dev.Full(1, gpu.Float32, p.Shape...)
			default:
				p.T = f.dev.Full(0, gpu.Float32, p.Shape...)
			}
		})
		if p.T.DType() == f.dtype && p.Kind <= nn.Table {
			f.fill(p.T, 1/math.Sqrt(float64(max(p.FanIn, 1))))
		}
	}
}

// fill gives t numbers within ±√3·deviation.
func (f *filler) fill(t *gpu.Tensor, deviation float64) {
	f.dev.Scope(func() []*gpu.Tensor {
		flat, block := gpu.Reshape(t, t.Len()), gpu.Scale(float32(math.Sqrt(3)*deviation), f.block)
		for at := 0; at < flat.Len(); at += block.Len() {
			n := min(block.Len(), flat.Len()-at)
			gpu.Rows(flat, at, at+n).CopyFrom(gpu.Rows(block, 0, n))
		}
		return nil
	})
}

// step is one step with guidance: the U-Net on two latents.
func (m *benchModel) step(b *bencher, dtype gpu.DType) func() *gpu.Tensor {
	const tokens = 77
	f, c := m.vae.Config.Factor(), m.unet.Config
	x := b.random(dtype, 2, m.height/f, m.width/f, c.InChannels)
	cond := b.random(dtype, 2, tokens, c.CrossAttentionDim[0])
	code := m.unet.TimeCode(b.dev, dtype, []float32{500}, 2)
	added := m.added(b, dtype, 2)
	return func() *gpu.Tensor { return m.unet.ForwardCode(x, code, cond, added) }
}

// added is what SDXL is told of n pictures besides the text; nil for others.
func (m *benchModel) added(b *bencher, dtype gpu.DType, n int) *unet.Added {
	c := m.unet.Config
	if c.AdditionEmbedType != "text_time" {
		return nil
	}
	ids := []float32{float32(m.height), float32(m.width), 0, 0, float32(m.height), float32(m.width)}
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = ids
	}
	return &unet.Added{
		Pooled:   b.random(dtype, n, c.ProjectionClassEmbeddingsInputDim-len(ids)*c.AdditionTimeEmbedDim),
		SizeCode: c.SizeCode(b.dev, dtype, rows),
	}
}

// decode is the decoder on one latent.
func (m *benchModel) decode(b *bencher, dtype gpu.DType) func() *gpu.Tensor {
	f := m.vae.Config.Factor()
	z := b.random(dtype, 1, m.height/f, m.width/f, m.vae.Config.LatentChannels)
	return func() *gpu.Tensor {
		y, err := m.vae.Decode(z)
		if err != nil {
			panic(&gpu.Error{Op: "decode", Err: err})
		}
		return y
	}
}

// blockOf is the block that a parameter belongs to: down_blocks.0.resnets.1 of
// down_blocks.0.resnets.1.conv1.weight.
func blockOf(key string) string {
	parts := strings.Split(key, ".")
	n := 1 // conv_in, time_embedding
	switch {
	case strings.HasSuffix(parts[0], "_blocks"):
		n = 4
	case parts[0] == "mid_block":
		n = 3
	}
	return strings.Join(parts[:min(n, max(len(parts)-1, 1))], ".")
}

func archNames() string {
	var names []string
	for n := range archs() {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func archOf(name string) (arch, error) {
	a, ok := archs()[name]
	if !ok {
		return arch{}, badUsage("unknown --arch %q: choose one of %s", name, archNames())
	}
	return a, nil
}
