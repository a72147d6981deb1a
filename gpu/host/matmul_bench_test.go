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
		conv := func() { b.Conv2d(y, x, w, bias, nil, g.Conv) }
		measure(bench, name+"/forward", flop, conv)
		measure(bench, name+"/forward-raw", flop, lastOp(b, y, x, w, bias, conv))
		measure(bench, name+"/residual", flop, func() { b.Conv2d(y, x, w, bias, res, g.Conv) })
		measure(bench, name+"/repack", flop, func() { w.Changed(); b.Conv2d(y, x, w, bias, nil, g.Conv) })
		measure(bench, name+"/input", flop, func() { b.Conv2dGradInput(dx, res, w, g.Conv) })
		measure(bench, name+"/weight", flop, func() { b.Conv2dGradWeight(dw, db, x, res, g.Conv) })
		for _, t := range []*gpu.Tensor{x, w, bias, res, y, dx, dw, db} {
			t.Free()
		}
		dev.Trim()
	}
}

// rows, inputs, outputs: projections of Stable Diffusion 1.5 and of the small
// U-Net.
var benchLinears = [][3]int{
	{8192, 320, 320}, {8192, 320, 2560}, {2048, 640, 640}, {512, 1280, 1280}, {154, 768, 320}, {2, 320, 1280},
	{8192, 64, 64}, {2048, 128, 128}, {512, 192, 192}, {32, 256, 192},
}

func BenchmarkLinear(bench *testing.B) {
	dev, b := openTest(bench)
	for _, s := range benchLinears {
		r := rand.New(rand.NewPCG(1, 2))
		const dtype = gpu.BFloat16
		rows, c, o := s[0], s[1], s[2]
		x, _ := random(bench, dev, r, dtype, rows, c)
		w, _ := random(bench, dev, r, dtype, o, c)
		bias, _ := random(bench, dev, r, gpu.Float32, o)
		res, _ := random(bench, dev, r, dtype, rows, o)
		y, dx := dev.Empty(dtype, rows, o), dev.Empty(dtype, rows, c)
		dw, db := dev.Empty(gpu.Float32, o, c), dev.Empty(gpu.Float32, o)
		flop := 2 * float64(rows) * float64(c) * float64(o)
		name := fmt.Sprintf("%d×%d-%d", rows, c, o)
		linear := func() { b.Linear(y, x, w, bias, nil) }
		measure(bench, name+"/forward", flop, linear)
		measure(bench, name+"/forward-raw", flop, lastOp(b, y, x, w, bias, linear))
		measure(bench, name+"/residual", flop, func() { b.Linear(y, x, w, bias, res) })
		measure(bench, name+"/repack", flop, func() { w.Changed(); b.Linear(y, x, w, bias, nil) })
		measure(bench, name+"/input", flop, func() { b.LinearGradInput(dx, res, w) })
		measure(bench, name+"/weight", flop, func() { b.LinearGradWeight(dw, db, x, res) })
		for _, t := range []*gpu.Tensor{x, w, bias, res, y, dx, dw, db} {
			t.Free()
		}
		dev.Trim()
	}
}

// lastOp is the bare oneDNN operation that f needs, on packed weights: what f
// costs above it is ours.
func lastOp(b *backend, y, x, w, bias *gpu.Tensor, f func()) func() {
	b.dropOps()
	f()
	for _, o := range b.ops {
		weights, work := b.weights("benchmark", o, w), b.scratch.grow("benchmark", o.scratch)
		return func() { o.run("benchmark", ptr(x), weights, ptr(bias), ptr(y), work) }
	}
	panic("no operation")
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
