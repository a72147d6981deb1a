package noise

// mtSize is the number of 32-bit words in the state of MT19937.
const mtSize = 624

// mt19937 is the Mersenne Twister (Matsumoto & Nishimura 1998), 32-bit.
type mt19937 struct {
	words [mtSize]uint32
	pos   int // next word to give out; mtSize means twist first
}

// seed fills the words by Knuth's linear recurrence, as in the authors'
// init_genrand of 2002.
func (m *mt19937) seed(seed uint32) {
	m.words[0] = seed
	for i := 1; i < mtSize; i++ {
		prev := m.words[i-1]
		m.words[i] = 1812433253*(prev^prev>>30) + uint32(i)
	}
	m.pos = mtSize
}

func (m *mt19937) uint32() uint32 {
	if m.pos == mtSize {
		m.twist()
	}
	y := m.words[m.pos]
	m.pos++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// twist makes the next mtSize words.
func (m *mt19937) twist() {
	const (
		offset = 397
		high   = 0x80000000
		matrix = 0x9908b0df
	)
	w := &m.words
	for i := range w {
		y := w[i]&high | w[(i+1)%mtSize]&^high
		w[i] = w[(i+offset)%mtSize] ^ y>>1 ^ y&1*matrix
	}
	m.pos = 0
}
