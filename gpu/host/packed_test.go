//go:build cgo

package host

import (
	"math/rand/v2"
	"testing"

	"latent/gpu"
)

// TestPackedWeights follows weights that change, move and are shared.
func TestPackedWeights(t *testing.T) { eachLibrary(t, testPackedWeights) }

func testPackedWeights(t *testing.T, dev *gpu.Device, b *backend) {
	const c = 64
	one := make([]float32, c)
	for i := range one {
		one[i] = 1
	}
	x := dev.FromFloat32(one, gpu.Float32, 1, c)
	y := dev.Empty(gpu.Float32, 1, c)
	diagonal := func(v float32) []float32 {
		w := make([]float32, c*c)
		for i := range c {
			w[i*c+i] = v
		}
		return w
	}
	expect := func(w *gpu.Tensor, want float32) {
		t.Helper()
		b.Linear(y, x, w, nil, nil)
		for i, v := range values(t, y) {
			if v != want {
				t.Fatalf("y[%d] = %g, want %g", i, v, want)
			}
		}
	}
	w := dev.FromFloat32(diagonal(2), gpu.Float32, c, c)
	expect(w, 2)
	if len(w.Buffer().(*buffer).packed) == 0 {
		t.Skip("plain weights are preferred here")
	}
	w.Write(diagonal(3))
	expect(w, 3)

	// Another tensor in the same buffer, at the same version.
	old := w.Buffer()
	w.Free()
	w = dev.Empty(gpu.Float32, c, c)
	if w.Buffer() != old {
		t.Fatal("the buffer was not handed on: the test tests nothing")
	}
	b.Write(w, littleEndian(diagonal(4)))
	expect(w, 4)

	// Views at two offsets of one storage.
	both := dev.FromFloat32(append(diagonal(5), diagonal(6)...), gpu.Float32, 2*c, c)
	lower, upper := gpu.Rows(both, 0, c), gpu.Rows(both, c, 2*c)
	for range 2 {
		expect(lower, 5)
		expect(upper, 6)
	}
	if n := len(both.Buffer().(*buffer).packed); n > 2 {
		t.Errorf("%d packed copies of two views", n)
	}

	// A fresh cache of operations numbers the layouts anew.
	b.dropOps()
	expect(w, 4)
	expect(upper, 6)
	if n := len(w.Buffer().(*buffer).packed); n != 1 {
		t.Errorf("%d packed copies after the cache was emptied, want 1", n)
	}
}

// TestHotPath: an operation that was met before allocates nothing.
func TestHotPath(t *testing.T) { eachLibrary(t, testHotPath) }

func testHotPath(t *testing.T, dev *gpu.Device, b *backend) {
	r := rand.New(rand.NewPCG(1, 2))
	const dtype = gpu.Float32
	x, _ := random(t, dev, r, dtype, 1, 4, 4, 64)
	w, _ := random(t, dev, r, dtype, 64, 3, 3, 64)
	y, _ := random(t, dev, r, dtype, 1, 4, 4, 64)
	dw, db := dev.Empty(gpu.Float32, w.Shape()...), dev.Empty(gpu.Float32, 64)
	for name, f := range map[string]func(){
		"forward": func() { b.Conv2d(y, x, w, db, x, pad(1)) },
		"packing": func() { w.Changed(); b.Conv2d(y, x, w, db, x, pad(1)) },
		"input":   func() { b.Conv2dGradInput(x, y, w, pad(1)) },
		"weight":  func() { b.Conv2dGradWeight(dw, db, x, y, pad(1)) },
	} {
		if n := testing.AllocsPerRun(5, f); n != 0 {
			t.Errorf("%s: %g allocations a call", name, n)
		}
	}
}
