package postcard

import (
	"math/bits"
	"math/rand/v2"
)

// rng draws the choices of one scene. It sits directly on PCG, whose stream is
// fixed, so that a seed names the same picture in every Go version.
type rng struct{ pcg rand.PCG }

// newRNG returns the stream of a seed. The purpose separates streams of one seed.
func newRNG(seed, purpose uint64) rng {
	var r rng
	r.pcg.Seed(seed, purpose)
	return r
}

// intn returns a number in [0, n). n is small, so the bias of the product is
// far below what a picture could show.
func (r *rng) intn(n int) int {
	hi, _ := bits.Mul64(r.pcg.Uint64(), uint64(n))
	return int(hi)
}

// unit returns a number in [0, 1).
func (r *rng) unit() float32 { return float32(r.pcg.Uint64()>>40) / (1 << 24) }

// between returns a number in [lo, hi).
func (r *rng) between(lo, hi float32) float32 { return lo + (hi-lo)*r.unit() }

// chance is true with probability p.
func (r *rng) chance(p float32) bool { return r.unit() < p }

// pick returns one of the options, each as likely.
func pick[T any](r *rng, options ...T) T { return options[r.intn(len(options))] }
