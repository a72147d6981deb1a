package gpu_test

import (
	"fmt"
	"slices"
	"testing"

	"latent/gpu"
)

// param makes a Float32 parameter.
func param(dev *gpu.Device, values []float32, shape ...int) *gpu.Tensor {
	return dev.FromFloat32(values, gpu.Float32, shape...).Param()
}

func ones(dev *gpu.Device, y *gpu.Tensor) *gpu.Tensor {
	n := y.Len()
	return gpu.Linear(gpu.Reshape(y, 1, n), dev.Full(1, y.DType(), 1, n), nil, nil)
}

func wantGrad(t *testing.T, x *gpu.Tensor, want ...float32) {
	t.Helper()
	if x.Grad() == nil {
		t.Fatal("no gradient")
	}
	if !slices.Equal(x.Grad().Shape(), x.Shape()) || x.Grad().DType() != gpu.Float32 {
		t.Errorf("gradient is %v for parameter %v", x.Grad(), x)
	}
	if got := x.Grad().Float32s(); !slices.Equal(got, want) {
		t.Errorf("gradient %v, want %v", got, want)
	}
}

func TestGradientOfSharedInput(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		x := param(dev, []float32{1, 2, -3}, 3)
		loss := dev.Differentiate(1, func() *gpu.Tensor {
			square := gpu.Mul(x, x)
			return ones(dev, gpu.Add(gpu.Mul(square, x), gpu.Add(square, x))) // Σ x³ + x² + x
		})
		if want := float32(1 + 8 - 27 + 1 + 4 + 9 + 1 + 2 - 3); loss != want {
			t.Errorf("loss %v, want %v", loss, want)
		}
		wantGrad(t, x, 6, 17, 22) // 3x² + 2x + 1
	})
}

func TestGradientThroughViews(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		x := param(dev, []float32{1, 2, 3, 4, 5, 6}, 3, 2)
		dev.Differentiate(1, func() *gpu.Tensor {
			a := gpu.Rows(x, 0, 2)
			b := gpu.Rows(gpu.Reshape(x, 6), 2, 6) // overlaps a
			return ones(dev, gpu.Mul(gpu.Reshape(a, 4), gpu.Reshape(b, 4)))
		})
		wantGrad(t, x, 3, 4, 5+1, 6+2, 3, 4)
	})
}

func TestGradientsAddUp(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		x := param(dev, []float32{1, 2}, 2)
		f := func() *gpu.Tensor { return ones(dev, gpu.Mul(x, x)) }
		dev.Differentiate(1, f)
		dev.Differentiate(0.5, f)
		wantGrad(t, x, 3, 6)
		x.ZeroGrad()
		if x.Grad() != nil {
			t.Error("ZeroGrad left a gradient")
		}
	})
}

func TestHalfPrecisionGradientsAddUpInFloat32(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		x := dev.FromFloat32([]float32{1}, gpu.BFloat16, 1).Param()
		dev.Differentiate(1, func() *gpu.Tensor { return gpu.Scale(256, x) })
		dev.Differentiate(1, func() *gpu.Tensor { return gpu.Scale(1, x) })
		wantGrad(t, x, 257) // bf16 would keep 256
	})
}

func TestFrozenAndNoGrad(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		x, frozen := param(dev, []float32{2}, 1), param(dev, []float32{3}, 1).Frozen()
		dev.Differentiate(1, func() *gpu.Tensor {
			var hidden *gpu.Tensor
			dev.NoGrad(func() { hidden = gpu.Mul(x, x) })
			return gpu.Add(gpu.Mul(x, frozen), gpu.Add(hidden, gpu.Mul(x, x).Detach()))
		})
		wantGrad(t, x, 3)
		if frozen.Grad() != nil {
			t.Error("a frozen tensor got a gradient")
		}
	})
}

func sumWeighted(y *gpu.Tensor) *gpu.Tensor { return weighted(y, weights(y.Len())) }

// block is a residual block with parameters, for the tests of Checkpoint.
type block struct{ w, b, gamma, beta *gpu.Tensor }

func newBlock(dev *gpu.Device, name string, c int) block {
	r := random(name)
	draw := func(shape ...int) *gpu.Tensor {
		v := make([]float32, size(shape))
		for i := range v {
			v[i] = short(r.NormFloat64())
		}
		return param(dev, v, shape...)
	}
	return block{draw(c, 3, 3, c), draw(c), draw(c), draw(c)}
}

func (b block) forward(x *gpu.Tensor) *gpu.Tensor {
	h := gpu.GroupNorm(x, b.gamma, b.beta, 2, 1e-5, true)
	for range 3 {
		h = gpu.Scale(0.1, gpu.Conv2d(h, b.w, b.b, nil, same))
	}
	return gpu.Add(x, h)
}

func (b block) params() []*gpu.Tensor { return []*gpu.Tensor{b.w, b.b, b.gamma, b.beta} }

func (b block) takeGrads() (out [][]float32) {
	for _, p := range b.params() {
		out = append(out, p.Grad().Float32s())
		p.ZeroGrad()
	}
	return out
}

func TestCheckpointGivesTheSameGradient(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		x := param(dev, weights(2*4*4*6), 2, 4, 4, 6)
		b1, b2 := newBlock(dev, "one", 6), newBlock(dev, "two", 6)
		run := func(checkpoint bool) (float32, [][]float32) {
			call := func(b block, x *gpu.Tensor) *gpu.Tensor {
				if !checkpoint {
					return b.forward(x)
				}
				return gpu.Checkpoint(func(xs ...*gpu.Tensor) *gpu.Tensor { return b.forward(xs[0]) }, x)
			}
			loss := dev.Differentiate(1, func() *gpu.Tensor {
				h := gpu.Scale(0.5, x) // b1 gets an intermediate tensor
				h = gpu.Mul(call(b1, h), h)
				return sumWeighted(call(b2, h))
			})
			grads := append(b1.takeGrads(), b2.takeGrads()...)
			grads = append(grads, x.Grad().Float32s())
			x.ZeroGrad()
			return loss, grads
		}
		loss, grads := run(false)
		again, recomputed := run(true)
		if loss != again {
			t.Errorf("loss %v with, %v without Checkpoint", again, loss)
		}
		for i := range grads {
			// Gradients that meet in x are added in another order.
			compare(t, fmt.Sprint("gradient ", i), recomputed[i], grads[i], 2e-7)
		}
	})
}

func TestCheckpointSavesMemory(t *testing.T) {
	dev := open(t, "reference")
	x := param(dev, weights(4*8*8*8), 4, 8, 8, 8)
	b := newBlock(dev, "deep", 8)
	peak := func(call func(x *gpu.Tensor) *gpu.Tensor) int {
		before := dev.Memory().InUse
		dev.ResetPeak()
		dev.Differentiate(1, func() *gpu.Tensor {
			h := x
			for range 8 {
				h = call(h)
			}
			return sumWeighted(h)
		})
		b.takeGrads()
		x.ZeroGrad()
		return dev.Memory().Peak - before
	}
	plain := peak(b.forward)
	saved := peak(func(x *gpu.Tensor) *gpu.Tensor {
		return gpu.Checkpoint(func(xs ...*gpu.Tensor) *gpu.Tensor { return b.forward(xs[0]) }, x)
	})
	// Of the eight tensors of a block and their gradients, its output and the
	// gradient of its input remain.
	if saved > plain/3 {
		t.Errorf("peak is %d bytes with Checkpoint, %d without", saved, plain)
	}
}

func TestNestedCheckpoint(t *testing.T) {
	dev := open(t, "reference")
	x := param(dev, []float32{1, 2}, 2)
	cube := func(xs ...*gpu.Tensor) *gpu.Tensor {
		inner := func(xs ...*gpu.Tensor) *gpu.Tensor { return gpu.Mul(xs[0], xs[0]) }
		return gpu.Mul(gpu.Checkpoint(inner, xs[0]), xs[0])
	}
	dev.Differentiate(1, func() *gpu.Tensor { return ones(dev, gpu.Checkpoint(cube, x)) })
	wantGrad(t, x, 3, 12)
}

func TestDifferentiateRefusesNestingAndVectors(t *testing.T) {
	dev := open(t, "reference")
	x := param(dev, []float32{1, 2}, 2)
	for name, f := range map[string]func() *gpu.Tensor{
		"vector": func() *gpu.Tensor { return gpu.Mul(x, x) },
		"nested": func() *gpu.Tensor {
			dev.Differentiate(1, func() *gpu.Tensor { return ones(dev, x) })
			return ones(dev, x)
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := dev.Memory().InUse
			if caught(func() { dev.Differentiate(1, f) }) == nil {
				t.Error("no error")
			}
			if after := dev.Memory().InUse; after != before {
				t.Errorf("%d bytes leaked", after-before)
			}
			x.ZeroGrad()
			dev.Differentiate(1, func() *gpu.Tensor { return ones(dev, x) }) // recording works again
			wantGrad(t, x, 1, 1)
			x.ZeroGrad()
		})
	}
}
