package gpu_test

import (
	"math"
	"slices"
	"testing"

	"latent/gpu"
)

// adamW is algorithm 2 of Loshchilov & Hutter 2019 in float64, with the decay
// scaled by the learning rate.
func adamW(p []float64, grads [][]float32, s gpu.AdamWStep) {
	m, v := make([]float64, len(p)), make([]float64, len(p))
	b1, b2, lr := float64(s.Beta1), float64(s.Beta2), float64(s.LR)
	for t, grad := range grads {
		for i := range p {
			g := float64(s.GradScale) * float64(grad[i])
			m[i] = b1*m[i] + (1-b1)*g
			v[i] = b2*v[i] + (1-b2)*g*g
			mhat := m[i] / (1 - math.Pow(b1, float64(t+1)))
			vhat := v[i] / (1 - math.Pow(b2, float64(t+1)))
			p[i] -= lr * (mhat/(math.Sqrt(vhat)+float64(s.Eps)) + float64(s.WeightDecay)*p[i])
		}
	}
}

func TestAdamW(t *testing.T) {
	const n, steps = 133, 20
	s := gpu.AdamWStep{LR: 3e-3, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1, GradScale: 0.5}
	var grads [][]float32
	r := random("adamw")
	for range steps {
		g := make([]float32, n)
		for i := range g {
			g[i] = float32(r.NormFloat64())
		}
		grads = append(grads, g)
	}
	start := weights(n)
	want := make([]float64, n)
	for i, v := range start {
		want[i] = float64(v)
	}
	adamW(want, grads, s)
	want32 := make([]float32, n)
	for i, v := range want {
		want32[i] = float32(v)
	}
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, dtype := range dtypes {
			t.Run(dtype.String(), func(t *testing.T) {
				p := dev.FromFloat32(start, dtype, n)
				master := p
				if dtype != gpu.Float32 {
					master = dev.FromFloat32(start, gpu.Float32, n)
				}
				m, v := dev.Full(0, gpu.Float32, n), dev.Full(0, gpu.Float32, n)
				version := p.Version()
				for i, g := range grads {
					s.Step = i + 1
					gpu.AdamW(p, master, m, v, dev.FromFloat32(g, gpu.Float32, n), s)
				}
				// Twenty steps, each with a few Float32 roundings of p and of √v.
				compare(t, "master", master.Float32s(), want32, 2e-6)
				if !slices.Equal(p.Float32s(), gpu.Cast(master, dtype).Float32s()) {
					t.Error("the parameter is not the rounded master copy")
				}
				if p.Version() == version {
					t.Error("the update does not count as a change")
				}
			})
		}
	})
}

func TestLerp(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		y := dev.FromFloat32([]float32{1, -2, 8}, gpu.Float32, 3)
		gpu.Lerp(y, dev.FromFloat32([]float32{5, 2, 0}, gpu.BFloat16, 3), 0.25)
		if got, want := y.Float32s(), []float32{2, -1, 6}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

func TestSumSquares(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, n := range []int{1, 15, 16, 1000, 100_003} {
			for _, dtype := range dtypes {
				x := dev.FromFloat32(weights(n), dtype, n)
				var want float64
				for _, v := range x.Float32s() {
					want += float64(v) * float64(v)
				}
				// A norm for clipping: sums in Float32 blocks are good enough.
				if got := gpu.SumSquares(x); math.Abs(got-want) > 1e-6*want {
					t.Errorf("%d %v: %v, want %v", n, dtype, got, want)
				}
				x.Free()
			}
		}
	})
}

func TestFinite(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, dtype := range dtypes {
			for _, n := range []int{1, 16, 37, 5000} {
				v := weights(n)
				v[0] = 60000 // large, yet finite in every dtype
				if !dev.FromFloat32(v, dtype, n).Finite() {
					t.Errorf("%d %v: finite numbers are called infinite", n, dtype)
				}
				for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
					for _, at := range []int{0, n / 2, n - 1} {
						w := slices.Clone(v)
						w[at] = float32(bad)
						if dev.FromFloat32(w, dtype, n).Finite() {
							t.Errorf("%d %v: %v at %d was not found", n, dtype, bad, at)
						}
					}
				}
			}
		}
	})
}

// A device may keep weights in an order of its own: each way of changing them
// must reach the next call.
func TestChangedWeightsAreSeen(t *testing.T) {
	const n = 32
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		ones := slices.Repeat([]float32{1}, n*n)
		twos := slices.Repeat([]float32{2}, n*n)
		for _, dtype := range dtypes {
			x := dev.Full(1, dtype, n, n)
			w := dev.FromFloat32(ones, dtype, n, n)
			check := func(how string, want float32) {
				t.Helper()
				if got := gpu.Linear(x, w, nil, nil).Float32s()[0]; got != n*want {
					t.Errorf("%v: after %s linear gives %v, want %v", dtype, how, got, n*want)
				}
				kernel := gpu.Reshape(w, n, 1, 1, n)
				image := gpu.Reshape(x, 1, 8, n/8, n)
				if got := gpu.Conv2d(image, kernel, nil, nil, gpu.Conv{Stride: 1}).Float32s()[0]; got != n*want {
					t.Errorf("%v: after %s conv2d gives %v, want %v", dtype, how, got, n*want)
				}
			}
			check("making", 1)
			w.Write(twos)
			check("Write", 2)
			w.CopyFrom(dev.Full(3, gpu.Float32, n, n))
			check("CopyFrom", 3)
			gpu.Lerp(w, dev.Full(5, dtype, n, n), 0.5)
			check("Lerp", 4)
			master := dev.FromFloat32(ones, gpu.Float32, n, n)
			if dtype == gpu.Float32 {
				w.Write(ones)
				master = w
			}
			m, v := dev.Full(0, gpu.Float32, n, n), dev.Full(0, gpu.Float32, n, n)
			gpu.AdamW(w, master, m, v, dev.Full(1, gpu.Float32, n, n), gpu.AdamWStep{LR: 0.5, Step: 1, GradScale: 1})
			check("AdamW", 0.5)
			w.Free()
			w = dev.FromFloat32(twos, dtype, n, n) // in the memory that w had
			check("Free", 2)
		}
	})
}

// The same numbers at an odd offset give the same result: kernels must not
// count on alignment.
func TestUnalignedViews(t *testing.T) {
	shift := func(x *gpu.Tensor) *gpu.Tensor {
		n := x.Len()
		padded := x.Device().Full(9, x.DType(), n+1)
		tail := gpu.Rows(padded, 1, n+1)
		tail.CopyFrom(x)
		return gpu.Reshape(tail, x.Shape()...)
	}
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, r := range rows {
			for _, dtype := range dtypes {
				in := r.tensors(dev, dtype, r.numbers())
				want := r.op(in).Float32s()
				for k := range in {
					in[k] = shift(in[k])
				}
				if got := r.op(in).Float32s(); distance(got, want) > r.value.of(dtype) {
					t.Errorf("%s in %v is off by %.2g at an odd offset", r.name, dtype, distance(got, want))
				}
			}
		}
	})
}
