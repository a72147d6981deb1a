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

// A kernelCase is a function of random tensors. Its value and the gradients to
// all of its inputs are compared with the reference device's float64 loops.
type kernelCase struct {
	name   string
	shapes [][]int
	vector []bool // inputs that stay Float32: gamma, beta
	f      func(x []*gpu.Tensor) *gpu.Tensor
	spread float64 // of the inputs; 0 means 1
	loose  float64 // multiplies the tolerance; 0 means 1
	noGrad bool
}

func shapes(s ...[]int) [][]int { return s }

func unaryCase(name string, f gpu.Func, spread float64) kernelCase {
	return kernelCase{name: name, shapes: shapes([]int{3, 7211}), spread: spread,
		f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Apply(f, x[0]) }}
}

func groupNormCase(groups int, silu bool, shape ...int) kernelCase {
	c := shape[len(shape)-1]
	return kernelCase{name: fmt.Sprintf("groupnorm/%v/%d/%v", shape, groups, silu),
		shapes: shapes(shape, []int{c}, []int{c}), vector: []bool{false, true, true},
		f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.GroupNorm(x[0], x[1], x[2], groups, 1e-5, silu) }}
}

func attentionCase(b, lq, lk, heads, d int, causal bool) kernelCase {
	kv := []int{b, lk, heads * d}
	// A score of 10 that is off by 2⁻²² shifts its exponential by as much; and
	// the gradient takes Σ dy·y from the rounded y.
	return kernelCase{name: fmt.Sprintf("attention/%d·%d/%d×%d/d%d/%v", b, heads, lq, lk, d, causal),
		shapes: shapes([]int{b, lq, heads * d}, kv, kv), spread: 1.5, loose: 4,
		f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Attention(x[0], x[1], x[2], heads, causal) }}
}

var kernelCases = []kernelCase{
	unaryCase("silu", gpu.SiLU, 4),
	unaryCase("gelu", gpu.GELU, 4),
	unaryCase("quickgelu", gpu.QuickGELU, 4),
	unaryCase("exp", gpu.Exp, 2),
	unaryCase("square", gpu.Square, 2),
	unaryCase("tanh", gpu.Tanh, 2),
	{name: "geglu", shapes: shapes([]int{5, 2 * 1100}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.GEGLU(x[0]) }},
	{name: "mul", shapes: shapes([]int{2, 9001}, []int{2, 9001}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Mul(x[0], x[1]) }},
	{name: "clamp", shapes: shapes([]int{2, 1031}), noGrad: true, f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Clamp(x[0], -0.7, 1.2) }},
	{name: "combine", shapes: shapes([]int{33, 700}, []int{33, 700}, []int{33, 700}), vector: []bool{false, true, false},
		f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Combine([]float32{0.5, -2, 1.25}, x...) }},
	{name: "addchannels", shapes: shapes([]int{3, 9, 7, 37}, []int{3, 37}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.AddChannels(x[0], x[1]) }},
	{name: "addchannels/wide", shapes: shapes([]int{2, 90, 1280}, []int{2, 1280}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.AddChannels(x[0], x[1]) }},
	groupNormCase(2, false, 2, 6),
	groupNormCase(4, true, 2, 5, 3, 12),
	groupNormCase(8, true, 3, 8, 8, 48),
	groupNormCase(32, true, 2, 16, 16, 320),
	groupNormCase(32, false, 1, 40, 9, 2560),
	{name: "layernorm", shapes: shapes([]int{3, 77, 100}, []int{100}, []int{100}), vector: []bool{false, true, true},
		f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.LayerNorm(x[0], x[1], x[2], 1e-5) }},
	{name: "layernorm/wide", shapes: shapes([]int{70, 1283}, []int{1283}, []int{1283}), vector: []bool{false, true, true},
		f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.LayerNorm(x[0], x[1], x[2], 1e-5) }},
	{name: "softmax/1", shapes: shapes([]int{5, 1}), noGrad: true, f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Softmax(x[0]) }},
	{name: "softmax/16", shapes: shapes([]int{501, 16}), spread: 3, f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Softmax(x[0]) }},
	// Without its gradient: in bf16 one element of it is a difference so small that
	// the last bit of y, rounded the other way, shows.
	{name: "softmax/33", shapes: shapes([]int{701, 33}), spread: 3, noGrad: true, f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Softmax(x[0]) }},
	{name: "softmax/128", shapes: shapes([]int{3, 128}), spread: 3, f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Softmax(x[0]) }},
	{name: "softmax/77", shapes: shapes([]int{4, 100, 77}), spread: 3, f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Softmax(x[0]) }},
	{name: "softmax/4099", shapes: shapes([]int{5, 4099}), spread: 3, f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Softmax(x[0]) }},
	attentionCase(1, 3, 2, 1, 4, false),
	attentionCase(2, 64, 64, 3, 32, false),
	attentionCase(2, 64, 17, 2, 48, false),
	attentionCase(1, 150, 77, 2, 40, false),
	attentionCase(2, 77, 77, 2, 64, true),
	attentionCase(1, 200, 200, 1, 80, true),
	attentionCase(1, 257, 333, 1, 160, false),
	attentionCase(1, 130, 130, 1, 512, false),
	attentionCase(1, 700, 210, 1, 16, false),
	{name: "channels", shapes: shapes([]int{50, 40}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Channels(x[0], 3, 31) }},
	{name: "concat", shapes: shapes([]int{60, 300}, []int{60, 41}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Concat(x...) }},
	{name: "stack", shapes: shapes([]int{1, 70000}, []int{2, 70000}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Stack(x...) }},
	{name: "upsample", shapes: shapes([]int{2, 5, 7, 300}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Upsample2x(x[0]) }},
	{name: "avgpool", shapes: shapes([]int{2, 6, 10, 1100}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.AvgPool2x(x[0]) }},
	{name: "sample", shapes: shapes([]int{2, 30, 31, 8}, []int{2, 30, 31, 4}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.GaussianSample(x[0], x[1].Detach()) }},
	{name: "kl", shapes: shapes([]int{2, 30, 31, 8}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.GaussianKL(x[0]) }},
	{name: "mse", shapes: shapes([]int{3, 11, 600}, []int{3, 11, 600}, []int{3}), vector: []bool{false, false, true},
		f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.MSE(x[0], x[1].Detach(), x[2].Detach()) }},
	{name: "l1", shapes: shapes([]int{3, 11, 600}, []int{3, 11, 600}), f: func(x []*gpu.Tensor) *gpu.Tensor { return gpu.L1(x[0], x[1].Detach()) }},
}

func device(t testing.TB, name string) *gpu.Device {
	d, err := gpu.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func normal(seed uint64, n int, spread float64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(spread * r.NormFloat64())
	}
	return x
}

func count(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

// run gives the value of c and then the gradient of each input.
func (c kernelCase) run(d *gpu.Device, dtype gpu.DType) (out [][]float32) {
	d.Scope(func() []*gpu.Tensor {
		spread := c.spread
		if spread == 0 {
			spread = 1
		}
		xs := make([]*gpu.Tensor, len(c.shapes))
		for i, s := range c.shapes {
			dt := dtype
			if i < len(c.vector) && c.vector[i] {
				dt = gpu.Float32
			}
			xs[i] = d.FromFloat32(normal(uint64(i), count(s), spread), dt, s...)
		}
		y := c.f(xs)
		out = append(out, y.Float32s())
		if c.noGrad {
			return nil
		}
		for _, x := range xs {
			x.Param()
		}
		aim := d.FromFloat32(normal(99, y.Len(), 1), y.DType(), y.Shape()...)
		d.Differentiate(float32(y.Len()), func() *gpu.Tensor { return gpu.MSE(c.f(xs), aim, nil) })
		for _, x := range xs {
			if g := x.Grad(); g != nil {
				out = append(out, g.Float32s())
			}
			x.ZeroGrad()
		}
		return nil
	})
	return out
}

// closeTo compares with a tolerance relative to each value, or to the root mean
// square of all where a value is smaller.
func closeTo(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	var sq float64
	for _, w := range want {
		sq += float64(w) * float64(w)
	}
	rms := math.Sqrt(sq / float64(len(want)))
	for i, w := range want {
		if got[i] == w { // infinities too
			continue
		}
		if err := math.Abs(float64(got[i]) - float64(w)); !(err <= tol*max(math.Abs(float64(w)), rms)) {
			t.Fatalf("%s: element %d of %d is %g, want %g (rms %g)", what, i, len(want), got[i], w, rms)
		}
	}
}

// A half-precision result may round the other way (2⁻⁸, 2⁻¹¹), and a gradient
// is rounded after a value that was.
var tolerances = map[gpu.DType]float64{gpu.Float32: 1e-5, gpu.BFloat16: 0x1p-6, gpu.Float16: 0x1p-8}

func eachISA(t *testing.T, f func(t *testing.T)) {
	best := isa()
	t.Cleanup(func() { useISA(best) })
	for _, name := range []string{"amx", "avx512bf16", "avx512", "avx2", "base"} {
		t.Run(name, func(t *testing.T) {
			if !useISA(name) {
				t.Skip("not on this processor")
			}
			f(t)
		})
	}
}

func TestKernelsAgreeWithReference(t *testing.T) {
	ref := device(t, "reference")
	want := map[string][][]float32{}
	key := func(c kernelCase, dt gpu.DType) string { return fmt.Sprint(c.name, dt) }
	for _, c := range kernelCases {
		for dt := range tolerances {
			want[key(c, dt)] = c.run(ref, dt)
		}
	}
	dev := device(t, "host")
	eachISA(t, func(t *testing.T) {
		for _, c := range kernelCases {
			for dt, tol := range tolerances {
				t.Run(fmt.Sprintf("%s/%v", c.name, dt), func(t *testing.T) {
					for i, got := range c.run(dev, dt) {
						what := "value"
						if i > 0 {
							what = fmt.Sprintf("gradient %d", i-1)
						}
						closeTo(t, what, got, want[key(c, dt)][i], tol*max(c.loose, 1))
					}
				})
			}
		}
	})
}

// The same bytes come from any number of threads.
func TestThreadsDoNotChangeResults(t *testing.T) {
	for _, name := range []string{"host", "host:own"} {
		t.Run(name, func(t *testing.T) { threadsDoNotChangeResults(t, device(t, name)) })
	}
}

func threadsDoNotChangeResults(t *testing.T, dev *gpu.Device) {
	defer setThreads(dev.Info().Threads)
	for _, c := range kernelCases {
		setThreads(1)
		want := c.run(dev, gpu.Float32)
		setThreads(3)
		got := c.run(dev, gpu.Float32)
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%s: output %d differs between 1 and 3 threads", c.name, i)
			}
		}
	}
}
