package noise

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// Rand is the generator of training: timesteps, noise, shuffles, dropped
// captions. The same seed gives the same integers on every machine and in every
// version of Latent, and State is a few bytes that go into a checkpoint.
//
// The bits come from PCG-DXSM (O'Neill 2014), whose sequence the Go standard
// library fixes; all that is made from them is made here, since the derived
// numbers of the library's Rand may change between releases.
type Rand struct{ pcg rand.PCG }

// NewRand returns a generator seeded with seed.
func NewRand(seed uint64) *Rand {
	r := new(Rand)
	r.pcg.Seed(seed, 0x6c6174656e74) // "latent": any constant will do
	return r
}

// Uint64 returns 64 random bits.
func (r *Rand) Uint64() uint64 { return r.pcg.Uint64() }

// IntN returns a uniform integer in [0, n). It panics if n < 1.
func (r *Rand) IntN(n int) int {
	if n < 1 {
		panic(fmt.Sprintf("noise.Rand.IntN: n is %d, want 1 or more", n))
	}
	// Lemire 2019, "Fast random integer generation in an interval": reject the
	// few low words that would make some results likelier than others.
	size := uint64(n)
	hi, lo := bits.Mul64(r.Uint64(), size)
	for lo < size && lo < -size%size {
		hi, lo = bits.Mul64(r.Uint64(), size)
	}
	return int(hi)
}

// Float64 returns a uniform multiple of 2⁻⁵³ in [0, 1).
func (r *Rand) Float64() float64 { return float64(r.Uint64()>>11) * 0x1p-53 }

// Perm returns a uniform permutation of 0 … n−1.
func (r *Rand) Perm(n int) []int {
	p := make([]int, n)
	for i := range p { // Fisher-Yates, inside out
		j := r.IntN(i + 1)
		p[i], p[j] = p[j], i
	}
	return p
}

// Normal implements [Source]: Box-Muller in float64, rounded. It keeps no
// number between calls, so that an odd length leaves no state behind.
func (r *Rand) Normal(dst []float32) {
	for len(dst) > 0 {
		radius := math.Sqrt(-2 * math.Log1p(-r.Float64()))
		sin, cos := math.Sincos(2 * math.Pi * r.Float64())
		dst[0] = float32(radius * cos)
		if len(dst) == 1 {
			return
		}
		dst[1] = float32(radius * sin)
		dst = dst[2:]
	}
}

// State implements [Source].
func (r *Rand) State() []byte {
	b, err := r.pcg.MarshalBinary()
	if err != nil {
		panic(err) // documented never to happen
	}
	return b
}

// SetState implements [Source].
func (r *Rand) SetState(state []byte) error {
	if err := r.pcg.UnmarshalBinary(state); err != nil {
		return errors.New("not the state of a training random generator")
	}
	return nil
}
