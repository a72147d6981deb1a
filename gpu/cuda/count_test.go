//go:build cuda

package cuda

import (
	"fmt"
	"strings"
	"testing"
)

// The launches of a step of Stable Diffusion 1.5's U-Net at 512×512, two samples, on
// a GPU of 132 processors, and the bytes of the operands: the numbers in README.md.
// Nothing is computed.
func TestLaunchesOfAStep(t *testing.T) {
	const test = "TestLaunchesOfAStep"
	if !inner(test) {
		t.Log(again(t, test, "STANDIN_PROCESSORS=132", "STANDIN_SHARED=228"))
		return
	}
	counts, _, bytes := dryStep(t, openTest(t, "cuda"), "sd15")
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

const wantLaunches = 440
