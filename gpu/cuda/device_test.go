//go:build cuda

package cuda

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/cuda/standin"
	_ "latent/gpu/reference"
)

func TestMain(m *testing.M) {
	if os.Getenv("LATENT_CUDA_DRIVER") == "" {
		if err := standin.Use(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func openTest(t *testing.T, name string) *gpu.Device {
	t.Helper()
	dev, err := gpu.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// again runs a test of this package in a process of its own, with other
// environment variables.
func again(t *testing.T, test string, env ...string) (output string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), append(env, "LATENT_AGAIN="+test)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// inner tells whether this process is one that again started.
func inner(test string) bool { return os.Getenv("LATENT_AGAIN") == test }

func TestOpenErrors(t *testing.T) {
	if inner("TestOpenErrors") {
		_, err := gpu.Open(os.Getenv("LATENT_OPEN"))
		fmt.Printf("unavailable %v: %v\n", errors.As(err, new(Unavailable)), err)
		return
	}
	for _, c := range []struct{ device, env, want string }{
		{"cuda", "LATENT_CUDA_DRIVER=/nowhere/libcuda.so.1", "unavailable true: device cuda: no NVIDIA driver"},
		{"cuda", "STANDIN_INIT=100", "unavailable true: device cuda: the NVIDIA driver finds no GPU"},
		{"cuda", "STANDIN_INIT=999", "unavailable true: device cuda: the NVIDIA driver does not start (CUDA error 999)"},
		{"cuda", "STANDIN_CAPABILITY=75", "unavailable true: device cuda: Stand-in has compute capability 7.5, and 8.0 (Ampere) or newer is needed"},
		{"cuda:7", "X=", "unavailable false: device cuda:7: there are 2 GPUs, counted from 0"},
		{"cuda:x", "X=", `unavailable false: device cuda:x: "x" is no number of a GPU`},
		{"cuda:1", "X=", "unavailable false: <nil>"},
	} {
		if out := again(t, "TestOpenErrors", c.env, "LATENT_OPEN="+c.device); !strings.Contains(out, c.want) {
			t.Errorf("%s with %s: want %q in\n%s", c.device, c.env, c.want, out)
		}
	}
}

func caught(f func()) (err error) {
	defer gpu.Catch(&err)
	f()
	return nil
}

// Memory that runs out is an error that leaves the device usable.
func TestOutOfMemory(t *testing.T) {
	const test = "TestOutOfMemory"
	if !inner(test) {
		again(t, test, fmt.Sprint("STANDIN_MEMORY=", 8<<20))
		return
	}
	dev := openTest(t, "cuda")
	// The cache of freed memory gives way first.
	for _, mib := range []int{3, 4, 5, 6} {
		dev.Full(1, gpu.Float32, mib<<18).Free()
	}
	x := dev.Full(2, gpu.Float32, 1<<18)
	err := caught(func() { dev.Full(1, gpu.Float32, 16<<18) })
	if err == nil || !strings.Contains(err.Error(), "cannot get 16 MiB on cuda:0") {
		t.Errorf("error %v", err)
	}
	if y := gpu.Add(x, x).Float32s(); y[0] != 4 || y[len(y)-1] != 4 {
		t.Errorf("after that 2+2 is %v", y[0])
	}
}

// Scratch memory too makes the cache give way, and is an error where that does not
// help.
func TestOutOfScratchMemory(t *testing.T) {
	const test = "TestOutOfScratchMemory"
	if !inner(test) {
		again(t, test, fmt.Sprint("STANDIN_MEMORY=", 16<<20))
		return
	}
	dev := openTest(t, "cuda")
	const n = 1 << 18                        // numbers: a MiB in Float32
	combine := func(x *gpu.Tensor) float32 { // too many for one launch: sums in scratch memory
		var coef []float32
		var xs []*gpu.Tensor
		for range maxCombine + 1 {
			coef, xs = append(coef, 1), append(xs, x)
		}
		return gpu.Combine(coef, xs...).Float32s()[n-1]
	}
	x := dev.Full(1, gpu.Float32, n)
	held := []*gpu.Tensor{}
	for range 12 { // 12 MiB in the cache, of a size that nobody asks for
		held = append(held, dev.Empty(gpu.Float32, n+1))
	}
	for _, h := range held {
		h.Free()
	}
	if got := combine(x); got != maxCombine+1 {
		t.Errorf("the sum is %v", got)
	}
	x.Free()
	x = dev.Full(1, gpu.Float32, 4*n)
	big := dev.Empty(gpu.Float32, 4*n)
	err := caught(func() { combine(x) })
	if err == nil || !strings.Contains(err.Error(), "cannot get 4 MiB of scratch memory on cuda:0") {
		t.Errorf("error %v", err)
	}
	big.Free()
	dev.Trim()
	if y := gpu.Add(x, x).Float32s(); y[0] != 2 {
		t.Errorf("after that 1+1 is %v", y[0])
	}
}

// A device that is lost gives errors, not a crash, whatever is asked of it.
func TestLostDevice(t *testing.T) {
	const test = "TestLostDevice"
	if !inner(test) {
		again(t, test, "STANDIN_FAIL_LAUNCH=3")
		return
	}
	dev, err := gpu.Open("cuda")
	if err != nil {
		t.Fatal(err)
	}
	x := dev.Full(1, gpu.Float32, 64)
	y := gpu.Add(x, x)
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"launch", func() { gpu.Add(x, y) }},
		{"read", func() { y.Float32s() }},
		{"write", func() { x.Write(make([]float32, 64)) }},
		{"memory", func() { dev.Full(1, gpu.Float32, 1<<20) }},
		{"sum", func() { x.Finite() }},
	} {
		var e *gpu.Error
		if err := caught(c.f); !errors.As(err, &e) || !strings.Contains(err.Error(), "CUDA error 719") && !strings.Contains(err.Error(), "LaunchFailed") {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
	dev.Close()
}

// Transfers pass through staging memory in parts.
func TestTransfers(t *testing.T) {
	dev := openTest(t, "cuda")
	for _, n := range []int{1, stagingHalf/4 - 1, stagingHalf / 4, stagingHalf/4 + 1, 5*stagingHalf/4 + 3} {
		data := make([]byte, 4*n)
		for i := range data {
			data[i] = byte(i>>16 ^ i>>8 ^ i*7)
		}
		x := dev.FromBytes(data, gpu.Float32, n)
		if !bytes.Equal(x.ReadBytes(), data) {
			t.Errorf("%d numbers come back changed", n)
		}
		x.Free()
	}
}

func TestExamine(t *testing.T) {
	r := Examine()
	if !r.Built || r.Err != nil || len(r.GPUs) == 0 || r.Modules == 0 {
		t.Fatalf("%+v", r)
	}
	for _, g := range r.GPUs {
		if g.Unsupported != "" || g.Kernels != r.Modules || g.Free <= 0 {
			t.Errorf("%+v of %d modules", g, r.Modules)
		}
	}
}

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
		{"linear", [][]int{{136, 88}, {152, 88}}, func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Linear(x[0], x[1], nil, nil) }},
		{"linear with residual", [][]int{{70, 40}, {72, 40}, {70, 72}}, func(x []*gpu.Tensor) *gpu.Tensor { return gpu.Linear(x[0], x[1], nil, x[2]) }},
		{"conv 3x3", [][]int{{2, 9, 8, 24}, {72, 3, 3, 24}}, conv(gpu.Conv{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1})},
		{"conv 3x3 stride 2", [][]int{{1, 12, 14, 16}, {24, 3, 3, 16}}, conv(gpu.Conv{Stride: 2, Top: 0, Bottom: 1, Left: 0, Right: 1})},
	} {
		want := c.run(ref, gpu.Float32)
		for _, name := range []string{"128x128", "128x64", "64x64", "64x64_odd"} {
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
	defer func(n int) { slabBytes = n }(slabBytes)
	slabBytes = 4 * 2 * 70 * 20 // three slabs of 20 queries and a rest
	dev, ref := openTest(t, "cuda"), openTest(t, "reference")
	for _, d := range []int{24, 40, 64, 80, 96, 160, 168} {
		for _, causal := range []bool{false, true} {
			lq, lk := 70, 70
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
				c.same(t, dev, dtype, want)
			}
		}
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

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		what                 string
		m, n, k, batch, cpus int
		tile                 string
		split                bool
	}{
		{"many blocks need no split", 8192, 1280, 2880, 1, 132, "128x128", false},
		{"few blocks with a long k do", 128, 1280, 11520, 1, 132, "", true},
		{"one row", 2, 1280, 320, 1, 132, "64x64", false},
		{"a batch is not split", 64, 64, 4096, 16, 132, "", false},
	} {
		p := choose(tiles[nt], c.m, c.n, c.k, c.batch, c.cpus, true)
		if c.tile != "" && p.name != c.tile || p.splits > 1 != c.split {
			t.Errorf("%s: tile %s in %d splits", c.what, p.name, p.splits)
		}
		if p.kSplit%32 != 0 || p.splits*p.kSplit < c.k || (p.splits-1)*p.kSplit >= c.k {
			t.Errorf("%s: %d splits of %d for k %d", c.what, p.splits, p.kSplit, c.k)
		}
	}
}
