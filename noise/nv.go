package noise

import (
	"encoding/binary"
	"errors"
	"math"
)

// NV draws the numbers of torch.randn on an NVIDIA GPU: Philox4x32-10 (Salmon
// et al. 2011) and the Box-Muller transform of cuRAND.
//
// Element i of call number n takes the counter (n, 0, i, 0), the key is the
// seed, and of the normals of a counter the first is used. A GPU does the same
// as long as a draw has no more elements than it runs threads at once (2048 per
// multiprocessor: a 1024×1024 picture's latent needs 32 of them); beyond that
// its numbers depend on the model of the card, and these do not.
type NV struct {
	seed uint64
	call uint32
}

// NewNV returns the generator that torch.cuda.manual_seed(seed) makes. All 64
// bits of seed count.
func NewNV(seed uint64) *NV { return &NV{seed: seed} }

// Normal implements [Source].
func (g *NV) Normal(dst []float32) {
	key := [2]uint32{uint32(g.seed), uint32(g.seed >> 32)}
	for i := range dst {
		x := philox([4]uint32{g.call, 0, uint32(i), 0}, key)
		// Both uniforms lie at the centres of 2³² cells, so neither is 0 or 1.
		u := float64(x[0])*0x1p-32 + 0x1p-33
		v := (float64(x[1])*0x1p-32 + 0x1p-33) * 2 * math.Pi
		dst[i] = float32(math.Sqrt(-2*math.Log(u)) * math.Sin(v))
	}
	g.call++
}

// philox is the bijection Philox4x32-10 of counter under key.
func philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	const (
		rounds = 10
		m0, m1 = 0xd2511f53, 0xcd9e8d57
		w0, w1 = 0x9e3779b9, 0xbb67ae85 // golden ratio, √3−1
	)
	c, k := counter, key
	for range rounds {
		p0, p1 := uint64(c[0])*m0, uint64(c[2])*m1
		c = [4]uint32{
			uint32(p1>>32) ^ c[1] ^ k[0], uint32(p1),
			uint32(p0>>32) ^ c[3] ^ k[1], uint32(p0),
		}
		k[0] += w0
		k[1] += w1
	}
	return c
}

// An NV state is the tag, the seed and the number of calls, little-endian.
const (
	nvTag       = "philox\x00\x00"
	nvStateSize = len(nvTag) + 8 + 4
)

// State implements [Source].
func (g *NV) State() []byte {
	b := append(make([]byte, 0, nvStateSize), nvTag...)
	b = binary.LittleEndian.AppendUint64(b, g.seed)
	return binary.LittleEndian.AppendUint32(b, g.call)
}

// SetState implements [Source].
func (g *NV) SetState(state []byte) error {
	if len(state) != nvStateSize || string(state[:len(nvTag)]) != nvTag {
		return errors.New("not the state of an NV noise generator")
	}
	b := state[len(nvTag):]
	g.seed, g.call = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])
	return nil
}
