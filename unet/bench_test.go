package unet

import (
	"math/rand/v2"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
)

// small is a denoiser of 16×16 latents that a CPU can train: 11 M parameters.
const small = `{"block_out_channels":[64,128,192],"layers_per_block":1,"norm_num_groups":8,
	"down_block_types":["DownBlock2D","CrossAttnDownBlock2D","CrossAttnDownBlock2D"],
	"up_block_types":["CrossAttnUpBlock2D","CrossAttnUpBlock2D","UpBlock2D"],
	"cross_attention_dim":192,"attention_head_dim":4,"use_linear_projection":true}`

type normal struct{ *rand.Rand }

func (n normal) Normal(dst []float32) {
	for i := range dst {
		dst[i] = float32(n.NormFloat64())
	}
}

// BenchmarkSmall measures the denoiser alone: its forward pass, and that with
// the gradient of every parameter.
func BenchmarkSmall(b *testing.B) {
	for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
		b.Run("forward/"+dtype.String(), func(b *testing.B) {
			benchmark(b, dtype, func(m *Model, x, _, cond *gpu.Tensor) {
				m.Forward(x, []float32{500}, cond, nil).Free()
			})
		})
		b.Run("gradient/"+dtype.String(), func(b *testing.B) {
			benchmark(b, dtype, func(m *Model, x, eps, cond *gpu.Tensor) {
				x.Device().Differentiate(1, func() *gpu.Tensor {
					return gpu.MSE(m.Forward(x, []float32{500}, cond, nil), eps, nil)
				})
				for _, p := range nn.Trainable(m) {
					p.T.ZeroGrad()
				}
			})
		})
	}
}

// benchmark opens the device itself: it belongs to the goroutine of b.
func benchmark(b *testing.B, dtype gpu.DType, f func(m *Model, x, eps, cond *gpu.Tensor)) {
	const batch = 32
	dev, err := gpu.Open("host")
	if err != nil {
		b.Skip(err)
	}
	defer dev.Close()
	cfg, err := ParseConfig([]byte(small))
	if err != nil {
		b.Fatal(err)
	}
	m, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	r := normal{rand.New(rand.NewPCG(1, 2))}
	if err := nn.Init(m, dev, dtype, r); err != nil {
		b.Fatal(err)
	}
	draw := func(shape ...int) *gpu.Tensor {
		x := dev.Empty(dtype, shape...)
		data := make([]float32, x.Len())
		r.Normal(data)
		x.Write(data)
		return x
	}
	x, eps, cond := draw(batch, 16, 16, 4), draw(batch, 16, 16, 4), draw(batch, 16, 192)
	f(m, x, eps, cond) // prepares kernels and fills the allocator's cache
	dev.ResetPeak()
	for b.Loop() {
		f(m, x, eps, cond)
	}
	b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(dev.Memory().Peak)/(1<<20), "MiB")
}
