//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"latent/gpu"
)

// input gives random numbers, the same ones for the same k and shape.
type input func(k int, dtype gpu.DType, shape ...int) *gpu.Tensor

type operation func(d *gpu.Device, in input, dtype gpu.DType) *gpu.Tensor

// sameOp compares an operation with what the reference device makes of it in Float32;
// slack multiplies the tolerance.
func sameOp(t *testing.T, dev, ref *gpu.Device, name string, dtype gpu.DType, slack float64, op operation) {
	t.Helper()
	tol := map[gpu.DType]float64{gpu.Float32: 2e-6, gpu.BFloat16: 4e-3, gpu.Float16: 5e-4}
	run := func(d *gpu.Device, dtype gpu.DType) (out []float32) {
		d.Scope(func() []*gpu.Tensor {
			out = op(d, func(k int, dtype gpu.DType, shape ...int) *gpu.Tensor {
				n := 1
				for _, s := range shape {
					n *= s
				}
				return d.FromFloat32(numbers(uint64(k), n), dtype, shape...)
			}, dtype).Float32s()
			return nil
		})
		return out
	}
	got, want := run(dev, dtype), run(ref, gpu.Float32)
	var scale float64
	for _, w := range want {
		scale = max(scale, math.Abs(float64(w)))
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - float64(w)); !(d <= slack*tol[dtype]*scale) {
			t.Errorf("%s in %v: element %d is %v, want %v", name, dtype, i, got[i], w)
			return
		}
	}
}

// What is done in one pass is what the reference device does in several, at shapes
// that end inside tiles, and those that the fused kernel refuses.
func TestFused(t *testing.T) {
	defer func() { force = nil }()
	dev, ref := openTest(t, "cuda"), openTest(t, "reference")
	same := func(name string, dtype gpu.DType, slack float64, op operation) {
		t.Helper()
		sameOp(t, dev, ref, name, dtype, slack, op)
	}
	for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16} {
		for _, name := range []string{"128x160_gated", "128x128_gated", "128x64_gated"} {
			force = func(candidates []tile) []tile {
				for _, c := range candidates {
					if c.name == name {
						return []tile{c}
					}
				}
				return candidates
			}
			for _, s := range []struct{ rows, in, out int }{{5, 16, 16}, {130, 40, 176}, {70, 64, 272}, {9, 12, 32}, {9, 16, 24}} {
				slack := 1.0
				if s.in%8 != 0 || s.out%16 != 0 { // [a | g] is rounded before it is gated
					slack = 3
				}
				for _, bias := range []bool{true, false} {
					same(fmt.Sprint("GEGLU ", name, s, bias), dtype, slack, func(d *gpu.Device, in input, dtype gpu.DType) *gpu.Tensor {
						var b *gpu.Tensor
						if bias {
							b = in(3, gpu.Float32, s.out)
						}
						return gpu.LinearGEGLU(in(1, dtype, s.rows, s.in), in(2, dtype, s.out, s.in), b)
					})
				}
			}
		}
		force = nil
		for _, s := range []struct{ n, h, w, in, out, kernel int }{{3, 5, 7, 16, 24, 3}, {2, 4, 4, 8, 7, 3}, {2, 3, 5, 8, 16, 1}, {2, 8, 8, 640, 16, 3}} {
			same(fmt.Sprint("shift ", s), dtype, 1, func(d *gpu.Device, in input, dtype gpu.DType) *gpu.Tensor {
				p := s.kernel / 2
				return gpu.Conv2dShift(in(1, dtype, s.n, s.h, s.w, s.in), in(2, dtype, s.out, s.kernel, s.kernel, s.in), in(3, gpu.Float32, s.out),
					in(4, dtype, s.n, s.out), gpu.Conv{Stride: 1, Top: p, Bottom: p, Left: p, Right: p})
			})
		}
	}
}

// One step over many parameters is, bit for bit, one step over each.
func TestAdamWMany(t *testing.T) {
	dev := openTest(t, "cuda")
	build := func() (us []gpu.AdamWUpdate) {
		for i, n := range []int{1, 255, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 17, 5} {
			x := func(k int) *gpu.Tensor {
				v := numbers(uint64(10*i+k), n)
				if k == 2 { // squares
					for j := range v {
						v[j] *= v[j]
					}
				}
				return dev.FromFloat32(v, gpu.Float32, n)
			}
			u := gpu.AdamWUpdate{Master: x(0), M: x(1), V: x(2), Grad: x(3), AdamWStep: gpu.AdamWStep{
				LR: 1e-2 * float32(i+1), Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1 * float32(i%2), GradScale: 0.5, Step: 3,
			}}
			if u.Param = u.Master; i%2 == 1 {
				u.Param = gpu.Cast(u.Master, gpu.BFloat16)
			}
			us = append(us, u)
		}
		return us
	}
	each, many := build(), build()
	for _, u := range each {
		gpu.AdamW(u.Param, u.Master, u.M, u.V, u.Grad, u.AdamWStep)
	}
	before := many[0].Param.Version()
	launches := dev.Profile(func() { gpu.AdamWMany(many) })
	if len(launches) != 1 || many[0].Param.Version() == before {
		t.Errorf("%d operations, version %d", len(launches), many[0].Param.Version())
	}
	var grads []*gpu.Tensor
	var squares float64
	for i, u := range each {
		for k, pair := range [][2]*gpu.Tensor{{u.Param, many[i].Param}, {u.Master, many[i].Master}, {u.M, many[i].M}, {u.V, many[i].V}} {
			if !slices.Equal(pair[0].Float32s(), pair[1].Float32s()) {
				t.Errorf("tensor %d of parameter %d differs", k, i)
			}
		}
		for _, g := range u.Grad.Float32s() {
			squares += float64(g) * float64(g)
		}
		grads = append(grads, u.Grad)
	}
	if got := gpu.SumSquaresMany(grads); math.Abs(got/squares-1) > 1e-6 {
		t.Errorf("the sum of squares is %v, want %v", got, squares)
	}
}

// Group norm in one kernel, by one pair of numbers and by two, and in three where a
// group does not fit in shared memory or has an odd width: by 16 bytes, and by one
// number.
func TestGroupNorm(t *testing.T) {
	dev, ref := openTest(t, "cuda"), openTest(t, "reference")
	launched := map[string]bool{}
	defer func() { told = nil }()
	told = func(f function) bool {
		launched[f.name] = true
		return false
	}
	for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16} {
		for _, s := range []struct {
			rows, c, groups int
			silu            bool
		}{{81, 24, 4, true}, {81, 32, 4, false}, {1, 64, 32, true}, {35, 24, 8, true}, {300, 15, 3, false}, {2600, 40, 2, true}, {50, 2080, 2, false}, {700, 72, 1, true}, {1222, 40, 2, true}} {
			sameOp(t, dev, ref, fmt.Sprint("group norm ", s), dtype, 1, func(d *gpu.Device, in input, dtype gpu.DType) *gpu.Tensor {
				return gpu.GroupNorm(in(1, dtype, 2, s.rows, s.c), in(2, gpu.Float32, s.c), in(3, gpu.Float32, s.c), s.groups, 1e-5, s.silu)
			})
		}
	}
	for _, name := range []string{"norm_group_4", "norm_group_8", "norm_moments", "norm_moments_wide"} {
		if !launched[name] {
			t.Errorf("%s was not launched", name)
		}
	}
}

// What lies in two parts is normalised and projected as if it were one.
func TestJoined(t *testing.T) {
	dev, ref := openTest(t, "cuda"), openTest(t, "reference")
	for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16} {
		for _, s := range []struct{ h, c1, c2, groups, out int }{{5, 32, 64, 8, 24}, {6, 64, 32, 12, 168}, {3, 32, 16, 4, 8}, {4, 12, 8, 5, 8}, {4, 40, 24, 8, 16}, {3, 9, 7, 4, 5}} {
			join := func(d *gpu.Device, in input, dtype gpu.DType) *gpu.Joined {
				return gpu.Join(in(1, dtype, 2, s.h, s.h, s.c1), in(2, dtype, 2, s.h, s.h, s.c2))
			}
			c := s.c1 + s.c2
			sameOp(t, dev, ref, fmt.Sprint("joined group norm ", s), dtype, 1, func(d *gpu.Device, in input, dtype gpu.DType) *gpu.Tensor {
				return join(d, in, dtype).GroupNorm(in(3, gpu.Float32, c), in(4, gpu.Float32, c), s.groups, 1e-5, true)
			})
			sameOp(t, dev, ref, fmt.Sprint("joined pointwise ", s), dtype, 1, func(d *gpu.Device, in input, dtype gpu.DType) *gpu.Tensor {
				return join(d, in, dtype).Pointwise(in(3, dtype, s.out, 1, 1, c), in(4, gpu.Float32, s.out))
			})
		}
	}
}

// Three projections of one input, with biases and without, cut in k or not.
func TestLinearMany(t *testing.T) {
	dev, ref := openTest(t, "cuda"), openTest(t, "reference")
	for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16} {
		for _, s := range []struct {
			rows, in, out, n int
			bias             bool
		}{{70, 40, 168, 3, true}, {5, 64, 24, 2, false}, {9, 12, 8, 3, true}, {4, 16, 8, 4, true}} {
			sameOp(t, dev, ref, fmt.Sprint("linear many ", s), dtype, 1, func(d *gpu.Device, in input, dtype gpu.DType) *gpu.Tensor {
				var ws, bs []*gpu.Tensor
				for i := range s.n {
					ws = append(ws, in(2+i, dtype, s.out, s.in))
					if s.bias {
						bs = append(bs, in(12+i, gpu.Float32, s.out))
					}
				}
				return gpu.Concat(gpu.LinearMany(in(1, dtype, s.rows, s.in), ws, bs)...)
			})
		}
	}
}

// Layer norm by a warp for each row, and by a block where a row is long or odd.
func TestLayerNorm(t *testing.T) {
	dev, ref := openTest(t, "cuda"), openTest(t, "reference")
	for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16} {
		for _, c := range []int{8, 36, 320, 640, 1280, 1288, 7} {
			sameOp(t, dev, ref, fmt.Sprint("layer norm ", c), dtype, 1, func(d *gpu.Device, in input, dtype gpu.DType) *gpu.Tensor {
				return gpu.LayerNorm(in(1, dtype, 7, c), in(2, gpu.Float32, c), in(3, gpu.Float32, c), 1e-5)
			})
		}
	}
}
