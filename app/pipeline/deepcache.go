package pipeline

import (
	"slices"

	"latent/gpu"
)

// caches tells whether some steps run the last layer of the U-Net alone.
func (g *generation) caches() bool { return g.req.CacheInterval > 1 }

// whole tells whether step i of a pass runs the whole U-Net: one of every
// CacheInterval, and each where what the U-Net looks at is another than before.
func (g *generation) whole(p *pass, i int) bool {
	return !g.caches() || g.deep == nil || g.renews(p, i)
}

func (g *generation) renews(p *pass, i int) bool {
	return i%g.req.CacheInterval == 0 || g.at(p, i).Context != g.at(p, i-1).Context ||
		!slices.Equal(g.active(p, i), g.active(p, i-1))
}

// keepDeep copies what a whole pass left to where captured ones find it.
func (g *generation) keepDeep(ts []*gpu.Tensor) {
	if len(ts) == 0 {
		return
	}
	same := func(a, b *gpu.Tensor) bool { return a.DType() == b.DType() && slices.Equal(a.Shape(), b.Shape()) }
	if !slices.EqualFunc(g.deep, ts, same) {
		g.dropDeep()
		g.Device.Permanent(func() {
			for _, t := range ts {
				g.deep = append(g.deep, g.Device.Empty(t.DType(), t.Shape()...))
			}
		})
	}
	for i, t := range ts {
		g.deep[i].CopyFrom(t)
	}
}

func (g *generation) dropDeep() {
	for _, t := range g.deep {
		t.Free()
	}
	g.deep = nil
}

// state is Progress.State after step done of a pass. A picture goes on to the very same
// where a whole pass is next.
func (g *generation) state(p *pass, done int, save func() *State) func() *State {
	switch {
	case !g.caches():
		return save
	case done < len(p.steps) && g.renews(p, done):
		g.kept = save()
	}
	if g.kept == nil {
		return nil
	}
	kept := g.kept
	return func() *State { return kept }
}
