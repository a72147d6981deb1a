//go:build cgo

package host

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

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
		measureBeside(bench, name+"/forward", flop, b, y, x, w, bias, func() { b.Conv2d(y, x, w, bias, nil, g.Conv) })
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
		measureBeside(bench, name+"/forward", flop, b, y, x, w, bias, func() { b.Linear(y, x, w, bias, nil) })
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

// measureBeside runs f in turn with the bare oneDNN operation that it needs, on
// packed weights, and reports the share of that one's speed which f reaches.
// The shortest times count: other programs disturb the rest.
func measureBeside(bench *testing.B, name string, flop float64, b *backend, y, x, w, bias *gpu.Tensor, f func()) {
	b.dropOps()
	f()
	var bare func()
	for _, o := range b.ops {
		weights, work := b.weights("benchmark", o, w), b.scratch.grow("benchmark", o.scratch)
		bare = func() { o.run("benchmark", ptr(x), weights, ptr(bias), ptr(y), work) }
	}
	bench.Run(name, func(bench *testing.B) {
		best := [2]time.Duration{math.MaxInt64, math.MaxInt64}
		bench.ReportAllocs()
		for bench.Loop() {
			for i, g := range []func(){f, bare} {
				start := time.Now()
				g()
				best[i] = min(best[i], time.Since(start))
			}
		}
		bench.ReportMetric(flop/best[0].Seconds()/1e9, "GFLOP/s")
		bench.ReportMetric(100*best[1].Seconds()/best[0].Seconds(), "%raw")
	})
}

func measure(bench *testing.B, name string, flop float64, f func()) {
	bench.Run(name, func(bench *testing.B) {
		f()
		best := time.Duration(math.MaxInt64)
		bench.ReportAllocs()
		for bench.Loop() {
			start := time.Now()
			f()
			best = min(best, time.Since(start))
		}
		bench.ReportMetric(flop/best.Seconds()/1e9, "GFLOP/s")
	})
}
