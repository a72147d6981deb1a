package cli

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"latent/gpu"
)

// opResult is one operation's speed.
type opResult struct {
	Op        string  `json:"op"`
	Shape     string  `json:"shape"`
	DType     string  `json:"dtype"`
	Millis    float64 `json:"ms"`
	Rate      rate    `json:"gflop_s"`
	Bandwidth float64 `json:"gb_s"`
	// Share is the time that the op would take at the measured peak or bandwidth,
	// whichever is longer, divided by the time it took. Operands that fit the
	// caches can make it more than 1.
	Share float64 `json:"share"`
}

// benchOp builds an operation: run is timed; flops and bytes are the least it
// must compute and move.
type benchOp struct {
	op, shape string
	build     func(b *bencher, dtype gpu.DType) (run func() *gpu.Tensor, flops, bytes float64)
}

// stableDiffusionOps are Stable Diffusion 1.5's shapes at 512×512 with guidance:
// two latents of 64×64 in the U-Net, one picture in the decoder.
var stableDiffusionOps = []benchOp{
	conv(2, 64, 320, 320), conv(2, 32, 640, 640), conv(2, 16, 1280, 1280), conv(2, 8, 1280, 1280), conv(1, 256, 256, 256),
	linear(2*64*64, 320, 320), linear(2*64*64, 320, 2560), linear(2*32*32, 640, 5120), linear(2*16*16, 1280, 10240),
	attention(64*64, 64*64, 320), attention(32*32, 32*32, 640), attention(16*16, 16*16, 1280), attention(64*64, 77, 320),
	groupNorm(2, 64, 320), groupNorm(2, 32, 640), groupNorm(2, 16, 1280), groupNorm(1, 512, 128),
	layerNorm(2*64*64, 320), layerNorm(2*16*16, 1280),
	softmax(16*1024, 1024), softmax(16*4096, 77),
}

func conv(n, size, in, out int) benchOp {
	return benchOp{"conv 3x3", fmt.Sprintf("[%d,%d,%d,%d] to %d", n, size, size, in, out),
		func(b *bencher, dtype gpu.DType) (func() *gpu.Tensor, float64, float64) {
			x, w, bias := b.random(dtype, n, size, size, in), b.random(dtype, out, 3, 3, in), b.random(gpu.Float32, out)
			pixels := n * size * size
			return func() *gpu.Tensor {
					return gpu.Conv2d(x, w, bias, nil, gpu.Conv{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1})
				},
				2 * 9 * float64(pixels) * float64(in) * float64(out),
				float64(x.Bytes() + w.Bytes() + pixels*out*dtype.Size())
		}}
}

func linear(rows, in, out int) benchOp {
	return benchOp{"linear", fmt.Sprintf("[%d,%d] to %d", rows, in, out),
		func(b *bencher, dtype gpu.DType) (func() *gpu.Tensor, float64, float64) {
			x, w, bias := b.random(dtype, rows, in), b.random(dtype, out, in), b.random(gpu.Float32, out)
			return func() *gpu.Tensor { return gpu.Linear(x, w, bias, nil) },
				2 * float64(rows) * float64(in) * float64(out),
				float64(x.Bytes() + w.Bytes() + rows*out*dtype.Size())
		}}
}

// attention is of 8 heads, as everywhere in that U-Net.
func attention(queries, keys, c int) benchOp {
	return benchOp{"attention", fmt.Sprintf("[2,%d,%d] to %d", queries, c, keys),
		func(b *bencher, dtype gpu.DType) (func() *gpu.Tensor, float64, float64) {
			q, k, v := b.random(dtype, 2, queries, c), b.random(dtype, 2, keys, c), b.random(dtype, 2, keys, c)
			return func() *gpu.Tensor { return gpu.Attention(q, k, v, 8, false) },
				2 * 2 * 2 * float64(queries) * float64(keys) * float64(c), // two products of two halves
				float64(2*q.Bytes() + k.Bytes() + v.Bytes())
		}}
}

func groupNorm(n, size, c int) benchOp {
	return benchOp{"group norm, SiLU", fmt.Sprintf("[%d,%d,%d,%d]", n, size, size, c),
		func(b *bencher, dtype gpu.DType) (func() *gpu.Tensor, float64, float64) {
			x, gamma, beta := b.random(dtype, n, size, size, c), b.random(gpu.Float32, c), b.random(gpu.Float32, c)
			return func() *gpu.Tensor { return gpu.GroupNorm(x, gamma, beta, 32, 1e-5, true) }, 0, 2 * float64(x.Bytes())
		}}
}

func layerNorm(rows, c int) benchOp {
	return benchOp{"layer norm", fmt.Sprintf("[%d,%d]", rows, c),
		func(b *bencher, dtype gpu.DType) (func() *gpu.Tensor, float64, float64) {
			x, gamma, beta := b.random(dtype, rows, c), b.random(gpu.Float32, c), b.random(gpu.Float32, c)
			return func() *gpu.Tensor { return gpu.LayerNorm(x, gamma, beta, 1e-5) }, 0, 2 * float64(x.Bytes())
		}}
}

func softmax(rows, c int) benchOp {
	return benchOp{"softmax", fmt.Sprintf("[%d,%d]", rows, c),
		func(b *bencher, dtype gpu.DType) (func() *gpu.Tensor, float64, float64) {
			x := b.random(dtype, rows, c)
			return func() *gpu.Tensor { return gpu.Softmax(x) }, 0, 2 * float64(x.Bytes())
		}}
}

// bencher measures on a device.
type bencher struct {
	ctx    context.Context
	dev    *gpu.Device
	report *benchReport
	note   func(format string, args ...any)
	budget time.Duration // for one measurement
	large  int           // width of the matrices that show the peak; 0: by device
}

// dtypes are the formats that the device computes in.
func (b *bencher) dtypes() []gpu.DType {
	if c := b.dev.Info().Compute; c != gpu.Float32 {
		return []gpu.DType{gpu.Float32, c}
	}
	return []gpu.DType{gpu.Float32}
}

// random is a tensor of numbers between −1 and 1. They only need to be neither
// special nor equal.
func (b *bencher) random(dtype gpu.DType, shape ...int) *gpu.Tensor {
	n := 1
	for _, s := range shape {
		n *= s
	}
	data, state := make([]float32, n), uint32(1)
	for i := range data {
		state = state*1664525 + 1013904223
		data[i] = float32(int32(state)) / (1 << 31)
	}
	return b.dev.FromFloat32(data, dtype, shape...)
}

// best is the shortest time that run took in the budget, after a first run that
// prepares kernels and weights.
func (b *bencher) best(run func() *gpu.Tensor) (time.Duration, error) {
	runs := 1
	once := func() time.Duration {
		start := time.Now()
		for range runs {
			b.dev.Scope(func() []*gpu.Tensor {
				run()
				return nil
			})
		}
		b.dev.Scope(func() []*gpu.Tensor {
			b.dev.Full(0, gpu.Float32, 1).Item() // waits until the device is done
			return nil
		})
		return time.Since(start) / time.Duration(runs)
	}
	once()
	if b.apart() { // many at a time: what starting and waiting take is not the op's
		runs = int(min(max(10*time.Millisecond/max(once(), 1), 1), 1000))
	}
	shortest := time.Duration(1<<63 - 1)
	for begin, n := time.Now(), 0; n < 3 || time.Since(begin) < b.budget; n++ {
		if err := b.ctx.Err(); err != nil {
			return 0, err
		}
		shortest = min(shortest, once())
	}
	return shortest, nil
}

// peaks measures what the shares are shares of.
func (b *bencher) peaks() error {
	n, size := b.large, 64<<20
	if n == 0 {
		if n = 2048; b.apart() {
			n, size = 8192, 1<<30
		}
	}
	for _, dtype := range b.dtypes() {
		b.note("measuring the peak in %v", dtype)
		r, err := b.measure(linear(n, n, n), dtype)
		if err != nil {
			return err
		}
		b.report.Peak[dtype.String()] = r.Rate
	}
	b.note("measuring the memory bandwidth")
	if !b.apart() {
		b.report.Bandwidth = copyBandwidth(size)
		return b.ctx.Err()
	}
	var err error
	b.report.Bandwidth, err = b.deviceBandwidth(size)
	return err
}

// apart tells whether the device computes beside the host, in memory of its own.
func (b *bencher) apart() bool { return b.dev.Captures() }

// deviceBandwidth copies n bytes on the device, and counts those read and written
// per second, in GB.
func (b *bencher) deviceBandwidth(n int) (rate float64, err error) {
	defer gpu.Catch(&err)
	b.dev.Scope(func() []*gpu.Tensor {
		x := b.dev.Full(1, gpu.Float32, n/4)
		var t time.Duration
		if t, err = b.best(func() *gpu.Tensor { return gpu.Stack(x) }); err == nil {
			rate = 2 * float64(n) / t.Seconds() / 1e9
		}
		return nil
	})
	b.dev.Trim()
	return rate, err
}

func (b *bencher) ops(list []benchOp) error {
	for _, dtype := range b.dtypes() {
		for _, op := range list {
			b.note("measuring %s %s in %v", op.op, op.shape, dtype)
			r, err := b.measure(op, dtype)
			if err != nil {
				return fmt.Errorf("%s %s: %w", op.op, op.shape, err)
			}
			b.report.Ops = append(b.report.Ops, r)
		}
	}
	return nil
}

// measure times one operation.
func (b *bencher) measure(op benchOp, dtype gpu.DType) (r opResult, err error) {
	defer gpu.Catch(&err)
	b.dev.Scope(func() []*gpu.Tensor {
		run, flops, bytes := op.build(b, dtype)
		var t time.Duration
		if t, err = b.best(run); err != nil {
			return nil
		}
		s := t.Seconds()
		r = opResult{Op: op.op, Shape: op.shape, DType: dtype.String(), Millis: millis(t), Rate: rate(flops / s / 1e9), Bandwidth: bytes / s / 1e9}
		if peak := b.report.Peak[dtype.String()]; peak > 0 {
			r.Share = float64(r.Rate / peak)
		}
		if b.report.Bandwidth > 0 {
			r.Share = max(r.Share, r.Bandwidth/b.report.Bandwidth)
		}
		return nil
	})
	b.dev.Trim()
	return r, err
}

// copyBandwidth copies n bytes with all processors and returns the bytes read
// and written per second, in GB.
func copyBandwidth(n int) float64 {
	src, dst := make([]byte, n), make([]byte, n)
	for i := range src {
		src[i] = byte(i) // pages that were never written are not memory yet
	}
	parts := runtime.GOMAXPROCS(0)
	best := 0.0
	for range 10 {
		start := time.Now()
		var wg sync.WaitGroup
		for p := range parts {
			from, to := p*n/parts, (p+1)*n/parts
			wg.Go(func() { copy(dst[from:to], src[from:to]) })
		}
		wg.Wait()
		best = max(best, 2*float64(n)/time.Since(start).Seconds()/1e9)
	}
	return best
}
