package gpu_test

import (
	"testing"

	"latent/gpu"
)

func TestProfile(t *testing.T) {
	dev := open(t, "reference")
	x := dev.FromFloat32(weights(2*4*6), gpu.Float32, 2, 4, 6)
	w := dev.FromFloat32(weights(5*6), gpu.Float32, 5, 6).Param()
	kernel := dev.FromFloat32(weights(3*9*6), gpu.Float32, 3, 3, 3, 6)
	timings := dev.Profile(func() {
		gpu.Attention(x, x, x, 2, true)
		gpu.Conv2d(gpu.Reshape(x, 2, 2, 2, 6), kernel, nil, nil, same)
		gpu.Concat(x, x)
		dev.Differentiate(1, func() *gpu.Tensor { return gpu.MSE(gpu.Linear(x, w, nil, nil), dev.Full(0, gpu.Float32, 2, 4, 5), nil) })
	})
	flops := map[string]float64{}
	calls := map[string]int{}
	for _, tm := range timings {
		flops[tm.Op] += tm.Flops
		calls[tm.Op]++
		if tm.Op == "linear" && tm.Param != w {
			t.Error("the weight of linear is not told")
		}
		if tm.Op == "copy" && tm.Bytes != 2*4*8*6 {
			t.Errorf("a part of concat moves %g bytes", tm.Bytes)
		}
	}
	for op, want := range map[string]float64{
		"attention":                 2 * 2 * 2 * 6 * 10, // two products, ten pairs of query and key, two samples
		"conv":                      2 * 8 * 3 * 54,
		"linear":                    2 * 8 * 5 * 6,
		"linear, weight's gradient": 2 * 8 * 5 * 6,
	} {
		if flops[op] != want || calls[op] != 1 {
			t.Errorf("%s: %g flops in %d calls, want %g in one", op, flops[op], calls[op], want)
		}
	}
	if n := len(dev.Profile(func() {})); n != 0 {
		t.Errorf("%d operations where there is none", n)
	}
}
