// Package reference is the device in plain Go: obvious and slow. It is the
// oracle of every test, and the device of programs built without oneDNN.
//
// Elements are widened to float32 on load and rounded once on store. Sums run
// in float64, each in one fixed order inside one goroutine, so that results do
// not depend on the number of threads.
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

// load gives the elements as float32: the memory itself where it is Float32, so
// the result is for reading only. A nil tensor gives nil.
func load(t *gpu.Tensor) []float32 {
	if t == nil {
		return nil
	}
	switch t.DType() {
	case gpu.BFloat16:
		out := make([]float32, t.Len())
		half.F32sFromBF16s(out, elements[uint16](t))
		return out
	case gpu.Float16:
		out := make([]float32, t.Len())
		half.F32sFromF16s(out, elements[uint16](t))
		return out
	case gpu.Int32:
		out := make([]float32, t.Len())
		for i, v := range elements[int32](t) {
			out[i] = float32(v)
		}
		return out
	}
	return elements[float32](t)
}

// store rounds values to the tensor's dtype.
func store(t *gpu.Tensor, values []float32) {
	switch t.DType() {
	case gpu.BFloat16:
		half.BF16sFromF32s(elements[uint16](t), values)
	case gpu.Float16:
		half.F16sFromF32s(elements[uint16](t), values)
	case gpu.Int32:
		for i, dst := 0, elements[int32](t); i < len(dst); i++ {
			dst[i] = int32(values[i])
		}
	default:
		copy(elements[float32](t), values)
	}
}

// each sets every element of y to f of its index.
func each(y *gpu.Tensor, f func(i int) float32) {
	out := make([]float32, y.Len())
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
func dot(a, b []float32) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += float64(a[i]) * float64(b[i])
		s1 += float64(a[i+1]) * float64(b[i+1])
		s2 += float64(a[i+2]) * float64(b[i+2])
		s3 += float64(a[i+3]) * float64(b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i]) * float64(b[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// axpy is acc += a·x.
func axpy(acc []float64, a float64, x []float32) {
	acc = acc[:len(x)]
	for i, v := range x {
		acc[i] += a * float64(v)
	}
}

// narrow rounds acc into dst.
func narrow(dst []float32, acc []float64) {
	for i, v := range acc {
		dst[i] = float32(v)
	}
}

// row is the i-th vector of n elements.
func row[T any](x []T, i, n int) []T { return x[i*n : (i+1)*n] }
