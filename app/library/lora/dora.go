package lora

import (
	"math"
	"runtime"
	"sync"

	"latent/gpu"
)

// decomposed tells whether the module is a DoRA.
func (m *module) decomposed() bool { return m.has("dora") || m.has("magnitude") }

// magnitudes names the factor that holds a DoRA's m: a number for each row of a
// weight of out rows and in channels, or, as early versions of LyCORIS have it, for
// each channel. ok is false where it fits neither.
func (m *module) magnitudes(out, in int) (factor string, rows, ok bool) {
	factor = "dora"
	if m.has("magnitude") {
		factor = "magnitude" // PEFT's, [O], of kernels [1,O,1,1]
	}
	r, c := matrix(m.factors[factor])
	if factor == "dora" && r != out && c == in && r == 1 {
		return factor, false, true
	}
	return factor, true, r*c == out
}

// fitsMagnitude tells whether a DoRA's m can be of a weight [out,(k,in)].
func (m *module) fitsMagnitude(out, in int) bool {
	if !m.decomposed() {
		return true
	}
	_, _, ok := m.magnitudes(out, in)
	return ok
}

// decompose is m·V/‖V‖ with V = W₀[O,(k,c)] + (alpha/rank)·ΔW. Strengths act on
// what this adds to W₀, as in AUTOMATIC1111's and ComfyUI's programs; PEFT puts
// them into V, and agrees at 1.
func (m *module) decompose(dev *gpu.Device, w0 *gpu.Tensor, k int) *gpu.Tensor {
	scale := float32(m.multiplier())
	v := dev.Scope1(func() *gpu.Tensor {
		if l, ok := m.lowRank(dev); ok {
			return l.addTo(w0, dev, k, scale)
		}
		return gpu.Combine([]float32{1, scale}, w0, m.dense(dev, k))
	})
	out, in := v.Dim(0), v.Dim(1)
	x := v.Float32s()
	v.Free()
	factor, rows, _ := m.magnitudes(out, in/k)
	mag := m.floats(factor)
	if rows {
		inParallel(out, func(o int) {
			row := x[o*in : (o+1)*in]
			f := ratio(mag[o], sumSquares(row))
			for i := range row {
				row[i] *= f
			}
		})
	} else {
		c := in / k
		squares, f := make([]float64, c), make([]float32, c)
		for i, e := range x {
			squares[i%c] += float64(e) * float64(e)
		}
		for i := range f {
			f[i] = ratio(mag[i], squares[i])
		}
		inParallel(out*k, func(r int) {
			for i, e := range x[r*c : (r+1)*c] {
				x[r*c+i] = e * f[i]
			}
		})
	}
	return dev.FromFloat32(x, gpu.Float32, out, in)
}

// ratio is m/‖v‖; a v of zeros stays what it is.
func ratio(m float32, squares float64) float32 {
	if squares == 0 {
		return 0
	}
	return float32(float64(m) / math.Sqrt(squares))
}

func sumSquares(x []float32) (s float64) {
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return s
}

// inParallel calls f for 0 to n−1, in a part for each processor.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), n)
	for w := range workers {
		wg.Go(func() {
			for i := w * n / workers; i < (w+1)*n/workers; i++ {
				f(i)
			}
		})
	}
	wg.Wait()
}
