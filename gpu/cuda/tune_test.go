//go:build cuda

package cuda

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"latent/gpu"
)

// arena is memory for the operands of products that are timed: weights are taken
// from other places at each launch, as a step finds none of them in the L2 cache.
type arena struct {
	b       *backend
	a, w, c gpu.Buffer
}

func newArena(b *backend, a, w, c int) (m arena, err error) {
	m.b = b
	for _, part := range []struct {
		to *gpu.Buffer
		n  int
	}{{&m.a, a}, {&m.w, w}, {&m.c, c}} {
		if *part.to, err = b.Alloc(part.n); err != nil {
			return m, err
		}
		// Numbers like those of a model: zeros would be multiplied with less heat.
		data := make([]byte, min(part.n, 8<<20))
		for i, v := range numbers(7, len(data)/2) {
			data[2*i], data[2*i+1] = byte(math.Float32bits(v)>>16), byte(math.Float32bits(v)>>24)
		}
		for at := 0; at < part.n; at += len(data) {
			b.write("tune", uint64((*part.to).(*buffer).p)+uint64(at), data[:min(len(data), part.n-at)])
		}
	}
	return m, nil
}

func (m arena) free() {
	for _, p := range []gpu.Buffer{m.a, m.w, m.c} {
		m.b.Free(p)
	}
}

// microseconds times a plan: the least of three replays of a graph of launches.
func (m arena) microseconds(r *request, pl plan, launches int) (us float64, err error) {
	defer gpu.Catch(&err)
	at := func(b gpu.Buffer) uint64 { return uint64(b.(*buffer).p) }
	a := r.args
	weight := padded(2 * a.weights())
	batch := max(r.batch, 1)
	place := 0
	once := func() {
		if (place+batch)*weight > m.w.Size() {
			place = 0
		}
		a.a, a.b, a.c = at(m.a), at(m.w)+uint64(place*weight), at(m.c)
		a.bias, a.biasMany, a.res, a.shift = 0, [2]uint64{}, 0, 0
		if a.a2 != 0 {
			a.a2 = a.a
		}
		for i := range a.bMany {
			a.bMany[i], a.cMany[i] = a.b+uint64((i+1)%batch*weight), a.c+uint64((i+1)%batch*padded(2*int(a.m)*int(a.ldc)))
		}
		place += batch
		m.b.run("tune", r.product, pl, gpu.BFloat16, a, r.batch)
	}
	once() // loads the kernel, and makes room for partial sums
	g, err := m.b.Capture(func() {
		for range launches {
			once()
		}
	})
	if err != nil {
		return 0, err
	}
	defer g.Free()
	g.Run()
	m.b.Synchronize()
	for i := range 3 {
		start := time.Now()
		g.Run()
		m.b.Synchronize()
		if t := float64(time.Since(start).Nanoseconds()) / 1e3 / float64(launches); i == 0 || t < us {
			us = t
		}
	}
	return us, nil
}

// weights is how many numbers b has, and inputs a.
func (a matmulArgs) weights() int { return int(a.n) * int(a.ldb) }

func (a matmulArgs) inputs() int {
	if a.gather == 0 {
		return int(a.m) * int(a.k)
	}
	return int(a.m) / int(a.p*a.q) * int(a.h) * int(a.w) * int(a.lda)
}

// tune times what could be best for each request, those first that take longest by
// the estimate, until the time is over. It writes the table of the best plans to w
// as it goes, and prints how they compare with the estimate's.
func tune(b *backend, requests []*request, weights int, budget time.Duration, w *os.File) error {
	var a, c int
	for _, r := range requests {
		a, c = max(a, 2*r.args.inputs()), max(c, 3*padded(2*int(r.args.m)*int(r.args.ldc)))
		weights = max(weights, r.batch*padded(2*r.args.weights()))
	}
	m, err := newArena(b, a, weights, c)
	if err != nil {
		return err
	}
	defer m.free()
	estimate := func(r *request) float64 { return float64(r.count) * r.plan.cost(r.m, r.n, r.k, r.batch, b.size) }
	slices.SortFunc(requests, func(x, y *request) int { return cmp.Compare(estimate(y), estimate(x)) })
	fmt.Printf("%-38s %5s %-20s %9s %9s   %-20s %9s\n", "product", "times", "estimate's plan", "µs", "TFLOP/s", "best", "µs")
	start, before, after := time.Now(), 0.0, 0.0
	for _, r := range requests {
		if time.Since(start) > budget {
			fmt.Println("the time is over")
			break
		}
		candidates := tiles[r.product]
		if r.gated {
			candidates = gated
		}
		name := func(p plan) string { return fmt.Sprintf("%s in %d", strings.TrimSuffix(p.name, "_gated"), p.splits) }
		chosen, err := m.microseconds(r, r.plan, 20)
		if err != nil {
			return err
		}
		best, least := r.plan, chosen
		limit := 3 * r.plan.cost(r.m, r.n, r.k, r.batch, b.size)
		for _, t := range candidates {
			for _, splits := range parts {
				p, ok := t.cut(r.k, splits)
				if !ok || splits > 1 && (r.gated || r.batch > 1 || 4*splits*r.m*r.n > 64<<20) || p.cost(r.m, r.n, r.k, r.batch, b.size) > limit {
					continue
				}
				us, err := m.microseconds(r, p, 20)
				if err != nil {
					return err
				}
				if us < 0.98*least {
					best, least = p, us
				}
			}
		}
		before, after = before+float64(r.count)*chosen, after+float64(r.count)*least
		fmt.Printf("%-38s %5d %-20s %9.1f %9.1f   %-20s %9.1f\n", r.size, r.count, name(r.plan), chosen,
			2*float64(r.m)*float64(r.n)*float64(r.k)*float64(r.batch)/chosen/1e6, name(best), least)
		if _, err := w.WriteString(r.size.line(choice{best.name, best.splits})); err != nil {
			return err
		}
	}
	fmt.Printf("all of them: %.2f ms by the estimate's plans, %.2f ms by the best\n", before/1e3, after/1e3)
	return nil
}

// TestTune times the plans of a step of Stable Diffusion 1.5 and SDXL where
// LATENT_TUNE names the file for the table, within LATENT_TUNE_SECONDS (60) for each;
// without it, one small product, whose table must be read back and obeyed.
func TestTune(t *testing.T) {
	dev := openTest(t, "cuda")
	opened, err := open("")
	if err != nil {
		t.Fatal(err)
	}
	b := opened.(*backend)
	defer b.Close()
	name := os.Getenv("LATENT_TUNE")
	real := name != ""
	if !real {
		name = filepath.Join(t.TempDir(), "tiles.txt")
	}
	w, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if real {
		budget, err := time.ParseDuration(cmp.Or(os.Getenv("LATENT_TUNE_SECONDS"), "60") + "s")
		if err != nil {
			t.Fatal(err)
		}
		for _, arch := range []string{"sd15", "sdxl"} {
			_, products, _ := dryStep(t, dev, arch)
			dev.Trim()
			products = slices.DeleteFunc(products, func(r *request) bool { return r.plan.single })
			fmt.Println(arch)
			if err := tune(b, products, 256<<20, budget, w); err != nil {
				t.Error(err)
			}
		}
		return
	}
	r := &request{args: matmulArgs{m: 70, n: 72, k: 200, lda: 200, ldb: 200, ldc: 72, taps: 1, channels: 200, heads: 1}, count: 1}
	r.size = r.args.size(nt, broad, 1, b.processors)
	r.plan = choose(tiles[nt], r.m, r.n, r.k, 1, b.size, true)
	if err := tune(b, []*request{r}, 1<<20, time.Minute, w); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if b.measured, err = parseMeasured(string(text)); err != nil || len(b.measured) != 1 {
		t.Fatalf("%v in %q", err, text)
	}
	for _, want := range []choice{b.measured[r.size], {"64x160", 3}} {
		b.measured[r.size] = want
		if p := b.plan(nt, tiles[nt], gpu.BFloat16, r.args, 1); p.name != want.tile || p.splits != want.parts {
			t.Errorf("the plan is %s in %d, want %v", p.name, p.splits, want)
		}
	}
}

func FuzzMeasured(f *testing.F) {
	f.Add(measuredText)
	f.Add("132 nt 8192 320 2880 9 1 128x160 1\n# note\n\n132 nt_gated 1 2 3 4 5 64x64 6\n")
	f.Add("132 xx 1 2 3 4 5 64x64 6")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := parseMeasured(text)
		if err != nil {
			return
		}
		var again strings.Builder
		for s, c := range table {
			again.WriteString(s.line(c))
		}
		if back, err := parseMeasured(again.String()); err != nil || len(back) != len(table) {
			t.Errorf("%v in %q", err, again.String())
		}
	})
}
