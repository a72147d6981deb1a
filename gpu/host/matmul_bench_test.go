//go:build cgo && !nodnnl

package host

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"latent/gpu"
)

func down() gpu.Conv { return gpu.Conv{Stride: 2, Top: 1, Bottom: 1, Left: 1, Right: 1} }

// The convolutions of Stable Diffusion 1.5 at 512×512 with guidance, of the
// small U-Net and of the small autoencoder in training.
var benchConvs = []geometry{
	{2, 64, 64, 320, 320, 3, 3, pad(1)},
	{2, 32, 32, 640, 640, 3, 3, pad(1)},
	{2, 16, 16, 1280, 1280, 3, 3, pad(1)},
	{2, 64, 64, 4, 320, 3, 3, pad(1)},
	{2, 64, 64, 320, 320, 3, 3, down()},
	{2, 64, 64, 960, 320, 1, 1, pad(0)},
	{32, 16, 16, 64, 64, 3, 3, pad(1)},
	{32, 8, 8, 128, 128, 3, 3, pad(1)},
	{32, 4, 4, 192, 192, 3, 3, pad(1)},
	{32, 16, 16, 4, 64, 3, 3, pad(1)},
	{32, 16, 16, 64, 64, 3, 3, down()},
	{32, 8, 8, 256, 128, 1, 1, pad(0)},
	{4, 128, 128, 32, 32, 3, 3, pad(1)},
	{4, 64, 64, 64, 64, 3, 3, pad(1)},
	{4, 128, 128, 3, 32, 3, 3, pad(1)},
	{4, 128, 128, 32, 3, 3, 3, pad(1)},
}

func BenchmarkConv2d(bench *testing.B) {
	dev, b := openTest(bench)
	for _, g := range benchConvs {
		r := rand.New(rand.NewPCG(1, 2))
		const dtype = gpu.BFloat16
		x, _ := random(bench, dev, r, dtype, g.n, g.h, g.w, g.c)
		w, _ := random(bench, dev, r, dtype, g.o, g.kh, g.kw, g.c)
		bias, _ := random(bench, dev, r, gpu.Float32, g.o)
		res, _ := random(bench, dev, r, dtype, g.n, g.p(), g.q(), g.o)
		y, dx := dev.Empty(dtype, res.Shape()...), dev.Empty(dtype, x.Shape()...)
		dw, db := dev.Empty(gpu.Float32, w.Shape()...), dev.Empty(gpu.Float32, g.o)
		flop := 2 * float64(y.Len()) * float64(g.kh*g.kw*g.c)
		name := fmt.Sprintf("%d×%d×%d×%d-%d/k%ds%d", g.n, g.h, g.w, g.c, g.o, g.kh, g.Stride)
		measure(bench, name+"/forward", flop, func() { b.Conv2d(y, x, w, bias, nil, g.Conv) })
		measure(bench, name+"/residual", flop, func() { b.Conv2d(y, x, w, bias, res, g.Conv) })
		measure(bench, name+"/input", flop, func() { b.Conv2dGradInput(dx, res, w, g.Conv) })
		measure(bench, name+"/weight", flop, func() { b.Conv2dGradWeight(dw, db, x, res, g.Conv) })
		measure(bench, name+"/repack", flop, func() { w.Changed(); b.Conv2d(y, x, w, bias, nil, g.Conv) })
		for _, t := range []*gpu.Tensor{x, w, bias, res, y, dx, dw, db} {
			t.Free()
		}
		dev.Trim()
	}
}

func measure(bench *testing.B, name string, flop float64, f func()) {
	bench.Run(name, func(bench *testing.B) {
		f()
		bench.ReportAllocs()
		for bench.Loop() {
			f()
		}
		bench.ReportMetric(flop*float64(bench.N)/bench.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
}
