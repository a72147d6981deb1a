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
	rate            float64 // of the arithmetic, in units of the fastest
}

// depth·(m+n)·32 half-width numbers are in shared memory.
const depth = 4

func halfTile(name string, m, n, threads int, rate float64) tile {
	return tile{name, m, n, threads, depth * (m + n) * 32 * 2, rate}
}

// The rates are estimates: larger tiles read shared memory less often. They are
// to be replaced by measurements.
var (
	large  = halfTile("128x128", 128, 128, 256, 1)
	medium = halfTile("128x64", 128, 64, 128, 0.85)
	small  = halfTile("64x64", 64, 64, 128, 0.65)
	odd    = halfTile("64x64_odd", 64, 64, 128, 0.1)
	plain  = tile{"64x64", 64, 64, 256, 0, 0.1} // Float32
)

// gated are those for NT with GEGLU.
var gated = []tile{large.gated(), medium.gated()}

func (t tile) gated() tile {
	t.name += "_gated"
	return t
}

var tiles = [3][]tile{nt: {large, medium, small}, nn: {large, small}, tn: {large, small}}

// Plan is a tile, and in how many parts k is cut.
type plan struct {
	tile
	splits, kSplit int
}

// choose takes the tile and the number of splits that should take least time for
// batch products [m,k]·[k,n]: blocks run in waves of one for each processor, each
// for as long as its share of k and some steps to fill its pipeline; joining
// splits costs a pass over memory for each. A batch is not split.
func choose(candidates []tile, m, n, k, batch, processors int, split bool) plan {
	const step, fill = 32, 6
	const join = 24           // steps of a 128×128 tile that a launch of the join takes
	const passes = 1.0 / 2048 // of such steps that one number written and read takes, on one processor
	const most = 64 << 20     // bytes of partial sums
	best, least := plan{}, 0.0
	for _, t := range candidates {
		blocks := ((m + t.m - 1) / t.m) * ((n + t.n - 1) / t.n) * batch
		steps := (k + step - 1) / step
		for _, splits := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32} {
			kSplit := (steps + splits - 1) / splits
			parts := (steps + max(kSplit, 1) - 1) / max(kSplit, 1)
			if splits > 1 && (parts != splits || !split || batch > 1 || 4*splits*m*n > most) {
				continue
			}
			waves := (blocks*splits + processors - 1) / processors
			cost := float64(waves) * float64(kSplit+fill) * float64(t.m*t.n) / (128 * 128) / t.rate
			if splits > 1 {
				cost += join + float64(splits)*float64(m)*float64(n)*passes/float64(processors)
			}
			if best.splits == 0 || cost < least {
				best, least = plan{t, splits, max(kSplit, 1) * step}, cost
			}
		}
	}
	return best
}
