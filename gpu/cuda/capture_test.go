//go:build cuda

package cuda

import (
	"slices"
	"strings"
	"testing"

	"latent/gpu"
)

// block is some operations of a residual block with attention.
func block(x, w, gamma *gpu.Tensor) *gpu.Tensor {
	h := gpu.GroupNorm(x, gamma, gamma, 4, 1e-5, true)
	h = gpu.Conv2d(h, w, nil, x, gpu.Conv{Stride: 1, Top: 1, Bottom: 1, Left: 1, Right: 1})
	t := gpu.Reshape(h, x.Dim(0), x.Dim(1)*x.Dim(2), x.Dim(3))
	return gpu.Add(gpu.Attention(t, t, t, 2, false), t)
}

// A replay does what the operations do, on the numbers that the inputs have then,
// in memory that nobody else is given.
func TestReplay(t *testing.T) {
	dev := openTest(t, "cuda")
	const n = 2 * 6 * 5 * 16
	w := dev.FromFloat32(numbers(1, 16*3*3*16), gpu.BFloat16, 16, 3, 3, 16)
	gamma := dev.FromFloat32(numbers(2, 16), gpu.Float32, 16)
	x := dev.FromFloat32(numbers(3, n), gpu.BFloat16, 2, 6, 5, 16)
	before := dev.Memory().InUse
	run := func() []*gpu.Tensor { return []*gpu.Tensor{block(x, w, gamma)} }
	g, err := dev.Capture(run)
	if err != nil {
		t.Fatal(err)
	}
	if want := dev.Scope(run)[0]; !slices.Equal(g.Outputs[0].Float32s(), want.Float32s()) {
		t.Error("the capture's own outputs differ from the operations'")
	} else {
		want.Free()
	}
	var busy []*gpu.Tensor // takes the memory that a careless graph would use
	for i := range 20 {
		busy = append(busy, dev.Full(float32(i), gpu.BFloat16, 2, 6, 5, 16))
	}
	for seed := range uint64(3) {
		x.Write(numbers(10+seed, n))
		want := dev.Scope(run)[0]
		if seed == 1 { // scratch memory grows behind the graph's back
			dev.Scope(func() []*gpu.Tensor {
				one := dev.Full(1, gpu.Float32, 1<<19)
				gpu.LayerNorm(dev.Full(1, gpu.BFloat16, 2, 1<<19), one, one, 1e-5)
				gpu.GroupNorm(dev.Full(1, gpu.BFloat16, 2, 4, 1<<19), one, one, 4, 1e-5, false)
				return nil
			})
		}
		g.Replay()
		if !slices.Equal(g.Outputs[0].Float32s(), want.Float32s()) {
			t.Errorf("replay %d differs from the operations", seed)
		}
		want.Free()
	}
	for i, b := range busy {
		if v := b.Float32s(); v[0] != float32(i) || v[n-1] != float32(i) {
			t.Errorf("a replay wrote into tensor %d", i)
		}
		b.Free()
	}
	g.Free()
	if got := dev.Memory().InUse; got != before {
		t.Errorf("%d bytes leaked", got-before)
	}
}

func TestCaptureRefusesTheHost(t *testing.T) {
	dev := openTest(t, "cuda")
	x := dev.Full(1, gpu.Float32, 8)
	for name, f := range map[string]func(){
		"read":  func() { x.Float32s() },
		"write": func() { x.Write(make([]float32, 8)) },
		"sum":   func() { gpu.SumSquares(x) },
	} {
		_, err := dev.Capture(func() []*gpu.Tensor { f(); return nil })
		if err == nil || !strings.Contains(err.Error(), "while launches are recorded") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if y := gpu.Add(x, x).Float32s()[0]; y != 2 && y != 0 {
		t.Errorf("after that 1+1 is %v", y)
	}
	if _, err := openTest(t, "reference").Capture(func() []*gpu.Tensor { return nil }); err == nil {
		t.Error("the reference device records")
	}
}
