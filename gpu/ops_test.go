package gpu_test

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"latent/gpu"
	"latent/gpu/half"

	_ "latent/gpu/host"
	_ "latent/gpu/reference"
)

// row is one operation on inputs of one set of shapes. Every row is run on
// every device in every dtype; its value and gradient are compared with those
// of the reference device in Float32 on the same numbers, and the latter
// gradient with central differences.
type row struct {
	name string
	in   []input
	op   func(in []*gpu.Tensor) *gpu.Tensor
	// value and grad bound the largest error, in units of the largest magnitude
	// of what is right.
	value, grad tolerance
	noNumeric   bool // the function is not smooth: no central differences
}

// input describes a random tensor. Its numbers have the 8 significant bits of
// bf16, so that all dtypes compute with the same ones.
type input struct {
	shape  []int
	kind   kind
	number func(r *rand.Rand, i int) float64 // nil: a standard normal number
}

type kind uint8

const (
	activation kind = iota // in the dtype under test, with gradient
	vector                 // Float32 always, with gradient
	constant               // as activation, but without gradient
	weighting              // as vector, but without gradient
	ids                    // Int32, without gradient
)

func (k kind) wantsGrad() bool { return k == activation || k == vector }

// tolerance is the permitted error by dtype.
type tolerance struct{ f32, bf16, f16 float64 }

// of allows half as much again with other random numbers than those that the
// bounds were found with.
func (t tolerance) of(d gpu.DType) float64 {
	tol := map[gpu.DType]float64{gpu.Float32: t.f32, gpu.BFloat16: t.bf16, gpu.Float16: t.f16}[d]
	if seed != 0 {
		tol *= 1.5
	}
	return tol
}

var dtypes = []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16}

// result is what one run of a row gave: gradients stand by input, nil where
// there is none.
type result struct {
	value []float32
	grads [][]float32
}

func open(t testing.TB, name string) *gpu.Device {
	t.Helper()
	dev, err := gpu.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// devices are all that are built in, and the host's own kernels beside oneDNN.
func devices() []string {
	names := gpu.Drivers()
	if slices.Contains(names, "host") {
		names = append(names, "host:own")
	}
	return names
}

// onEveryDevice runs a test on each device that is built in.
func onEveryDevice(t *testing.T, f func(t *testing.T, dev *gpu.Device)) {
	for _, name := range devices() {
		t.Run(name, func(t *testing.T) { f(t, open(t, name)) })
	}
}

var seed, _ = strconv.ParseUint(os.Getenv("LATENT_TEST_SEED"), 10, 64)

// random draws the same numbers at every run, unless LATENT_TEST_SEED asks for
// others.
func random(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(h.Sum64(), seed))
}

// short rounds to 8 significant bits.
func short(v float64) float32 { return half.F32FromBF16(half.BF16FromF32(float32(v))) }

// numbers draws the row's inputs.
func (r row) numbers() [][]float32 {
	rng := random(r.name)
	out := make([][]float32, len(r.in))
	for k, in := range r.in {
		out[k] = make([]float32, size(in.shape))
		for i := range out[k] {
			v := rng.NormFloat64()
			if in.number != nil {
				v = in.number(rng, i)
			}
			out[k][i] = short(v)
		}
	}
	return out
}

func size(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

// tensors puts the inputs on a device.
func (r row) tensors(dev *gpu.Device, dtype gpu.DType, numbers [][]float32) []*gpu.Tensor {
	out := make([]*gpu.Tensor, len(r.in))
	for k, in := range r.in {
		switch in.kind {
		case ids:
			v := make([]int32, len(numbers[k]))
			for i, n := range numbers[k] {
				v[i] = int32(n)
			}
			out[k] = dev.FromInt32(v, in.shape...)
		case vector, weighting:
			out[k] = dev.FromFloat32(numbers[k], gpu.Float32, in.shape...)
		default:
			out[k] = dev.FromFloat32(numbers[k], dtype, in.shape...)
		}
		if in.kind.wantsGrad() {
			out[k].Param()
		}
	}
	return out
}

// weighted is Σ w·y, the scalar whose gradient is taken. It is a product of matrices, which every device must have anyway.
func weighted(y *gpu.Tensor, weights []float32) *gpu.Tensor {
	n := y.Len()
	w := y.Device().FromFloat32(weights, y.DType(), 1, n)
	return gpu.Linear(gpu.Reshape(y, 1, n), w, nil, nil)
}

// weights draws the weights of the loss.
func weights(n int) []float32 {
	rng, w := random("loss"), make([]float32, n)
	for i := range w {
		w[i] = short(rng.NormFloat64())
	}
	return w
}

// evaluate computes the value with its gradients.
func (r row) evaluate(dev *gpu.Device, dtype gpu.DType) result {
	return r.evaluateAt(dev, dtype, r.numbers(), weights)
}

// evaluateAt is evaluate at given inputs, for the loss with the weights that w
// gives for a number of elements.
func (r row) evaluateAt(dev *gpu.Device, dtype gpu.DType, numbers [][]float32, w func(n int) []float32) result {
	in := r.tensors(dev, dtype, numbers)
	var res result
	dev.Differentiate(1, func() *gpu.Tensor {
		y := r.op(in)
		res.value = y.Float32s()
		return weighted(y, w(y.Len()))
	})
	for _, x := range in {
		var g []float32
		if x.Grad() != nil {
			g = x.Grad().Float32s()
			x.ZeroGrad()
		}
		res.grads = append(res.grads, g)
		x.Free()
	}
	return res
}

// distance is the largest error in units of the largest magnitude of want.
func distance(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var worst, scale float64
	for i := range want {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if math.IsNaN(d) {
			return d
		}
		worst = max(worst, d)
		scale = max(scale, math.Abs(float64(want[i])))
	}
	if worst == 0 {
		return 0
	}
	return worst / scale
}

func compare(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	if d := distance(got, want); !(d <= tol) {
		t.Errorf("%s is off by %.4g, permitted is %.2g", what, d, tol)
	}
}

func TestOps(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			want := r.evaluate(open(t, "reference"), gpu.Float32)
			if !r.noNumeric {
				t.Run("central differences", func(t *testing.T) { r.checkNumeric(t, want) })
			}
			for _, name := range devices() {
				for _, dtype := range dtypes {
					if name == "reference" && dtype == gpu.Float32 {
						continue // it is the oracle
					}
					t.Run(name+"/"+dtype.String(), func(t *testing.T) {
						dev := open(t, name)
						got := r.evaluate(dev, dtype)
						compare(t, "value", got.value, want.value, r.value.of(dtype))
						for k := range r.in {
							if (got.grads[k] == nil) != (want.grads[k] == nil) {
								t.Errorf("gradient %d is there: %v, want %v", k, got.grads[k] != nil, want.grads[k] != nil)
							} else if want.grads[k] != nil {
								compare(t, "gradient "+string(rune('0'+k)), got.grads[k], want.grads[k], r.grad.of(dtype))
							}
						}
						if dev.Memory().InUse != 0 {
							t.Errorf("%d bytes leaked", dev.Memory().InUse)
						}
						if again := r.evaluate(dev, dtype); !again.equal(got) {
							t.Error("a second run gives other bytes")
						}
					})
				}
			}
		})
	}
}

// equal compares to the last bit.
func (a result) equal(b result) bool {
	same := func(x, y []float32) bool {
		return slices.EqualFunc(x, y, func(p, q float32) bool { return math.Float32bits(p) == math.Float32bits(q) })
	}
	return same(a.value, b.value) && slices.EqualFunc(a.grads, b.grads, same)
}

// step of the central differences: with 8-bit inputs x±step is exact.
const step = 1. / 64

// numericTolerance allows for Float32 outputs: 2⁻²⁴ of a sum over all of them,
// divided by step. The formula's own error, step⁴/30 of the fifth derivative,
// is far below.
const numericTolerance = 2e-4

// checkNumeric compares gradients with the five-point formula
// f′ = (8(f(h) − f(−h)) − (f(2h) − f(−2h)))/12h at some elements of each input.
func (r row) checkNumeric(t *testing.T, want result) {
	dev := open(t, "reference")
	numbers := r.numbers()
	w := weights(len(want.value))
	loss := func() (sum float64) {
		for i, v := range r.run(dev, numbers) {
			sum += float64(v) * float64(w[i])
		}
		return sum
	}
	for k, in := range r.in {
		if !in.kind.wantsGrad() {
			continue
		}
		if want.grads[k] == nil {
			t.Errorf("input %d has no gradient", k)
			continue
		}
		const most = 12
		at := random(r.name).Perm(len(numbers[k]))
		at = at[:min(most, len(at))]
		scale := 0.0
		for _, g := range want.grads[k] {
			scale = max(scale, math.Abs(float64(g)))
		}
		for _, i := range at {
			x := numbers[k][i]
			f := func(h float32) float64 {
				numbers[k][i] = x + h
				defer func() { numbers[k][i] = x }()
				return loss()
			}
			numeric := (8*(f(step)-f(-step)) - (f(2*step) - f(-2*step))) / (12 * step)
			if d := math.Abs(numeric - float64(want.grads[k][i])); !(d <= numericTolerance*max(scale, 1)) {
				t.Errorf("input %d element %d: gradient %g, central differences give %g", k, i, want.grads[k][i], numeric)
			}
		}
	}
}

// run computes the value alone.
func (r row) run(dev *gpu.Device, numbers [][]float32) (value []float32) {
	dev.Scope(func() []*gpu.Tensor {
		value = r.op(r.tensors(dev, gpu.Float32, numbers)).Float32s()
		return nil
	})
	return value
}
