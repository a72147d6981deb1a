//go:build cgo

package host

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"latent/gpu"
	_ "latent/gpu/reference"
)

// The functions are right to 1e-6 of the result over their whole range, tails
// included.
func TestFunctionAccuracy(t *testing.T) {
	phi := func(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
	logistic := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	cases := []struct {
		name   string
		f      gpu.Func
		lo, hi float64
		want   func(x float64) float64
	}{
		{"exp", gpu.Exp, -86.9, 88.7, math.Exp},
		{"tanh", gpu.Tanh, -12, 12, math.Tanh},
		{"silu", gpu.SiLU, -80, 80, func(x float64) float64 { return x * logistic(x) }},
		{"gelu", gpu.GELU, -5, 12, func(x float64) float64 { return x * phi(x) }},
		{"quickgelu", gpu.QuickGELU, -8, 45, // the rounding of 1.702·x grows in the tail
			func(x float64) float64 { return x * logistic(1.702*x) }},
	}
	dev := device(t, "host")
	eachISA(t, func(t *testing.T) {
		for _, c := range cases {
			const n = 200001
			xs := make([]float32, n)
			for i := range xs {
				xs[i] = float32(c.lo + (c.hi-c.lo)*float64(i)/(n-1))
			}
			dev.Scope(func() []*gpu.Tensor {
				var worst float64
				var where float32
				for i, y := range gpu.Apply(c.f, dev.FromFloat32(xs, gpu.Float32, n)).Float32s() {
					w := c.want(float64(xs[i]))
					if err := math.Abs(float64(y)-w) / max(math.Abs(w), 1e-35); !(err <= worst) {
						worst, where = err, xs[i]
					}
				}
				if limit := 1e-6; !(worst <= limit) {
					t.Errorf("%s: relative error %.2g at %g, limit %g", c.name, worst, where, limit)
				}
				return nil
			})
		}
	})
}

// Infinities and NaN must arrive where they belong, else a fault stays hidden.
func TestSpecialValues(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	dev := device(t, "host")
	eachISA(t, func(t *testing.T) {
		dev.Scope(func() []*gpu.Tensor {
			in := make([]float32, 64)
			in[0], in[1], in[2], in[3], in[33] = inf, -inf, nan, 1000, nan
			for _, dt := range []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16} {
				x := dev.FromFloat32(in, dt, len(in))
				if y := gpu.Apply(gpu.Exp, x).Float32s(); y[0] != inf || y[1] != 0 || y[2] == y[2] || y[3] != inf || y[4] != 1 || y[33] == y[33] {
					t.Errorf("%v: exp(inf, -inf, nan, 1000, 0) = %v", dt, y[:5])
				}
				if y := gpu.Softmax(x).Float32s(); y[5] == y[5] {
					t.Errorf("%v: softmax hides a NaN", dt)
				}
				if x.Finite() {
					t.Errorf("%v: NaN taken for finite", dt)
				}
				if !dev.Full(1, dt, 3000).Finite() {
					t.Errorf("%v: ones taken for infinite", dt)
				}
			}
			return nil
		})
	})
}

// Every 16-bit pattern survives widening and narrowing, and narrowing rounds as
// the reference does.
func TestCast(t *testing.T) {
	host, ref := device(t, "host"), device(t, "reference")
	bits := make([]byte, 2<<16)
	for i := range 1 << 16 {
		bits[2*i], bits[2*i+1] = byte(i), byte(i>>8)
	}
	r := rand.New(rand.NewPCG(5, 5))
	random := make([]float32, 100003)
	for i := range random {
		random[i] = math.Float32frombits(r.Uint32())
		if random[i] != random[i] {
			random[i] = 1
		}
	}
	eachISA(t, func(t *testing.T) {
		for _, dt := range []gpu.DType{gpu.BFloat16, gpu.Float16} {
			host.Scope(func() []*gpu.Tensor {
				x := host.FromBytes(bits, dt, 1<<16)
				back := gpu.Cast(gpu.Cast(x, gpu.Float32), dt).ReadBytes()
				wide := gpu.Cast(x, gpu.Float32).Float32s()
				for i, f := range wide {
					if f == f && (back[2*i] != bits[2*i] || back[2*i+1] != bits[2*i+1]) {
						t.Fatalf("%v %#04x comes back as %#02x%02x", dt, i, back[2*i+1], back[2*i])
					}
				}
				got := host.FromFloat32(random, dt, len(random)).ReadBytes()
				want := ref.FromFloat32(random, dt, len(random)).ReadBytes()
				if !slices.Equal(got, want) {
					t.Errorf("float32 narrowed to %v differs from the reference", dt)
				}
				return nil
			})
		}
	})
}

func TestGroupNormFarFromZero(t *testing.T) {
	host, ref := device(t, "host"), device(t, "reference")
	shape := []int{1, 64, 64, 32}
	x := normal(1, count(shape), 1)
	for i := range x {
		x[i] += 3000
	}
	f := func(d *gpu.Device) []float32 {
		one, zero := d.Full(1, gpu.Float32, 32), d.Full(0, gpu.Float32, 32)
		return gpu.GroupNorm(d.FromFloat32(x, gpu.Float32, shape...), one, zero, 8, 1e-5, false).Float32s()
	}
	// The mean itself is rounded to Float32: 3000·2⁻²⁴ is 2e-4.
	closeTo(t, "group norm", f(host), f(ref), 2e-4)
}

func TestEmbedding(t *testing.T) {
	const vocab, width = 50, 130
	ids := make([]int32, 400)
	for i := range ids {
		ids[i] = int32(i * i % vocab)
	}
	run := func(d *gpu.Device) (y, grad []float32) {
		table := d.FromFloat32(normal(3, vocab*width, 1), gpu.BFloat16, vocab, width).Param()
		id := d.FromInt32(ids, len(ids))
		y = gpu.Embedding(table, id).Float32s()
		d.Differentiate(1e4, func() *gpu.Tensor {
			e := gpu.Embedding(table, id)
			return gpu.MSE(e, d.Full(0.25, gpu.BFloat16, e.Shape()...), nil)
		})
		return y, table.Grad().Float32s()
	}
	host, ref := device(t, "host"), device(t, "reference")
	y, grad := run(host)
	wantY, wantGrad := run(ref)
	closeTo(t, "value", y, wantY, 0)
	closeTo(t, "gradient", grad, wantGrad, 1e-5)

	var err error
	func() {
		defer gpu.Catch(&err)
		gpu.Embedding(host.Full(0, gpu.Float32, vocab, width), host.FromInt32([]int32{vocab}, 1))
	}()
	if err == nil {
		t.Error("an id outside the table gives no error")
	}
}

func TestAdamW(t *testing.T) {
	const n = 20011
	run := func(d *gpu.Device, dt gpu.DType) [][]float32 {
		master := d.FromFloat32(normal(1, n, 1), gpu.Float32, n)
		param := master
		if dt != gpu.Float32 {
			param = gpu.Cast(master, dt)
		}
		m, v := d.Full(0, gpu.Float32, n), d.Full(0, gpu.Float32, n)
		for step := 1; step <= 3; step++ {
			g := d.FromFloat32(normal(uint64(step+10), n, 1), gpu.Float32, n)
			gpu.AdamW(param, master, m, v, g, gpu.AdamWStep{LR: 0.01, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1, GradScale: 0.5, Step: step})
		}
		return [][]float32{param.Float32s(), master.Float32s(), m.Float32s(), v.Float32s()}
	}
	host, ref := device(t, "host"), device(t, "reference")
	for dt, tol := range tolerances {
		got, want := run(host, dt), run(ref, dt)
		for i, name := range []string{"param", "master", "m", "v"} {
			limit := 2e-6
			if i == 0 {
				limit = tol
			}
			closeTo(t, fmt.Sprintf("%v %s", dt, name), got[i], want[i], limit)
		}
	}
}

func TestSums(t *testing.T) {
	host, ref := device(t, "host"), device(t, "reference")
	x := normal(4, 100003, 3)
	for dt := range tolerances {
		f := func(d *gpu.Device) float64 { return gpu.SumSquares(d.FromFloat32(x, dt, len(x))) }
		if got, want := f(host), f(ref); math.Abs(got-want) > 1e-9*want {
			t.Errorf("%v: sum of squares %.12g, want %.12g", dt, got, want)
		}
	}
}

// Combine may write over one of its inputs.
func TestCombineInPlace(t *testing.T) {
	d := device(t, "host")
	y := d.FromFloat32(normal(1, 5000, 1), gpu.Float32, 5000)
	x := d.FromFloat32(normal(2, 5000, 1), gpu.Float32, 5000)
	want := gpu.Combine([]float32{0.75, 0.25}, y, x).Float32s()
	gpu.Lerp(y, x, 0.25)
	closeTo(t, "lerp", y.Float32s(), want, 0)
}
