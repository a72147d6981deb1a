//go:build cgo

package host

import (
	"fmt"
	"testing"

	"latent/gpu"
)

// bench times f on tensors of the given shapes; work is bytes or flops, which
// it reports in units of 1e9 per second.
func bench(b *testing.B, name string, dtype gpu.DType, work float64, unit string, shapes [][]int, f func(x []*gpu.Tensor)) {
	b.Run(fmt.Sprintf("%s/%v", name, dtype), func(b *testing.B) {
		d := device(b, "host")
		d.Scope(func() []*gpu.Tensor {
			var xs []*gpu.Tensor
			for i, s := range shapes {
				dt := dtype
				if len(s) == 1 {
					dt = gpu.Float32
				}
				xs = append(xs, d.FromFloat32(normal(uint64(i), count(s), 1), dt, s...))
			}
			for b.Loop() {
				d.Scope(func() []*gpu.Tensor { f(xs); return nil })
			}
			return nil
		})
		b.ReportMetric(work*float64(b.N)/1e9/b.Elapsed().Seconds(), unit)
	})
}

// Kernels bound by memory: bytes read and written once, at SD 1.5's shapes.
func BenchmarkKernels(b *testing.B) {
	for _, dt := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
		image := []int{2, 64, 64, 320}
		bytes := func(shape []int, passes float64) float64 { return passes * float64(count(shape)*dt.Size()) }
		bench(b, "copy", dt, bytes(image, 2), "GB/s", shapes(image), func(x []*gpu.Tensor) { gpu.Stack(x[0]) })
		bench(b, "groupnorm", dt, bytes(image, 2), "GB/s", shapes(image, []int{320}, []int{320}), func(x []*gpu.Tensor) {
			gpu.GroupNorm(x[0], x[1], x[2], 32, 1e-5, false)
		})
		bench(b, "groupnorm+silu", dt, bytes(image, 2), "GB/s", shapes(image, []int{320}, []int{320}), func(x []*gpu.Tensor) {
			gpu.GroupNorm(x[0], x[1], x[2], 32, 1e-5, true)
		})
		small := []int{64, 16, 16, 48}
		bench(b, "groupnorm+silu/small", dt, bytes(small, 2), "GB/s", shapes(small, []int{48}, []int{48}), func(x []*gpu.Tensor) {
			gpu.GroupNorm(x[0], x[1], x[2], 8, 1e-5, true)
		})
		tokens := []int{2, 4096, 320}
		bench(b, "layernorm", dt, bytes(tokens, 2), "GB/s", shapes(tokens, []int{320}, []int{320}), func(x []*gpu.Tensor) {
			gpu.LayerNorm(x[0], x[1], x[2], 1e-5)
		})
		scores := []int{16, 4096, 77}
		bench(b, "softmax", dt, bytes(scores, 2), "GB/s", shapes(scores), func(x []*gpu.Tensor) { gpu.Softmax(x[0]) })
		hidden := []int{2, 4096, 2560}
		bench(b, "geglu", dt, bytes(hidden, 1.5), "GB/s", shapes(hidden), func(x []*gpu.Tensor) { gpu.GEGLU(x[0]) })
		bench(b, "silu", dt, bytes(image, 2), "GB/s", shapes(image), func(x []*gpu.Tensor) { gpu.Apply(gpu.SiLU, x[0]) })
		bench(b, "add", dt, bytes(image, 3), "GB/s", shapes(image, image), func(x []*gpu.Tensor) { gpu.Add(x[0], x[1]) })
	}
}

func BenchmarkKernelGrads(b *testing.B) {
	image := []int{2, 64, 64, 320}
	for _, dt := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
		work := 3 * float64(count(image)*dt.Size())
		bench(b, "groupnorm+silu", dt, work, "GB/s", shapes(image, image, []int{320}, []int{320}), func(x []*gpu.Tensor) {
			d := x[0].Device()
			stats := d.Full(1, gpu.Float32, 2, 32, 2)
			back := &backend{}
			back.GroupNormGrad(d.Empty(dt, image...), d.Empty(gpu.Float32, 320), d.Empty(gpu.Float32, 320), x[1], x[0], stats, x[2], x[3], 32, true)
		})
		tokens := []int{2, 4096, 320}
		bench(b, "layernorm", dt, 3*float64(count(tokens)*dt.Size()), "GB/s", shapes(tokens, tokens, []int{320}), func(x []*gpu.Tensor) {
			d := x[0].Device()
			stats := d.Full(1, gpu.Float32, 2*4096, 2)
			back := &backend{}
			back.LayerNormGrad(d.Empty(dt, tokens...), d.Empty(gpu.Float32, 320), d.Empty(gpu.Float32, 320), x[1], x[0], stats, x[2])
		})
	}
	const n = 1 << 24
	bench(b, "adamw", gpu.Float32, 7*4*n, "GB/s", shapes([]int{n}, []int{n}, []int{n}, []int{n}), func(x []*gpu.Tensor) {
		gpu.AdamW(x[0], x[0], x[1], x[2], x[3], gpu.AdamWStep{LR: 1e-6, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, GradScale: 1, Step: 1})
	})
}

// attentionShapes are those of SD 1.5 at 512×512 and of a small model's training.
var attentionShapes = []struct{ b, heads, lq, lk, d int }{
	{2, 8, 4096, 4096, 40},
	{2, 8, 4096, 77, 40},
	{2, 8, 1024, 1024, 80},
	{2, 8, 256, 256, 160},
	{1, 1, 4096, 4096, 512},
	{64, 4, 64, 64, 48},
	{64, 4, 64, 20, 48},
}

// Flops are those of the two products, 4·B·heads·Lq·Lk·d; the gradient has five.
func BenchmarkAttention(b *testing.B) {
	for _, s := range attentionShapes {
		for _, dt := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
			q, kv := []int{s.b, s.lq, s.heads * s.d}, []int{s.b, s.lk, s.heads * s.d}
			flops := 4 * float64(s.b*s.heads*s.lq) * float64(s.lk*s.d)
			name := fmt.Sprintf("%dx%d/%dx%d/d%d", s.b, s.heads, s.lq, s.lk, s.d)
			bench(b, name, dt, flops, "GFLOP/s", shapes(q, kv, kv), func(x []*gpu.Tensor) {
				gpu.Attention(x[0], x[1], x[2], s.heads, false)
			})
			bench(b, name+"/grad", dt, 2.5*flops, "GFLOP/s", shapes(q, kv, kv, q), func(x []*gpu.Tensor) {
				d := x[0].Device()
				lse := d.Full(5, gpu.Float32, s.b, s.heads, s.lq)
				back := &backend{}
				back.AttentionGrad(d.Empty(dt, q...), d.Empty(dt, kv...), d.Empty(dt, kv...), x[3], x[0], lse, x[0], x[1], x[2], s.heads, 0.1, false)
			})
		}
	}
}
