package noise

import (
	"encoding/binary"
	"errors"
	"math"
)

// CPU draws the numbers of torch.randn on the CPU: float32 normals by
// Box-Muller from the Mersenne Twister MT19937 (Matsumoto & Nishimura 1998).
//
// PyTorch's vectorised builds use approximate logarithms and sines, so the last
// bits differ between its own builds too; numbers agree to 1e-6.
type CPU struct {
	mt mt19937
	// Draws of fewer than 16 numbers make normals in pairs; the second waits
	// here for the next such draw, as it does in torch.
	next    float64
	hasNext bool
}

// NewCPU returns the generator that torch.manual_seed(seed) makes. Only the low
// 32 bits of seed count, as in torch.
func NewCPU(seed uint64) *CPU {
	g := new(CPU)
	g.mt.seed(uint32(seed))
	return g
}

// blockSize is the number of normals that torch makes together.
const blockSize = 16

// Normal implements [Source].
func (g *CPU) Normal(dst []float32) {
	if len(dst) < blockSize {
		for i := range dst {
			dst[i] = float32(g.normal64())
		}
		return
	}
	g.uniform(dst)
	i := 0
	for ; i+blockSize <= len(dst); i += blockSize {
		boxMuller((*[blockSize]float32)(dst[i:]))
	}
	if i < len(dst) {
		// An incomplete block at the end: torch draws the last 16 numbers anew.
		tail := dst[len(dst)-blockSize:]
		g.uniform(tail)
		boxMuller((*[blockSize]float32)(tail))
	}
}

// uniform fills dst with multiples of 2⁻²⁴ in [0, 1).
func (g *CPU) uniform(dst []float32) {
	for i := range dst {
		dst[i] = float32(g.mt.uint32()&(1<<24-1)) * 0x1p-24
	}
}

// boxMuller turns 16 uniform numbers into normals in place, pairing b[j] with
// b[j+8]. Angles are rounded to float32 where torch rounds them.
func boxMuller(b *[blockSize]float32) {
	for j := range blockSize / 2 {
		u1, u2 := 1-b[j], b[j+8] // u1 in (0, 1]: its logarithm is finite
		radius := math.Sqrt(-2 * math.Log(float64(u1)))
		theta := float32(2*math.Pi) * u2
		sin, cos := math.Sincos(float64(theta))
		b[j] = float32(radius * cos)
		b[j+8] = float32(radius * sin)
	}
}

// normal64 returns one normal number, made in float64 as torch makes short
// draws.
func (g *CPU) normal64() float64 {
	if g.hasNext {
		g.hasNext = false
		return g.next
	}
	u1, u2 := g.uniform64(), g.uniform64()
	radius := math.Sqrt(-2 * math.Log1p(-u2))
	sin, cos := math.Sincos(2 * math.Pi * u1)
	g.next, g.hasNext = radius*sin, true
	return radius * cos
}

// uniform64 returns a multiple of 2⁻⁵³ in [0, 1).
func (g *CPU) uniform64() float64 {
	high := uint64(g.mt.uint32())
	return float64((high<<32|uint64(g.mt.uint32()))&(1<<53-1)) * 0x1p-53
}

// A CPU state is, in little-endian order: the tag, the waiting normal (a flag
// byte and a float64), the position and the words of the twister.
const (
	cpuTag       = "mt19937\x00"
	cpuStateSize = len(cpuTag) + 1 + 8 + 4 + 4*mtSize
)

// State implements [Source].
func (g *CPU) State() []byte {
	b := append(make([]byte, 0, cpuStateSize), cpuTag...)
	flag, next := byte(0), 0.0
	if g.hasNext {
		flag, next = 1, g.next
	}
	b = append(b, flag)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(next))
	b = binary.LittleEndian.AppendUint32(b, uint32(g.mt.pos))
	for _, word := range g.mt.words {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	return b
}

// SetState implements [Source].
func (g *CPU) SetState(state []byte) error {
	if len(state) != cpuStateSize || string(state[:len(cpuTag)]) != cpuTag {
		return errors.New("not the state of a CPU noise generator")
	}
	b := state[len(cpuTag):]
	flag, next := b[0], math.Float64frombits(binary.LittleEndian.Uint64(b[1:]))
	pos := binary.LittleEndian.Uint32(b[9:])
	if flag > 1 || pos > mtSize || math.IsNaN(next) || math.IsInf(next, 0) {
		return errors.New("the state of the CPU noise generator is damaged")
	}
	g.hasNext, g.next, g.mt.pos = flag == 1, next, int(pos)
	for i := range g.mt.words {
		g.mt.words[i] = binary.LittleEndian.Uint32(b[13+4*i:])
	}
	return nil
}
