//go:build cuda

package cuda

import (
	"fmt"

	"latent/gpu"
)

// columns divides the rows of [n,rows,c] into chunks, so that blocks of columns
// fill the GPU, and gives the grid whose threads own a column of a chunk each.
func (b *backend) columns(n, rows, c int) (normArgs, grid) {
	const least, most = 16, 1024 // rows of a chunk; chunks
	threads := min((c+31)/32*32, 256)
	blocks := (c + threads - 1) / threads
	chunks := max(min(4*b.processors/max(blocks*n, 1), (rows+least-1)/least, most), 1)
	chunk := max((rows+chunks-1)/chunks, 1)
	chunks = max((rows+chunk-1)/chunk, 1)
	a := normArgs{n: int64(n), rows: int64(rows), c: int64(c), chunk: int64(chunk), chunks: int32(chunks)}
	return a, grid{x: blocks, y: chunks, z: n, threads: threads}
}

// wideColumns is the same for threads that own pack columns, 256 in a block.
func (b *backend) wideColumns(a normArgs, pack int) (normArgs, grid) {
	packs := int(a.c) / pack
	across := min(packs, 256)
	blocks := (packs + across - 1) / across
	least := 4 * (256 / across) // rows of a chunk
	chunks := max(min(4*b.processors/max(blocks*int(a.n), 1), int(a.rows)/least), 1)
	a.chunk = (a.rows + int64(chunks) - 1) / int64(chunks)
	a.chunks = int32((a.rows + a.chunk - 1) / a.chunk)
	return a, grid{x: blocks, y: int(a.chunks), z: int(a.n), threads: 256}
}

// partialSize is the bytes of one partial sum of each column.
func (a normArgs) partialSize() int { return 4 * int(a.n) * int(a.chunks) * int(a.c) }

func rowsOf(x *gpu.Tensor) int { return x.Len() / max(x.Dim(-1), 1) }

func (b *backend) GroupNorm(y, stats, x, gamma, beta *gpu.Tensor, groups int, eps float32, silu bool) {
	if b.groupInShared(y, ptr(stats), x, nil, gamma, beta, groups, eps, silu) {
		return
	}
	a, g := b.columns(middle(x))
	a.y, a.x, a.stats, a.gamma, a.beta = ptr(y), ptr(x), ptr(stats), ptr(gamma), ptr(beta)
	a.groups, a.eps, a.silu = int32(groups), eps, flag(silu)
	moments := "norm_moments"
	if pack := 16 / x.DType().Size(); a.x%16 == 0 && x.Dim(-1)%pack == 0 && a.rows > 0 {
		a, g = b.wideColumns(a, pack)
		moments = "norm_moments_wide"
	}
	b.reserve("group norm", padded(2*a.partialSize()))
	a.partial = b.take(2 * a.partialSize())
	launch(b, function{"norm", moments, x.DType()}, g, a)
	launch(b, function{"norm", "norm_statistics", x.DType()}, grid{x: x.Dim(0) * groups, threads: 128}, a)
	launch(b, function{"norm", "norm_apply", x.DType()}, b.flat(x.Len()), a)
}

func (b *backend) GroupNormPair(y, x, z, gamma, beta *gpu.Tensor, groups int, eps float32, silu bool) bool {
	n := 8 * y.Dim(0) * groups
	b.reserve("group norm", padded(n))
	return b.groupInShared(y, b.take(n), x, z, gamma, beta, groups, eps, silu)
}

// groupInShared does a group norm of [x | x2] in one kernel, where a group of an
// image fits in shared memory; x2 may be absent.
func (b *backend) groupInShared(y *gpu.Tensor, stats uint64, x, x2, gamma, beta *gpu.Tensor, groups int, eps float32, silu bool) bool {
	n, rows, c := middle(y)
	size, c1 := y.DType().Size(), x.Dim(-1)
	w := c / groups
	shared := rows*w*size + 8*w
	word := 4 // bytes that a thread moves at once
	even := func(word int) bool {
		return w*size%word == 0 && c1*size%word == 0 && (ptr(x)|ptr(x2)|ptr(y))%uint64(word) == 0
	}
	if even(8) {
		word = 8
	}
	if rows == 0 || shared > b.blockShared || !even(word) {
		return false
	}
	const each = 8 // words of a thread
	threads := min(max((rows*w*size/word/each+31)/32*32, 128), 1024)
	launch(b, function{"norm", fmt.Sprint("norm_group_", word), y.DType()}, grid{x: n * groups, threads: threads, shared: shared}, normArgs{
		y: ptr(y), x: ptr(x), x2: ptr(x2), stats: stats, gamma: ptr(gamma), beta: ptr(beta),
		n: int64(n), rows: int64(rows), c: int64(c), c1: int64(c1), groups: int32(groups), eps: eps, silu: flag(silu),
	})
	return true
}

func (b *backend) GroupNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma, beta *gpu.Tensor, groups int, silu bool) {
	a, g := b.columns(middle(x))
	a.y, a.dy, a.x, a.stats, a.gamma, a.beta = ptr(dx), ptr(dy), ptr(x), ptr(stats), ptr(gamma), ptr(beta)
	a.dgamma, a.dbeta = ptr(dgamma), ptr(dbeta)
	a.groups, a.silu = int32(groups), flag(silu)
	sums := 8 * x.Dim(0) * groups
	b.reserve("group norm", padded(2*a.partialSize())+padded(sums))
	a.partial, a.sums = b.take(2*a.partialSize()), b.take(sums)
	launch(b, function{"norm", "norm_grad_sums", x.DType()}, g, a)
	launch(b, function{"norm", "norm_grad_params", x.DType()}, b.each(x.Dim(-1)), a)
	launch(b, function{"norm", "norm_grad_groups", x.DType()}, grid{x: x.Dim(0) * groups, threads: 128}, a)
	launch(b, function{"norm", "norm_grad_apply", x.DType()}, b.flat(x.Len()), a)
}

// each is a grid with a thread for each of n.
func (b *backend) each(n int) grid { return grid{x: (n + 255) / 256, threads: 256} }

func (b *backend) LayerNorm(y, stats, x, gamma, beta *gpu.Tensor, eps float32) {
	a := normArgs{
		y: ptr(y), x: ptr(x), stats: ptr(stats), gamma: ptr(gamma), beta: ptr(beta), rows: int64(rowsOf(x)), c: int64(x.Dim(-1)), eps: eps,
	}
	const most = 5 * 32 // packs of 16 bytes in a row that a warp keeps
	if bytes := x.Dim(-1) * x.DType().Size(); bytes%16 == 0 && bytes <= 16*most && (a.x|a.y)%16 == 0 {
		launch(b, function{"norm", "layer_norm_warp", x.DType()}, grid{x: (rowsOf(x) + 3) / 4, threads: 128}, a)
		return
	}
	launch(b, function{"norm", "layer_norm", x.DType()}, grid{x: rowsOf(x), threads: 128}, a)
}

func (b *backend) LayerNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma *gpu.Tensor) {
	a, g := b.columns(1, rowsOf(x), x.Dim(-1))
	a.y, a.dy, a.x, a.stats, a.gamma = ptr(dx), ptr(dy), ptr(x), ptr(stats), ptr(gamma)
	a.dgamma, a.dbeta, a.groups, a.layer = ptr(dgamma), ptr(dbeta), 1, 1
	b.reserve("layer norm", padded(2*a.partialSize()))
	a.partial = b.take(2 * a.partialSize())
	launch(b, function{"norm", "norm_grad_sums", x.DType()}, g, a)
	launch(b, function{"norm", "norm_grad_params", x.DType()}, b.each(x.Dim(-1)), a)
	launch(b, function{"norm", "layer_norm_grad", x.DType()}, grid{x: rowsOf(x), threads: 128}, a)
}

// SumMiddle is y[n,c] = Σ over the middle of x[n,…,c].
func (b *backend) SumMiddle(y, x *gpu.Tensor) {
	a, g := b.columns(middle(x))
	a.x, a.y = ptr(x), ptr(y)
	b.columnSums("sum middle", x.DType(), a, g)
}

// biasGrad is db[o] = Σ over rows of dy[row,o].
func (b *backend) biasGrad(db, dy *gpu.Tensor) {
	if db == nil {
		return
	}
	a, g := b.columns(1, rowsOf(dy), dy.Dim(-1))
	a.x, a.dbeta = ptr(dy), ptr(db)
	b.columnSums("bias", dy.DType(), a, g)
}

func (b *backend) columnSums(op string, dtype gpu.DType, a normArgs, g grid) {
	b.reserve(op, padded(a.partialSize()))
	a.partial = b.take(a.partialSize())
	launch(b, function{"norm", "column_sums", dtype}, g, a)
	launch(b, function{"norm", "column_finish", dtype}, b.each(int(a.n*a.c)), a)
}

func (b *backend) Softmax(y, x *gpu.Tensor) {
	launch(b, function{"softmax", "softmax", x.DType()}, grid{x: rowsOf(x), threads: 256}, softmaxArgs{y: ptr(y), x: ptr(x), n: int64(x.Dim(-1))})
}

func (b *backend) SoftmaxGrad(dx, dy, y *gpu.Tensor) {
	launch(b, function{"softmax", "softmax_grad", y.DType()}, grid{x: rowsOf(y), threads: 256}, softmaxArgs{z: ptr(dx), x: ptr(y), dy: ptr(dy), n: int64(y.Dim(-1))})
}
