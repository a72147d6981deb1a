//go:build cuda

package cuda

import (
	"fmt"
	"os"
	"sort"
	"testing"
	"time"

	"latent/gpu"
)

// speed is an operation at a size of Stable Diffusion, with its floating-point
// operations and the bytes that it must move at least.
type speed struct {
	name         string
	flops, bytes float64
	run          func()
}

// TestSpeed prints the time of each operation on a GPU, where LATENT_SPEED is set:
// the median of repeated runs, each of many launches in a row, in bf16 and f16.
func TestSpeed(t *testing.T) {
	if os.Getenv("LATENT_SPEED") == "" {
		t.Skip("LATENT_SPEED is not set")
	}
	dev := openTest(t, "cuda")
	fmt.Printf("%s: %s\n%-44s %9s %9s %9s\n", dev.Info().Name, dev.Info().Detail, "operation", "µs", "TFLOP/s", "GB/s")
	for _, dtype := range []gpu.DType{gpu.BFloat16, gpu.Float16, gpu.Float32} {
		for _, s := range speeds(dev, dtype) {
			us := median(dev, s.run)
			fmt.Printf("%-44s %9.1f %9.1f %9.0f\n", s.name+" "+dtype.String(), us, s.flops/us/1e6, s.bytes/us/1e3)
			dev.Trim()
		}
	}
}

// median is the time of one run in microseconds.
func median(dev *gpu.Device, run func()) float64 {
	const rounds, budget = 7, 30 * time.Millisecond
	batch := func(n int) time.Duration {
		start := time.Now()
		dev.Scope(func() []*gpu.Tensor {
			for range n {
				run()
			}
			return nil
		})
		dev.Full(0, gpu.Float32, 1).Item() // waits
		return time.Since(start)
	}
	batch(3)
	n := max(int(budget/max(batch(5)/5, time.Microsecond)), 1)
	var times []float64
	for range rounds {
		times = append(times, float64(batch(n).Nanoseconds())/1e3/float64(n))
	}
	sort.Float64s(times)
	return times[rounds/2]
}

// speeds lists the operations. The results are freed at once, so that the same
// memory serves every launch.
func speeds(dev *gpu.Device, dtype gpu.DType) (list []speed) {
	size := float64(dtype.Size())
	fresh := func(shape ...int) *gpu.Tensor {
		n := 1
		for _, s := range shape {
			n *= s
		}
		seed := numbers(uint64(n), 1<<12)
		data := make([]float32, n)
		for i := range data {
			data[i] = seed[(i*7+i>>12)&(1<<12-1)]
		}
		return dev.FromFloat32(data, dtype, shape...)
	}
	add := func(name string, flops, bytes float64, f func() *gpu.Tensor) {
		list = append(list, speed{name, flops, bytes, func() { f().Free() }})
	}
	big := fresh(64 << 20)
	add("copy of 64 Mi numbers", 0, 2*size*float64(big.Len()), func() *gpu.Tensor { return gpu.Scale(1, big) })

	linear := func(m, n, k int) {
		x, w := fresh(m, k), fresh(n, k)
		add(fmt.Sprintf("linear %d×%d×%d", m, n, k), 2*float64(m)*float64(n)*float64(k), size*float64(m*k+n*k+m*n),
			func() *gpu.Tensor { return gpu.Linear(x, w, nil, nil) })
	}
	if dtype != gpu.Float32 {
		linear(8192, 8192, 8192)
	}
	linear(8192, 320, 320)
	linear(8192, 2560, 320)
	linear(8192, 320, 1280)
	linear(2048, 5120, 640)
	linear(512, 10240, 1280)
	linear(512, 1280, 5120)
	linear(154, 1280, 768)
	linear(2, 1280, 1280)

	conv := func(h, c, o, taps, stride int) {
		x, w := fresh(2, h, h, c), fresh(o, taps, taps, c)
		pad := taps / 2
		g := gpu.Conv{Stride: stride, Top: pad, Bottom: pad, Left: pad, Right: pad}
		p := (h-1)/stride + 1
		add(fmt.Sprintf("conv %d×%d %d²×%d→%d /%d", taps, taps, h, c, o, stride), 2*2*float64(p*p*o)*float64(taps*taps*c),
			size*float64(x.Len()+w.Len()+2*p*p*o), func() *gpu.Tensor { return gpu.Conv2d(x, w, nil, nil, g) })
	}
	conv(64, 4, 320, 3, 1)
	conv(64, 320, 320, 3, 1)
	conv(64, 640, 320, 3, 1)
	conv(64, 320, 4, 3, 1)
	conv(64, 320, 320, 3, 2)
	conv(32, 640, 640, 3, 1)
	conv(16, 1280, 1280, 3, 1)
	conv(16, 2560, 1280, 3, 1)
	conv(8, 1280, 1280, 3, 1)
	conv(32, 960, 640, 1, 1)

	attention := func(l, lk, heads, d int) {
		q, k := fresh(2, l, heads*d), fresh(2, lk, heads*d)
		add(fmt.Sprintf("attention %d×%d, %d heads of %d", l, lk, heads, d), 4*2*float64(l)*float64(lk)*float64(heads*d),
			size*2*float64(2*l+2*lk)*float64(heads*d), func() *gpu.Tensor { return gpu.Attention(q, k, k, heads, false) })
	}
	attention(4096, 4096, 8, 40)
	attention(4096, 77, 8, 40)
	attention(1024, 1024, 8, 80)
	attention(256, 256, 8, 160)
	attention(4096, 4096, 10, 64)
	attention(4096, 4096, 1, 512)

	for _, c := range []int{320, 640, 1280} {
		h := 64 * 320 / c
		x := fresh(2, h, h, c)
		one := dev.Full(1, gpu.Float32, c)
		add(fmt.Sprintf("group norm, silu %d²×%d", h, c), 0, 2*size*float64(x.Len()),
			func() *gpu.Tensor { return gpu.GroupNorm(x, one, one, 32, 1e-5, true) })
		tokens := gpu.Reshape(x, 2, h*h, c)
		add(fmt.Sprintf("layer norm %d×%d", 2*h*h, c), 0, 2*size*float64(x.Len()),
			func() *gpu.Tensor { return gpu.LayerNorm(tokens, one, one, 1e-5) })
		wide := fresh(2, h*h, 8*c)
		add(fmt.Sprintf("geglu %d×%d", 2*h*h, 8*c), 0, 1.5*size*float64(wide.Len()), func() *gpu.Tensor { return gpu.GEGLU(wide) })
	}
	return list
}
