// Package reference is the device in plain Go: obvious and slow. It is the
// oracle of every test, and the device of programs built without oneDNN.
//
// Elements are widened to float64 on load and rounded once on store. Each sum
// runs in one fixed order inside one goroutine, so that results do not depend
// on the number of threads.
package reference

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"latent/gpu"
	"latent/gpu/half"
)

func init() {
	gpu.Register("reference", func(string) (gpu.Backend, error) { return backend{}, nil })
}

type backend struct{}

func (backend) Info() gpu.Info {
	return gpu.Info{Name: "reference", Detail: "plain Go, " + runtime.GOARCH, Compute: gpu.Float32, Threads: runtime.GOMAXPROCS(0)}
}

// buffer is made of words: every dtype is aligned.
type buffer []uint32

func (b buffer) Size() int { return 4 * len(b) }

func (backend) Alloc(bytes int) (gpu.Buffer, error) { return make(buffer, (bytes+3)/4), nil }

// Free leaves the memory to the garbage collector.
func (backend) Free(gpu.Buffer) {}

func (backend) Close() {}

func (backend) Write(dst *gpu.Tensor, src []byte) { copy(elements[byte](dst), src) }

func (backend) Read(dst []byte, src *gpu.Tensor) { copy(dst, elements[byte](src)) }

// elements is a tensor's memory read as numbers of type T.
func elements[T any](t *gpu.Tensor) []T {
	if t.Len() == 0 {
		return nil
	}
	var zero T
	p := unsafe.Pointer(unsafe.SliceData(t.Buffer().(buffer)))
	return unsafe.Slice((*T)(unsafe.Add(p, t.Offset())), t.Bytes()/int(unsafe.Sizeof(zero)))
}

// load widens the elements; a nil tensor gives nil.
func load(t *gpu.Tensor) []float64 {
	if t == nil {
		return nil
	}
	out := make([]float64, t.Len())
	switch t.DType() {
	case gpu.Float32:
		widen(out, elements[float32](t), func(v float32) float64 { return float64(v) })
	case gpu.BFloat16:
		widen(out, elements[uint16](t), func(v uint16) float64 { return float64(half.F32FromBF16(v)) })
	case gpu.Float16:
		widen(out, elements[uint16](t), func(v uint16) float64 { return float64(half.F32FromF16(v)) })
	case gpu.Int32:
		widen(out, elements[int32](t), func(v int32) float64 { return float64(v) })
	}
	return out
}

func widen[T any](dst []float64, src []T, f func(T) float64) {
	for i, v := range src {
		dst[i] = f(v)
	}
}

// store rounds values to the tensor's dtype.
func store(t *gpu.Tensor, values []float64) {
	switch t.DType() {
	case gpu.Float32:
		narrow(elements[float32](t), values, func(v float64) float32 { return float32(v) })
	case gpu.BFloat16:
		narrow(elements[uint16](t), values, func(v float64) uint16 { return half.BF16FromF32(float32(v)) })
	case gpu.Float16:
		narrow(elements[uint16](t), values, func(v float64) uint16 { return half.F16FromF32(float32(v)) })
	case gpu.Int32:
		narrow(elements[int32](t), values, func(v float64) int32 { return int32(v) })
	}
}

func narrow[T any](dst []T, src []float64, f func(float64) T) {
	for i, v := range src {
		dst[i] = f(v)
	}
}

// each sets every element of y to f of its index.
func each(y *gpu.Tensor, f func(i int) float64) {
	out := make([]float64, y.Len())
	for i := range out {
		out[i] = f(i)
	}
	store(y, out)
}

// parallel calls f for each i < n from several goroutines.
func parallel(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// dot is Σ a[i]·b[i]; four partial sums keep the adder busy.
func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

// axpy is y += a·x.
func axpy(y []float64, a float64, x []float64) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += a * v
	}
}

// orZero is x[i], or 0 where the option x is absent.
func orZero(x []float64, i int) float64 {
	if x == nil {
		return 0
	}
	return x[i]
}

// row is the i-th vector of n elements.
func row(x []float64, i, n int) []float64 { return x[i*n : (i+1)*n] }
