//go:build cuda

package cuda

// product is which operands of a matrix product lie along k: see
// kernels/operands.h.
type product int

const (
	nt product = iota
	nn
	tn
)

func (p product) String() string { return [...]string{"nt", "nn", "tn"}[p] }

// tile is a variant of the matrix kernel: a block makes m×n of the product.
type tile struct {
	name            string
	m, n            int
	threads, shared int
	rate            float64 // of the arithmetic, in units of the fastest, where a processor has blocks enough
	resident        int     // blocks of a processor for which there are registers
	single          bool    // looks up its operands one by one
}

// depth·(m+n)·32 half-width numbers are in shared memory.
const depth, stepK = 4, 32

func halfTile(name string, m, n int, rate float64, resident int) tile {
	return tile{name, m, n, 128, depth * (m + n) * stepK * 2, rate, resident, false}
}

// A warp of a tile of 128 rows or more multiplies 64×n/2, one of fewer 32×n/2: the
// larger, the less often it reads shared memory, which sets the rates. Tiles 160
// wide divide the 320, 640 and 1280 channels of Stable Diffusion: at 512×512 its
// layers are then 128 blocks or multiples of that. The rates are counts of
// instructions, to be replaced by measurements.
var (
	broad  = halfTile("128x160", 128, 160, 1, 2)
	large  = halfTile("128x128", 128, 128, 1, 2)
	medium = halfTile("128x64", 128, 64, 0.8, 3)
	flat   = halfTile("64x160", 64, 160, 0.85, 3)
	small  = halfTile("64x64", 64, 64, 0.6, 5)
	odd    = tile{"64x64_odd", 64, 64, 128, depth * 128 * stepK * 2, 0.05, 5, true}
	plain  = tile{"64x64", 64, 64, 256, 0, 0.1, 2, true} // Float32
)

// gated are those for NT with GEGLU.
var gated = []tile{broad.gated(), large.gated(), medium.gated()}

func (t tile) gated() tile {
	t.name += "_gated"
	return t
}

var tiles = [3][]tile{nt: {broad, large, medium, flat, small}, nn: {large, small}, tn: {large, small}}

// plan is a tile, and in how many parts k is cut.
type plan struct {
	tile
	splits, kSplit int
}

// parts are the numbers of parts that are considered.
var parts = []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32}

// cut gives the plan that cuts k in so many parts; false where so many would not
// each have a share.
func (t tile) cut(k, splits int) (plan, bool) {
	steps := max((k+stepK-1)/stepK, 1)
	each := (steps + splits - 1) / splits
	return plan{t, splits, each * stepK}, (steps+each-1)/each == splits
}

// gpuSize is what the choice wants to know of a GPU.
type gpuSize struct {
	processors int
	shared     int // bytes of shared memory of a processor
}

// cost estimates the time of batch products [m,k]·[k,n], in steps of a 128×128
// tile on a processor that has two of them (0.3 µs on an H100).
func (p plan) cost(m, n, k, batch int, g gpuSize) float64 {
	const (
		fill     = 5          // steps until the pipeline is full and the sums are stored
		alone    = 0.75       // of its rate a processor reaches with one block
		join     = 10         // a launch of the join
		number   = 1.0 / 1500 // a partial sum written and read, on one processor
		memory   = 1.0 / 7000 // a byte of the operands, on one processor
		reserved = 1 << 10    // bytes of shared memory that the driver keeps of each block
	)
	blocks := ((m + p.m - 1) / p.m) * ((n + p.n - 1) / p.n) * batch * p.splits
	each := (blocks + g.processors - 1) / g.processors // of the busiest processor
	unit := float64(p.kSplit/stepK+fill) * float64(p.m*p.n) / (128 * 128) / p.rate
	resident := p.resident
	if p.shared > 0 {
		resident = max(min(resident, g.shared/(p.shared+reserved)), 1)
	}
	time := func(blocks int) float64 {
		if blocks == 1 {
			return unit / alone
		}
		return float64(blocks) * unit
	}
	cost := float64(each/resident) * time(resident)
	if rest := each % resident; rest > 0 {
		cost += time(rest)
	}
	bytes := 2 * float64(batch) * (float64(m)*float64(k) + float64(n)*float64(k))
	cost = max(cost, bytes*memory/float64(g.processors))
	if p.splits > 1 {
		cost += join + float64(p.splits)*float64(m)*float64(n)*number/float64(g.processors)
	}
	return cost
}

// choose takes the tile and the number of splits that should take least time. A
// batch is not split.
func choose(candidates []tile, m, n, k, batch int, g gpuSize, split bool) plan {
	const most = 64 << 20 // bytes of partial sums
	best, least := plan{}, 0.0
	for _, t := range candidates {
		for _, splits := range parts {
			p, ok := t.cut(k, splits)
			if splits > 1 && (!ok || !split || batch > 1 || 4*splits*m*n > most) {
				continue
			}
			if cost := p.cost(m, n, k, batch, g); best.splits == 0 || cost < least {
				best, least = p, cost
			}
		}
	}
	return best
}
