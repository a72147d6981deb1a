//go:build cgo

package host

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/half"
)

// openTest opens a device together with its backend; own is "own" or nothing.
func openTest(t testing.TB, own ...string) (*gpu.Device, *backend) {
	t.Helper()
	var b gpu.Backend
	gpu.Register("host under test", func(arg string) (be gpu.Backend, err error) {
		b, err = open(arg)
		return b, err
	})
	dev, err := gpu.Open("host under test:" + strings.Join(own, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev, b.(*backend)
}

// eachLibrary runs a test with oneDNN, if it is there, and with the own kernels of each
// instruction set.
func eachLibrary(t *testing.T, f func(t *testing.T, dev *gpu.Device, b *backend)) {
	if dev, b := openTest(t); !b.own {
		t.Run("oneDNN", func(t *testing.T) { f(t, dev, b) })
	}
	eachISA(t, func(t *testing.T) {
		dev, b := openTest(t, "own")
		f(t, dev, b)
	})
}

var formats = map[gpu.DType]string{gpu.Float32: "F32", gpu.BFloat16: "BF16", gpu.Float16: "F16"}

// random fills a tensor with normal numbers, and returns them as rounded.
func random(t testing.TB, dev *gpu.Device, r *rand.Rand, dtype gpu.DType, shape ...int) (*gpu.Tensor, []float32) {
	t.Helper()
	n := 1
	for _, s := range shape {
		n *= s
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	data, err := half.Bytes(formats[dtype], v)
	if err != nil {
		t.Fatal(err)
	}
	x := dev.FromBytes(data, dtype, shape...)
	return x, values(t, x)
}

func values(t testing.TB, x *gpu.Tensor) []float32 {
	t.Helper()
	v, err := half.Float32s(formats[x.DType()], x.ReadBytes())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// geometry is a convolution with its sizes.
type geometry struct {
	n, h, w, c, o, kh, kw int
	gpu.Conv
}

func (g geometry) p() int { return (g.h+g.Top+g.Bottom-g.kh)/g.Stride + 1 }
func (g geometry) q() int { return (g.w+g.Left+g.Right-g.kw)/g.Stride + 1 }

// terms calls f with the indices of x, w and y of every product of the sum.
func (g geometry) terms(f func(x, w, y int)) {
	p, q := g.p(), g.q()
	for n := range g.n {
		for i := range p {
			for j := range q {
				for kh := range g.kh {
					for kw := range g.kw {
						h, w := i*g.Stride+kh-g.Top, j*g.Stride+kw-g.Left
						if h < 0 || h >= g.h || w < 0 || w >= g.w {
							continue
						}
						for o := range g.o {
							for c := range g.c {
								f(((n*g.h+h)*g.w+w)*g.c+c, ((o*g.kh+kh)*g.kw+kw)*g.c+c, ((n*p+i)*q+j)*g.o+o)
							}
						}
					}
				}
			}
		}
	}
}

// compare allows the rounding of the result to its dtype (half a unit in the
// last place, doubled for a float32 sum that falls on the other side), and
// 1e-4 of the largest value for the order of summation.
func compare(t *testing.T, what string, got *gpu.Tensor, want []float64) {
	t.Helper()
	eps := map[gpu.DType]float64{gpu.Float32: 0, gpu.BFloat16: 1. / 256, gpu.Float16: 1. / 2048}[got.DType()]
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	for i, v := range values(t, got) {
		if d := math.Abs(float64(v) - want[i]); !(d <= eps*math.Abs(want[i])+1e-4*largest) {
			t.Fatalf("%s[%d] = %g, want %g", what, i, v, want[i])
		}
	}
}

func float64s(v []float32) []float64 {
	d := make([]float64, len(v))
	for i := range v {
		d[i] = float64(v[i])
	}
	return d
}

func pad(p int) gpu.Conv { return gpu.Conv{Stride: 1, Top: p, Bottom: p, Left: p, Right: p} }

func TestConv2d(t *testing.T) { eachLibrary(t, testConv2d) }

func testConv2d(t *testing.T, dev *gpu.Device, b *backend) {
	for _, g := range []geometry{
		{1, 1, 1, 1, 1, 1, 1, pad(0)},
		{2, 7, 8, 64, 64, 3, 3, pad(1)}, // a pixel more would be Winograd's
		{3, 7, 9, 5, 11, 3, 3, pad(1)},
		{2, 9, 6, 3, 64, 3, 3, pad(1)},
		{2, 9, 6, 64, 4, 3, 3, pad(1)},
		{2, 5, 4, 33, 17, 1, 1, pad(0)},
		{2, 8, 8, 32, 48, 1, 1, gpu.Conv{Stride: 2}},
		{2, 8, 8, 32, 48, 3, 3, gpu.Conv{Stride: 2, Top: 1, Bottom: 1, Left: 1, Right: 1}},
		{2, 8, 8, 32, 32, 3, 3, gpu.Conv{Stride: 2, Bottom: 1, Right: 1}},
		{1, 9, 7, 6, 10, 3, 3, gpu.Conv{Stride: 2, Top: 2, Right: 1}},
		{1, 12, 12, 3, 16, 4, 2, gpu.Conv{Stride: 2, Top: 1, Left: 1, Right: 2}},
		{1, 16, 16, 4, 32, 7, 7, pad(3)},
		{2, 4, 3, 64, 72, 3, 3, pad(1)},
		{1, 6, 8, 65, 64, 3, 3, gpu.Conv{Stride: 2, Top: 2, Left: 1, Right: 2}},
		{1, 3, 5, 512, 64, 3, 3, pad(1)},
	} {
		for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
			t.Run(fmt.Sprintf("%+v %v", g, dtype), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				x, xv := random(t, dev, r, dtype, g.n, g.h, g.w, g.c)
				w, wv := random(t, dev, r, dtype, g.o, g.kh, g.kw, g.c)
				bias, bv := random(t, dev, r, gpu.Float32, g.o)
				res, rv := random(t, dev, r, dtype, g.n, g.p(), g.q(), g.o)
				y := dev.Empty(dtype, res.Shape()...)

				product := make([]float64, len(rv))
				g.terms(func(x, w, y int) { product[y] += float64(xv[x]) * float64(wv[w]) })
				for _, withBias := range []bool{false, true} {
					for _, withRes := range []bool{false, true} {
						want := make([]float64, len(product))
						var bt, rt *gpu.Tensor
						for i, v := range product {
							if withBias {
								bt = bias
								v += float64(bv[i%g.o])
							}
							if withRes {
								rt = res
								v += float64(rv[i])
							}
							want[i] = v
						}
						b.Conv2d(y, x, w, bt, rt, g.Conv)
						compare(t, fmt.Sprintf("y (bias %v, residual %v)", withBias, withRes), y, want)
					}
				}

				dx := dev.Empty(dtype, x.Shape()...)
				want := make([]float64, len(xv))
				g.terms(func(x, w, y int) { want[x] += float64(rv[y]) * float64(wv[w]) })
				b.Conv2dGradInput(dx, res, w, g.Conv)
				compare(t, "dx", dx, want)

				dw, db := dev.Empty(gpu.Float32, w.Shape()...), dev.Empty(gpu.Float32, g.o)
				want = make([]float64, len(wv))
				g.terms(func(x, w, y int) { want[w] += float64(rv[y]) * float64(xv[x]) })
				b.Conv2dGradWeight(dw, nil, x, res, g.Conv)
				compare(t, "dw without db", dw, want)
				b.Conv2dGradWeight(dw, db, x, res, g.Conv)
				compare(t, "dw", dw, want)
				want = make([]float64, g.o)
				for i, v := range rv {
					want[i%g.o] += float64(v)
				}
				compare(t, "db", db, want)
			})
		}
	}
}

func TestLinear(t *testing.T) { eachLibrary(t, testLinear) }

func testLinear(t *testing.T, dev *gpu.Device, b *backend) {
	for _, s := range [][3]int{{1, 1, 1}, {5, 7, 3}, {154, 768, 320}, {2, 320, 1280}, {64, 64, 64}, {33, 100, 130}, {1000, 32, 8}} {
		for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
			rows, c, o := s[0], s[1], s[2]
			t.Run(fmt.Sprintf("%d×%d→%d %v", rows, c, o, dtype), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				x, xv := random(t, dev, r, dtype, rows, c)
				w, wv := random(t, dev, r, dtype, o, c)
				bias, bv := random(t, dev, r, gpu.Float32, o)
				res, rv := random(t, dev, r, dtype, rows, o)
				y, dx := dev.Empty(dtype, rows, o), dev.Empty(dtype, rows, c)
				dw, db := dev.Empty(gpu.Float32, o, c), dev.Empty(gpu.Float32, o)

				product, wantX := make([]float64, rows*o), make([]float64, rows*c)
				wantW, wantB := make([]float64, o*c), make([]float64, o)
				full := float64s(rv)
				for i := range rows {
					for j := range o {
						dy := float64(rv[i*o+j])
						wantB[j] += dy
						for k := range c {
							product[i*o+j] += float64(xv[i*c+k]) * float64(wv[j*c+k])
							wantX[i*c+k] += dy * float64(wv[j*c+k])
							wantW[j*c+k] += dy * float64(xv[i*c+k])
						}
						full[i*o+j] += product[i*o+j] + float64(bv[j])
					}
				}
				b.Linear(y, x, w, nil, nil)
				compare(t, "y", y, product)
				b.Linear(y, x, w, bias, res)
				compare(t, "y with bias and residual", y, full)
				b.LinearGradInput(dx, res, w)
				compare(t, "dx", dx, wantX)
				b.LinearGradWeight(dw, nil, x, res)
				compare(t, "dw without db", dw, wantW)
				b.LinearGradWeight(dw, db, x, res)
				compare(t, "dw", dw, wantW)
				compare(t, "db", db, wantB)
			})
		}
	}
}

// With the own kernels a picture does not depend on the number of threads, nor on those
// beside it.
func TestOwnResultsAreTheSame(t *testing.T) {
	dev, b := openTest(t, "own")
	defer setThreads(dev.Info().Threads)
	r := rand.New(rand.NewPCG(1, 2))
	const n, side, c, o = 3, 9, 20, 33
	x, _ := random(t, dev, r, gpu.Float32, n, side, side, c)
	w, _ := random(t, dev, r, gpu.Float32, o, 3, 3, c)
	dy, _ := random(t, dev, r, gpu.Float32, n, side, side, o)
	y, dx := dev.Empty(gpu.Float32, n, side, side, o), dev.Empty(gpu.Float32, n, side, side, c)
	dw, db := dev.Empty(gpu.Float32, o, 3, 3, c), dev.Empty(gpu.Float32, o)
	run := func(threads int) [][]float32 {
		setThreads(threads)
		b.Conv2d(y, x, w, nil, nil, pad(1))
		b.Conv2dGradInput(dx, dy, w, pad(1))
		b.Conv2dGradWeight(dw, db, x, dy, pad(1))
		return [][]float32{values(t, y), values(t, dx), values(t, dw), values(t, db)}
	}
	want := run(1)
	for i, got := range run(3) {
		if !slices.Equal(got, want[i]) {
			t.Errorf("result %d differs between 1 and 3 threads", i)
		}
	}
	last := gpu.Rows(y, 0, 1)
	b.Conv2d(last, gpu.Rows(x, 2, 3), w, nil, nil, pad(1))
	if !slices.Equal(values(t, last), want[0][2*side*side*o:]) {
		t.Error("the last picture alone is another")
	}
}

// TestFloat16 passes through Float32.
func TestFloat16(t *testing.T) { eachLibrary(t, testFloat16) }

func testFloat16(t *testing.T, dev *gpu.Device, b *backend) {
	r := rand.New(rand.NewPCG(1, 2))
	g := geometry{1, 5, 6, 8, 9, 3, 3, pad(1)}
	x, xv := random(t, dev, r, gpu.Float16, g.n, g.h, g.w, g.c)
	w, wv := random(t, dev, r, gpu.Float16, g.o, g.kh, g.kw, g.c)
	dy, dyv := random(t, dev, r, gpu.Float16, g.n, g.p(), g.q(), g.o)
	y, dx := dev.Empty(gpu.Float16, dy.Shape()...), dev.Empty(gpu.Float16, x.Shape()...)
	dw := dev.Empty(gpu.Float32, w.Shape()...)
	wantY, wantX, wantW := float64s(dyv), make([]float64, len(xv)), make([]float64, len(wv))
	g.terms(func(x, w, y int) {
		wantY[y] += float64(xv[x]) * float64(wv[w])
		wantX[x] += float64(dyv[y]) * float64(wv[w])
		wantW[w] += float64(dyv[y]) * float64(xv[x])
	})
	b.Conv2d(y, x, w, nil, dy, g.Conv)
	compare(t, "y", y, wantY)
	b.Conv2dGradInput(dx, dy, w, g.Conv)
	compare(t, "dx", dx, wantX)
	b.Conv2dGradWeight(dw, nil, x, dy, g.Conv)
	compare(t, "dw", dw, wantW)
}

func littleEndian(v []float32) []byte {
	var data []byte
	for _, f := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
	}
	return data
}
