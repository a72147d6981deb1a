//go:build cuda

package cuda

import (
	"fmt"

	"latent/gpu"
)

// headSizes are those that the kernels are made for, each with how many rows of
// the others a tile of the backward pass has: HEAD in kernels/attention*.cu. A wide
// kernel has twice as many queries in a block.
var headSizes = []struct {
	d, tile int
	wide    bool
}{{32, 64, false}, {48, 64, true}, {64, 64, true}, {80, 32, false}, {128, 32, false}, {160, 16, false}}

const queriesPerBlock = 64

// headSize is the smallest that holds d.
func headSize(d int) (size, tile int, wide, ok bool) {
	for _, h := range headSizes {
		if d <= h.d {
			return h.d, h.tile, h.wide, true
		}
	}
	return 0, 0, false, false
}

// attention collects the sizes of one call.
type attention struct {
	batch, lq, lk, heads, d int
	scale                   float32
	causal                  bool
	dtype                   gpu.DType
}

func newAttention(q, k *gpu.Tensor, heads int, scale float32, causal bool) attention {
	return attention{q.Dim(0), q.Dim(1), k.Dim(1), heads, q.Dim(2) / heads, scale, causal, q.DType()}
}

func (s attention) args(ts ...*gpu.Tensor) attentionArgs {
	vec := s.d%8 == 0
	for _, t := range ts {
		vec = vec && ptr(t)%16 == 0
	}
	return attentionArgs{lq: int32(s.lq), lk: int32(s.lk), heads: int32(s.heads), d: int32(s.d), scale: s.scale, causal: flag(s.causal), vec: flag(vec)}
}

// grid has a block for each so many of rows, of every head.
func (s attention) grid(rows, each, shared int) grid {
	return grid{x: (rows + each - 1) / each, y: s.heads, z: s.batch, threads: 128, shared: shared}
}

// tileBytes is the shared memory of rows of a head.
func tileBytes(size, rows int) int { return (size + 8) * 2 * rows }

func (b *backend) Attention(y, lse, q, k, v *gpu.Tensor, heads int, scale float32, causal bool) {
	s := newAttention(q, k, heads, scale, causal)
	size, _, wide, ok := headSize(s.d)
	if !ok || s.dtype == gpu.Float32 {
		b.attentionSlabs(s, y, lse, q, k, v)
		return
	}
	a := s.args(q, k, v)
	a.y, a.lse, a.q, a.k, a.v = ptr(y), ptr(lse), ptr(q), ptr(k), ptr(v)
	name, g := fmt.Sprint("attention_", size), s.grid(s.lq, queriesPerBlock, tileBytes(size, 3*64))
	// Twice the queries halve the reads of shared memory, where blocks enough are left.
	if twice := s.grid(s.lq, 2*queriesPerBlock, tileBytes(size, 4*64)); wide && twice.x*twice.y*twice.z >= wideFrom*b.processors {
		name, g = name+"_wide", twice
	}
	launch(b, function{"attention", name, s.dtype}, g, a)
}

// wideFrom is how many of its blocks a processor must have for a wide kernel.
var wideFrom = 2

func (b *backend) AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v *gpu.Tensor, heads int, scale float32, causal bool) {
	s := newAttention(q, k, heads, scale, causal)
	size, tile, _, ok := headSize(s.d)
	if !ok || s.dtype == gpu.Float32 {
		b.attentionSlabsGrad(s, dq, dk, dv, dy, lse, q, k, v)
		return
	}
	a := s.args(q, k, v, dy)
	a.dq, a.dk, a.dv, a.dy, a.y = ptr(dq), ptr(dk), ptr(dv), ptr(dy), ptr(y)
	a.lse, a.q, a.k, a.v = ptr(lse), ptr(q), ptr(k), ptr(v)
	rows := s.batch * s.heads * s.lq
	b.reserve("attention", padded(4*rows))
	a.delta, a.rows = b.take(4*rows), int64(rows)
	start := func(name string, g grid) { launch(b, function{"attention_grad", name, s.dtype}, g, a) }
	start("attention_delta", grid{x: (rows + 3) / 4, threads: 128})
	start(fmt.Sprint("attention_keys_", size), s.grid(s.lk, queriesPerBlock, tileBytes(size, 128+2*tile)+8*tile))
	start(fmt.Sprint("attention_queries_", size), s.grid(s.lq, queriesPerBlock, tileBytes(size, 128+2*tile)))
}

// slabBytes bounds the scores that exist at once where no kernel keeps them in
// shared memory: in Float32, and for heads of more than 160 (the autoencoder's).
var slabBytes = 64 << 20

// slab is how many queries' scores fit.
func (s attention) slab() int {
	return max(min(slabBytes/(4*s.batch*s.heads*s.lk), s.lq), 1)
}

// operand is a product's matrix of one slab: rows of q's kind, keys, or scores.
type operand struct {
	p           uint64
	batch, head int64
	ld          int32
}

func (s attention) rows(t *gpu.Tensor, first int) operand {
	ld := s.heads * s.d
	return operand{ptr(t) + uint64(first*ld*t.DType().Size()), int64(t.Dim(1) * ld), int64(s.d), int32(ld)}
}

func (s attention) scores(p uint64, rows int) operand {
	return operand{p, int64(s.heads * rows * s.lk), int64(rows * s.lk), int32(s.lk)}
}

// slabProduct is c (+)= a·b for every head.
func (b *backend) slabProduct(s attention, p product, c, x, z operand, m, n, k int, wide, add bool) {
	b.matmul("attention", p, s.dtype, matmulArgs{
		c: c.p, a: x.p, b: z.p, aBatch: x.batch, aHead: x.head, bBatch: z.batch, bHead: z.head, cBatch: c.batch, cHead: c.head,
		m: int32(m), n: int32(n), k: int32(k), lda: x.ld, ldb: z.ld, ldc: c.ld, heads: int32(s.heads), wide: flag(wide), add: flag(add), splits: 1,
	}, s.batch*s.heads)
}

func (b *backend) attentionSlabs(s attention, y, lse, q, k, v *gpu.Tensor) {
	slab := s.slab()
	n := s.batch * s.heads * slab * s.lk
	b.reserve("attention", padded(4*n)+padded(2*n))
	scores := b.take(4 * n)
	probs := scores // Float32 replaces the scores
	if s.dtype != gpu.Float32 {
		probs = b.take(2 * n)
	}
	for first := 0; first < s.lq; first += slab {
		rows := min(slab, s.lq-first)
		b.slabProduct(s, nt, s.scores(scores, rows), s.rows(q, first), s.rows(k, 0), rows, s.lk, s.d, true, false)
		launch(b, function{"softmax", "scores_softmax", s.dtype}, grid{x: s.batch * s.heads * rows, threads: 256}, softmaxArgs{
			y: probs, x: scores, lse: ptr(lse), n: int64(s.lk),
			first: int64(first), lq: int64(s.lq), slab: int64(rows), scale: s.scale, causal: flag(s.causal),
		})
		b.slabProduct(s, nn, s.rows(y, first), s.scores(probs, rows), s.rows(v, 0), rows, s.d, s.lk, false, false)
	}
}

func (b *backend) attentionSlabsGrad(s attention, dq, dk, dv, dy, lse, q, k, v *gpu.Tensor) {
	slab := s.slab()
	n, keys := s.batch*s.heads*slab*s.lk, k.Len()
	b.reserve("attention", 2*padded(4*n)+2*padded(2*n)+2*padded(4*keys))
	scores, dscores := b.take(4*n), b.take(4*n)
	p, ds := scores, dscores
	sumK, sumV := s.rows(dk, 0), s.rows(dv, 0)
	if s.dtype != gpu.Float32 {
		p, ds = b.take(2*n), b.take(2*n)
		sumK.p, sumV.p = b.take(4*keys), b.take(4*keys)
	}
	for first := 0; first < s.lq; first += slab {
		rows := min(slab, s.lq-first)
		b.slabProduct(s, nt, s.scores(scores, rows), s.rows(q, first), s.rows(k, 0), rows, s.lk, s.d, true, false)
		b.slabProduct(s, nt, s.scores(dscores, rows), s.rows(dy, first), s.rows(v, 0), rows, s.lk, s.d, true, false)
		launch(b, function{"softmax", "scores_grad", s.dtype}, grid{x: s.batch * s.heads * rows, threads: 256}, softmaxArgs{
			y: p, z: ds, x: scores, dy: dscores, lse: ptr(lse), n: int64(s.lk),
			first: int64(first), lq: int64(s.lq), slab: int64(rows), scale: s.scale, causal: flag(s.causal),
		})
		b.slabProduct(s, tn, sumV, s.scores(p, rows), s.rows(dy, first), s.lk, s.d, rows, true, first > 0)
		b.slabProduct(s, tn, sumK, s.scores(ds, rows), s.rows(q, first), s.lk, s.d, rows, true, first > 0)
		b.slabProduct(s, nn, s.rows(dq, first), s.scores(ds, rows), s.rows(k, 0), rows, s.d, s.lk, false, false)
	}
	if s.dtype != gpu.Float32 {
		b.cast(ptr(dk), s.dtype, sumK.p, gpu.Float32, keys)
		b.cast(ptr(dv), s.dtype, sumV.p, gpu.Float32, keys)
	}
}
