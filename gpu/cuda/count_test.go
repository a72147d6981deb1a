//go:build cuda

package cuda

import (
	"fmt"
	"strings"
	"testing"

	"latent/gpu"
	layers "latent/gpu/nn"
	"latent/unet"
)

// The launches of a step of Stable Diffusion 1.5's U-Net at 512×512, two samples, on
// a GPU of 132 processors, and the bytes of the operands: the numbers in README.md.
// Nothing is computed.
func TestLaunchesOfAStep(t *testing.T) {
	const test = "TestLaunchesOfAStep"
	if !inner(test) {
		t.Log(again(t, test, "STANDIN_PROCESSORS=132"))
		return
	}
	dev := openTest(t, "cuda")
	defer func() { dry = nil }()
	counts := map[string]int{}
	dry = func(f function) { counts[f.name]++ }
	config := unet.Default()
	config.CrossAttentionDim = unet.Ints{768}
	m, err := unet.New(config)
	if err != nil {
		t.Fatal(err)
	}
	const largest = 1280 * 9 * 2560
	half, full := dev.Empty(gpu.BFloat16, largest), dev.Empty(gpu.Float32, largest) // all parameters lie there
	for _, p := range layers.Params(m) {
		p.T = half
		if p.Kind >= layers.Bias {
			p.T = full
		}
		p.T = gpu.Reshape(gpu.Rows(p.T, 0, p.Len()), p.Shape...)
	}
	x, code, context := dev.Empty(gpu.BFloat16, 2, 64, 64, 4), dev.Empty(gpu.BFloat16, 2, 320), dev.Empty(gpu.BFloat16, 2, 77, 768)
	clear(counts)
	var bytes float64
	for _, op := range dev.Profile(func() { m.ForwardCode(x, code, context, nil) }) {
		bytes += op.Bytes
	}
	total, gated := 0, 0
	for name, n := range counts {
		if total += n; strings.HasSuffix(name, "_gated") {
			gated += n
		}
	}
	fmt.Printf("%d launches, %.3f GB: %v\n", total, bytes/1e9, counts)
	if counts["geglu"] != 0 || counts["add_channels"] != 0 || gated != 16 {
		t.Errorf("%d GEGLU, %d gated products, %d additions of the time are launched", counts["geglu"], gated, counts["add_channels"])
	}
	if total != wantLaunches {
		t.Errorf("%d launches, want %d as README.md says", total, wantLaunches)
	}
}

const wantLaunches = 621
