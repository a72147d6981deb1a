// Package noise turns seeds into Gaussian numbers exactly as PyTorch draws
// them, so that a seed makes the same picture here as in programs built on it.
//
// There are three generators:
//
//   - [CPU] draws as torch.randn does on the CPU (MT19937; "CPU" in infotext),
//   - [NV] draws as torch.randn does on an NVIDIA GPU (Philox4x32-10; "NV"),
//   - [Rand] is for training (timesteps, noise, shuffles) and follows nobody:
//     its state is a few bytes, so that a resumed run continues bit for bit.
//
// PyTorch's numbers depend on how they are asked for: one call for 2n numbers
// is not two calls for n. Each call of Normal stands for one torch.randn.
package noise

import (
	"fmt"
	"strings"
)

// A Source draws standard normal numbers, N(0, 1).
//
// A Source belongs to one goroutine.
type Source interface {
	// Normal fills dst, in order, as one call of torch.randn(len(dst)) would.
	Normal(dst []float32)
	// State returns all that SetState needs to continue from here.
	State() []byte
	// SetState continues where the generator that gave state stood. It leaves
	// the generator as it was and returns an error if state is not from a
	// generator of the same kind.
	SetState(state []byte) error
}

// Names returns the names that Open knows.
func Names() []string { return []string{"cpu", "nv"} }

// Open returns the generator of the given name ("cpu" or "nv", in any case),
// seeded.
func Open(rng string, seed uint64) (Source, error) {
	switch strings.ToLower(rng) {
	case "cpu":
		return NewCPU(seed), nil
	case "nv":
		return NewNV(seed), nil
	}
	return nil, fmt.Errorf("unknown random generator %q: choose one of %s", rng, strings.Join(Names(), ", "))
}

// Latent fills dst, an image [h,w,c] as Latent lays it out, with the numbers
// that torch.randn(1, c, h, w) gives: drawn channel by channel, in one call.
// It panics if dst does not hold h·w·c numbers.
func Latent(src Source, dst []float32, h, w, c int) {
	if len(dst) != h*w*c {
		panic(fmt.Sprintf("noise.Latent: dst holds %d numbers, want %d×%d×%d", len(dst), h, w, c))
	}
	nchw := make([]float32, len(dst))
	src.Normal(nchw)
	for k := range c {
		plane := nchw[k*h*w:][:h*w]
		for i, v := range plane {
			dst[i*c+k] = v
		}
	}
}
