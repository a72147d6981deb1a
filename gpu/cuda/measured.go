//go:build cuda

package cuda

import (
	_ "embed"
	"fmt"
	"os"
	"strconv"
	"strings"

	"latent/gpu"
)

// The plans that TestTune measured to be the fastest, which go before the estimate.
//
//go:embed tiles.txt
var measuredText string

// size is a product as its plan depends on it, on GPUs of so many processors. k is
// as the kernel walks it.
type size struct {
	processors           int
	product              product
	gated                bool
	m, n, k, taps, batch int
}

// choice is a plan by the name of its tile.
type choice struct {
	tile  string
	parts int
}

func (s size) line(c choice) string {
	p := s.product.String()
	if s.gated {
		p += "_gated"
	}
	return fmt.Sprintln(s.processors, p, s.m, s.n, s.k, s.taps, s.batch, c.tile, c.parts)
}

// parseMeasured reads lines of processors, product, m, n, k, taps, batch, tile and
// parts; those that begin with # are not read.
func parseMeasured(text string) (map[size]choice, error) {
	table := map[size]choice{}
	for i, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		bad := fmt.Errorf("line %d of the measured tiles is not processors, product, m, n, k, taps, batch, tile and parts: %q", i+1, line)
		if len(f) != 9 {
			return nil, bad
		}
		var v [7]int
		for j, at := range []int{0, 2, 3, 4, 5, 6, 8} {
			var err error
			if v[j], err = strconv.Atoi(f[at]); err != nil || v[j] <= 0 {
				return nil, bad
			}
		}
		name, gated := strings.CutSuffix(f[1], "_gated")
		p := nt
		for p <= tn && p.String() != name {
			p++
		}
		if p > tn {
			return nil, bad
		}
		table[size{v[0], p, gated, v[1], v[2], v[3], v[4], v[5]}] = choice{f[7], v[6]}
	}
	return table, nil
}

// measured is the table of this build, or of the file that LATENT_CUDA_TILES names.
func measured() (map[size]choice, error) {
	text := measuredText
	if name := os.Getenv("LATENT_CUDA_TILES"); name != "" {
		file, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		text = string(file)
	}
	return parseMeasured(text)
}

// plan is what was measured to be best, or else what the estimate says.
func (b *backend) plan(p product, candidates []tile, dtype gpu.DType, a matmulArgs, batch int) plan {
	k := a.walked(p, candidates[0])
	if force == nil && dtype != gpu.Float32 {
		if c, ok := b.measured[a.size(p, candidates[0], batch, b.processors)]; ok {
			for _, t := range candidates {
				if pl, ok := t.cut(k, c.parts); ok && t.name == c.tile && (c.parts == 1 || a.splits == 0 && batch == 1) {
					return pl
				}
			}
		}
	}
	return choose(candidates, int(a.m), int(a.n), k, batch, b.size, a.splits == 0)
}

func (a matmulArgs) size(p product, t tile, batch, processors int) size {
	return size{processors, p, strings.HasSuffix(t.name, "_gated"), int(a.m), int(a.n), a.walked(p, t), int(a.taps), batch}
}
