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

// TestWinograd compares with the sums themselves, in float64: whole and cut tiles,
// blocks that are not full, with bias and residual and without.
func TestWinograd(t *testing.T) {
	dev, b := openTest(t)
	best := isa()
	t.Cleanup(func() { useISA(best) })
	// A transformed pixel and a transformed weight are rounded to bf16 before they are
	// multiplied, 1.6e-3 of each product at random; two and a half times that remains in
	// a sum of nine, beside the rounding of the result.
	limit := map[gpu.DType]float64{gpu.Float32: 1e-6, gpu.BFloat16: 5e-3}
	for _, g := range []geometry{
		{1, 32, 32, 64, 64, 3, 3, pad(1)},
		{2, 33, 37, 64, 96, 3, 3, pad(1)},
	} {
		for _, k := range []struct {
			isa   string
			dtype gpu.DType
		}{{"avx512bf16", gpu.BFloat16}, {"avx512", gpu.Float32}, {"avx2", gpu.Float32}, {"base", gpu.Float32}} {
			dtype, limit := k.dtype, limit[k.dtype]
			t.Run(fmt.Sprintf("%d×%d×%d×%d-%d/%s", g.n, g.h, g.w, g.c, g.o, k.isa), func(t *testing.T) {
				if !useISA(k.isa) {
					t.Skip("not on this processor")
				}
				r := rand.New(rand.NewPCG(3, uint64(g.o)))
				x, xv := random(t, dev, r, dtype, g.n, g.h, g.w, g.c)
				w, wv := random(t, dev, r, dtype, g.o, 3, 3, g.c)
				if !suitsWinograd(x, w, g.Conv) {
					t.Skip("this processor convolves in another way")
				}
				bias, bv := random(t, dev, r, gpu.Float32, g.o)
				res, rv := random(t, dev, r, dtype, g.n, g.h, g.w, g.o)
				sums, back := make([]float64, res.Len()), make([]float64, x.Len())
				g.terms(func(x, w, y int) {
					sums[y] += float64(xv[x]) * float64(wv[w])
					back[x] += float64(rv[y]) * float64(wv[w])
				})
				y, dx := dev.Empty(dtype, res.Shape()...), dev.Empty(dtype, x.Shape()...)
				b.Conv2d(y, x, w, nil, nil, g.Conv)
				near(t, "plain", y, limit, func(i int) float64 { return sums[i] })
				b.Conv2d(y, x, w, bias, res, g.Conv)
				near(t, "bias and residual", y, limit, func(i int) float64 { return sums[i] + float64(bv[i%g.o]) + float64(rv[i]) })
				b.Conv2dGradInput(dx, res, w, g.Conv)
				near(t, "gradient", dx, limit, func(i int) float64 { return back[i] })
				w.Write(make([]float32, w.Len()))
				b.Conv2d(y, x, w, bias, nil, g.Conv)
				near(t, "changed weights", y, limit, func(i int) float64 { return float64(bv[i%g.o]) })
			})
		}
	}
}

// near compares by the root of the mean square.
func near(t *testing.T, what string, got *gpu.Tensor, limit float64, want func(i int) float64) {
	t.Helper()
	var off, all float64
	for i, v := range values(t, got) {
		w := want(i)
		off += (float64(v) - w) * (float64(v) - w)
		all += w * w
	}
	e := math.Sqrt(off / all)
	t.Logf("%s: off by %.2g", what, e)
	if !(e <= limit) {
		t.Errorf("%s: off by %.2g, want at most %g", what, e, limit)
	}
}

// BenchmarkWinograd runs it in turn with oneDNN's convolution: %direct is the time of
// that one as a share of its own. GFLOP/s count the products of the sums themselves.
func BenchmarkWinograd(bench *testing.B) {
	dev, b := openTest(bench)
	for _, dtype := range []gpu.DType{gpu.BFloat16, gpu.Float32} {
		for _, g := range []geometry{
			{2, 64, 64, 320, 320, 3, 3, pad(1)}, {2, 64, 64, 960, 320, 3, 3, pad(1)},
			{2, 32, 32, 640, 640, 3, 3, pad(1)}, {2, 32, 32, 1280, 640, 3, 3, pad(1)},
			{1, 64, 64, 512, 512, 3, 3, pad(1)}, {1, 256, 256, 256, 256, 3, 3, pad(1)},
			{1, 512, 512, 128, 128, 3, 3, pad(1)}, {1, 64, 64, 64, 64, 3, 3, pad(1)},
		} {
			r := rand.New(rand.NewPCG(1, 2))
			x, _ := random(bench, dev, r, dtype, g.n, g.h, g.w, g.c)
			w, _ := random(bench, dev, r, dtype, g.o, 3, 3, g.c)
			bias, _ := random(bench, dev, r, gpu.Float32, g.o)
			y := dev.Empty(dtype, g.n, g.h, g.w, g.o)
			flop := 2 * float64(y.Len()) * float64(9*g.c)
			bench.Run(fmt.Sprintf("%d×%d×%d×%d-%d/%v", g.n, g.h, g.w, g.c, g.o, dtype), func(bench *testing.B) {
				if !suitsWinograd(x, w, g.Conv) {
					bench.Skip("this processor convolves in another way")
				}
				spec := convSpec(0, x, w, y, g.Conv)
				best := [2]time.Duration{math.MaxInt64, math.MaxInt64}
				for bench.Loop() {
					for i, f := range []func(){
						func() { b.winograd(y, x, w, bias, false, false) },
						func() { b.forward("conv2d", spec, y, x, w, bias, nil) },
					} {
						start := time.Now()
						f()
						best[i] = min(best[i], time.Since(start))
					}
				}
				bench.ReportMetric(flop/best[0].Seconds()/1e9, "GFLOP/s")
				bench.ReportMetric(flop/best[1].Seconds()/1e9, "direct")
				bench.ReportMetric(100*best[1].Seconds()/best[0].Seconds(), "%direct")
			})
			for _, t := range []*gpu.Tensor{x, w, bias, y} {
				t.Free()
			}
			dev.Trim()
		}
	}
}
