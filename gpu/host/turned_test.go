//go:build cgo

package host

import (
	"slices"
	"testing"

	"latent/gpu"
)

// Large weights lie in memory once, in the layout of the operation that uses
// them, and are plain to everything else.
func TestWeightsInPlace(t *testing.T) { eachLibrary(t, testWeightsInPlace) }

func testWeightsInPlace(t *testing.T, dev *gpu.Device, b *backend) {
	const c = 512
	numbers := normal(1, c*c, 1)
	w := dev.FromFloat32(numbers, gpu.Float32, c, c)
	x := dev.FromFloat32(normal(2, 8*c, 1), gpu.Float32, 8, c)
	small := dev.FromFloat32(normal(2, c, 1), gpu.Float32, 1, c)
	run := func() []float32 { return gpu.Linear(x, w, nil, nil).Float32s() }
	state := func() *turned { return &w.Buffer().(*buffer).turned }
	want := run()
	if state().op == nil {
		t.Skip("plain weights are preferred here")
	}
	if n := len(w.Buffer().(*buffer).packed); n != 0 {
		t.Errorf("%d copies beside the weights in place", n)
	}
	same := func(what string, got, want []float32) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: other numbers", what)
		}
	}
	same("again", run(), want)
	same("read", w.Float32s(), numbers)
	if state().op != nil || state().restored != 1 {
		t.Errorf("after a read: %+v", state())
	}
	same("after a read", run(), want)
	same("rows", gpu.Rows(w, 7, 9).Float32s(), numbers[7*c:9*c])
	b.Linear(dev.Empty(gpu.Float32, 1, c), small, w, nil, nil) // perhaps in another layout
	b.LinearGradInput(dev.Empty(gpu.Float32, 8, c), x, w)
	same("after other uses", run(), want)
	b.dropOps()
	same("in a new epoch", run(), want)
	for range maxRestored {
		run()
		same("read", w.Float32s(), numbers)
	}
	run()
	if state().op != nil || len(w.Buffer().(*buffer).packed) == 0 {
		t.Errorf("weights that are read again and again are turned in place again and again")
	}

	half := slices.Clone(numbers)
	for i := range half {
		half[i] /= 2
	}
	want2 := slices.Clone(want)
	for i := range want2 {
		want2[i] /= 2
	}
	w.Write(half)
	same("after a write", run(), want2)
	old := w.Buffer()
	w.Free()
	w = dev.Empty(gpu.Float32, c, c)
	if w.Buffer() != old {
		t.Fatal("the buffer was not handed on: the test tests nothing")
	}
	w.Write(numbers)
	same("in a buffer that was handed on", run(), want)
	if state().op == nil {
		t.Error("the weights of the next tensor are not in place")
	}
	w.Free()
	w = dev.Empty(gpu.Float32, c, c) // turned when it was freed
	w.Write(half)
	same("in a buffer that was handed on while turned", run(), want2)
	same("read", w.Float32s(), half)
}
