//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"latent/gpu"
	_ "latent/gpu/reference"
)

// numbers are random, rounded to bf16 so that every dtype has the same ones.
func numbers(seed uint64, n int) []float32 {
	r, out := rand.New(rand.NewPCG(seed, 1)), make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(math.Float32bits(float32(r.NormFloat64())) &^ 0xffff)
	}
	return out
}

// call is an operation with its gradients on random inputs.
type call struct {
	name   string
	shapes [][]int
	op     func(x []*gpu.Tensor) *gpu.Tensor
}

func (c call) run(dev *gpu.Device, dtype gpu.DType) (out [][]float32) {
	var in []*gpu.Tensor
	for k, shape := range c.shapes {
		n := 1
		for _, s := range shape {
			n *= s
		}
		in = append(in, dev.FromFloat32(numbers(uint64(k), n), dtype, shape...).Param())
	}
	dev.Differentiate(1, func() *gpu.Tensor {
		y := c.op(in)
		out = append(out, y.Float32s())
		target := dev.FromFloat32(numbers(99, y.Len()), y.DType(), y.Shape()...)
		// The gradient of the sum of squares is of the size of y.
		return gpu.Scale(float32(y.Len())/2, gpu.MSE(y, target, nil))
	})
	for _, x := range in {
		out = append(out, x.Grad().Float32s())
		x.ZeroGrad()
		x.Free()
	}
	return out
}

// same compares value and gradients with those of the reference device.
func (c call) same(t *testing.T, dev *gpu.Device, dtype gpu.DType, want [][]float32) {
	t.Helper()
	tol := map[gpu.DType]float64{gpu.Float32: 5e-6, gpu.BFloat16: 1.2e-2, gpu.Float16: 2e-3}[dtype]
	for k, got := range c.run(dev, dtype) {
		var worst, scale float64
		for i, w := range want[k] {
			d := math.Abs(float64(got[i]) - float64(w))
			if !(d <= worst) {
				worst = d
			}
			scale = max(scale, math.Abs(float64(w)))
		}
		if !(worst <= tol*scale) {
			t.Errorf("%s in %v: result %d is off by %.2g of its largest", c.name, dtype, k, worst/scale)
		}
	}
}

// Every tile, with and without cut k, makes the same product; the shapes fill
// more than one block and end inside the next.
func TestTiles(t *testing.T) {
	defer func() { force = nil }()
	dev, ref := openTest(t, "cuda"), openTest(t, "reference")
	conv := func(c gpu.Conv) func([]*gpu.Tensor) *gpu.Tensor {
		return func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Conv2d(x[0], x[1], nil, nil, c) }
	}
	for _, c := range []call{
		{"linear", [][]int{{136, 88}, {168, 88}}, func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Linear(x[0], x[1], nil, nil) }},
		{"linear with residual", [][]int{{70, 40}, {72, 40}, {70, 72}}, func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Linear(x[0], x[1], nil, x[2]) }},
		{"conv 3x3", [][]int{{2, 9, 8, 24}, {72, 3, 3, 24}}, conv(gpu.Conv{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1})},
		{"conv 3x3 of more channels than a step", [][]int{{1, 5, 6, 40}, {8, 3, 3, 40}}, conv(gpu.Conv{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1})},
		{"conv 7x5", [][]int{{1, 7, 6, 8}, {8, 7, 5, 8}}, conv(gpu.Conv{Stride: 1, Top: 3, Bottom: 3, Left: 2, Right: 2})},
		{"conv 3x3 stride 2", [][]int{{1, 12, 14, 16}, {24, 3, 3, 16}}, conv(gpu.Conv{Stride: 2, Top: 0, Bottom: 1, Left: 0, Right: 1})},
	} {
		want := c.run(ref, gpu.Float32)
		for _, name := range []string{"128x160", "128x128", "128x64", "64x160", "64x64", "64x64_odd"} {
			force = func(candidates []tile) []tile {
				for _, t := range append(candidates, odd) {
					if t.name == name && candidates[0].name != plain.name {
						return []tile{t}
					}
				}
				return candidates
			}
			for _, dtype := range []gpu.DType{gpu.BFloat16, gpu.Float16} {
				t.Run(fmt.Sprintf("%s/%s/%v", c.name, name, dtype), func(t *testing.T) { c.same(t, dev, dtype, want) })
			}
		}
		force = nil
		t.Run(c.name+"/f32", func(t *testing.T) { c.same(t, dev, gpu.Float32, want) })
	}
}

// Every head size, over several tiles of queries and keys, and heads too large
// for any, a slab of queries at a time.
func TestHeadSizes(t *testing.T) {
	defer func(n, m int) { slabBytes, wideFrom = n, m }(slabBytes, wideFrom)
	slabBytes = 4 * 2 * 150 * 40 // three slabs of 40 queries and a rest
	dev, ref := openTest(t, "cuda"), openTest(t, "reference")
	for _, d := range []int{24, 36, 40, 64, 80, 96, 160, 168} {
		for _, causal := range []bool{false, true} {
			lq, lk := 150, 150
			if !causal {
				lk = 83
			}
			c := call{fmt.Sprintf("head of %d, causal %v", d, causal), [][]int{{1, lq, 2 * d}, {1, lk, 2 * d}, {1, lk, 2 * d}},
				func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Attention(x[0], x[1], x[2], 2, causal) }}
			want := c.run(ref, gpu.Float32)
			dtypes := []gpu.DType{gpu.BFloat16, gpu.Float16}
			if d == 24 || d == 168 {
				dtypes = append(dtypes, gpu.Float32)
			}
			for _, dtype := range dtypes {
				for _, wideFrom = range []int{1 << 20, 0} {
					c.same(t, dev, dtype, want)
				}
			}
		}
	}
}

// A product of few rows, with and without bias and residual; and the parts of one
// whose k is cut, joined by eight numbers and by one.
func TestFewRowsAndJoins(t *testing.T) {
	defer func() { force, told = nil, nil }()
	dev, ref := openTest(t, "cuda"), openTest(t, "reference")
	launched := map[string]int{}
	told = func(f function) bool {
		launched[f.name]++
		return false
	}
	for _, dtype := range []gpu.DType{gpu.BFloat16, gpu.Float16, gpu.Float32} {
		for _, s := range []struct {
			rows, in, out int
			res           bool
		}{{1, 320, 24, false}, {2, 264, 13, true}, {4, 16, 8, true}, {40, 2048, 16, true}, {40, 2048, 20, true}, {9, 4096, 7, false}} {
			sameOp(t, dev, ref, fmt.Sprint("linear ", s), dtype, 1, func(d *gpu.Device, in input, dtype gpu.DType) *gpu.Tensor {
				var res *gpu.Tensor
				if s.res {
					res = in(4, dtype, s.rows, s.out)
				}
				return gpu.Linear(in(1, dtype, s.rows, s.in), in(2, dtype, s.out, s.in), in(3, gpu.Float32, s.out), res)
			})
		}
	}
	if launched["matmul_nt_few"] == 0 || launched["matmul_join"] == 0 {
		t.Errorf("launched were %v", launched)
	}
}

// More tensors than one launch takes.
func TestCombineMany(t *testing.T) {
	dev := openTest(t, "cuda")
	for _, n := range []int{16, 17, 31, 40} {
		var coef []float32
		var xs []*gpu.Tensor
		var want float32
		for i := range n {
			coef, xs = append(coef, float32(i%5)), append(xs, dev.Full(float32(i), gpu.BFloat16, 9))
			want += float32(i%5) * float32(i)
		}
		if got := gpu.Cast(gpu.Combine(coef, xs...), gpu.Float32).Float32s(); math.Abs(float64(got[8]-want)) > 4e-3*float64(want) {
			t.Errorf("the sum of %d is %v, want %v", n, got[8], want)
		}
	}
}
