//go:build cuda

package cuda

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/cuda/standin"
	_ "latent/gpu/reference"
)

func TestMain(m *testing.M) {
	if err := standin.Use(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
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

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		what                 string
		m, n, k, batch, cpus int
		tile                 string
		split                bool
	}{
		{"many blocks need no split", 8192, 1280, 2880, 1, 132, "128x160", false},
		{"few blocks with a long k do", 128, 1280, 11520, 1, 132, "", true},
		{"one row", 2, 1280, 320, 1, 132, "64x64", false},
		{"a batch is not split", 64, 64, 4096, 16, 132, "", false},
	} {
		p := choose(tiles[nt], c.m, c.n, c.k, c.batch, gpuSize{c.cpus, 228 << 10}, true)
		if c.tile != "" && p.name != c.tile || p.splits > 1 != c.split {
			t.Errorf("%s: tile %s in %d splits", c.what, p.name, p.splits)
		}
		if p.kSplit%32 != 0 || p.splits*p.kSplit < c.k || (p.splits-1)*p.kSplit >= c.k {
			t.Errorf("%s: %d splits of %d for k %d", c.what, p.splits, p.kSplit, c.k)
		}
	}
}
