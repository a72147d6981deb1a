//go:build cuda

package cuda

import (
	"fmt"

	"latent/gpu"
)

// matmul starts a product, choosing its tile. Where splits is 1 already k is not
// cut, and no scratch memory is used.
func (b *backend) matmul(op string, p product, dtype gpu.DType, a matmulArgs, batch int) {
	candidates := tiles[p]
	const few = 4 // rows: no tile is filled
	switch {
	case dtype == gpu.Float32:
		candidates = []tile{plain}
	case !a.together(p):
		candidates = []tile{odd}
	case p == nt && a.m > 0 && a.m <= few && a.gather == 0 && a.a2 == 0 && a.wide == 0 && batch == 1 && force == nil:
		launch(b, function{"matmul_nt", "matmul_nt_few", dtype}, grid{x: (int(a.n) + 3) / 4, threads: 128}, a)
		return
	}
	b.multiply(op, p, candidates, dtype, a, batch)
}

func (b *backend) multiply(op string, p product, candidates []tile, dtype gpu.DType, a matmulArgs, batch int) {
	if a.m == 0 || a.n == 0 || batch == 0 {
		return
	}
	a.heads = max(a.heads, 1)
	if a.gather == 0 {
		a.taps, a.channels = 1, a.k
	}
	if force != nil {
		candidates = force(candidates)
	}
	b.run(op, p, b.plan(p, candidates, dtype, a, batch), dtype, a, batch)
}

// walked is the length of k as the kernel walks it: where taps go by before
// channels do, the channels of each are filled up to whole steps.
func (a matmulArgs) walked(p product, t tile) int {
	if p == tn || t.single {
		return int(a.k)
	}
	return int(a.taps) * ((int(a.channels) + stepK - 1) / stepK * stepK)
}

func (b *backend) run(op string, p product, pl plan, dtype gpu.DType, a matmulArgs, batch int) {
	a.splits, a.kSplit = int32(pl.splits), int32(pl.kSplit)
	if planned != nil {
		planned(p, pl, dtype, a, batch)
	}
	if pl.splits > 1 {
		n := 4 * pl.splits * int(a.m) * int(a.n)
		b.reserve(op, padded(n))
		a.partial = b.take(n)
	}
	g := grid{x: (int(a.m) + pl.m - 1) / pl.m, y: (int(a.n) + pl.n - 1) / pl.n, z: batch * pl.splits, threads: pl.threads, shared: pl.shared}
	launch(b, function{"matmul_" + p.String(), fmt.Sprintf("matmul_%v_%s", p, pl.name), dtype}, g, a)
	if pl.splits > 1 {
		numbers := int(a.m) * int(a.n)
		if a.joinsEights(dtype) {
			numbers /= 8
		}
		launch(b, function{"matmul_nt", "matmul_join", dtype}, b.each(numbers), a)
	}
}

// joinsEights tells whether the kernel that joins does eight numbers at a time.
func (a matmulArgs) joinsEights(dtype gpu.DType) bool {
	return dtype != gpu.Float32 && a.n%8 == 0 && a.wide == 0 && a.ldc%8 == 0 && (a.c|a.bias|a.res|a.shift)%16 == 0
}

// planned, set by tests, is told of each product.
var planned func(p product, pl plan, dtype gpu.DType, a matmulArgs, batch int)

// force, set by tests, narrows the choice of tiles.
var force func([]tile) []tile

// together tells whether the elements of both operands come in eights that lie
// side by side at multiples of 16 bytes.
func (a matmulArgs) together(p product) bool {
	eights := func(v ...int64) bool {
		for _, x := range v {
			if x%8 != 0 {
				return false
			}
		}
		return true
	}
	if a.a%16 != 0 || a.b%16 != 0 || !eights(a.aBatch, a.aHead, a.bBatch, a.bHead, int64(a.lda), int64(a.ldb)) {
		return false
	}
	if a.gather != 0 && (a.channels%8 != 0 || p != tn && a.taps > 32) { // a row has 32 bits for its taps
		return false
	}
	switch p {
	case nt:
		return a.k%8 == 0
	case nn:
		return a.k%8 == 0 && a.n%8 == 0
	default:
		return a.m%8 == 0 && a.n%8 == 0
	}
}

func (b *backend) Linear(y, x, w, bias, res *gpu.Tensor) {
	o, c := int32(w.Dim(0)), int32(w.Dim(1))
	b.matmul("linear", nt, y.DType(), matmulArgs{
		c: ptr(y), a: ptr(x), b: ptr(w), bias: ptr(bias), res: ptr(res),
		m: int32(rowsOf(y)), n: o, k: c, lda: c, ldb: c, ldc: o,
	}, 1)
}

// LinearGEGLU gates eights of columns in the multiplying kernel; k is not cut.
func (b *backend) LinearGEGLU(y, x, w, bias *gpu.Tensor) bool {
	o, c := int32(w.Dim(0)), int32(w.Dim(1))
	a := matmulArgs{
		c: ptr(y), a: ptr(x), b: ptr(w), bias: ptr(bias),
		m: int32(rowsOf(y)), n: o, k: c, lda: c, ldb: c, ldc: o / 2, splits: 1,
	}
	if y.DType() == gpu.Float32 || o%16 != 0 || !a.together(nt) || a.c%16 != 0 {
		return false
	}
	b.multiply("linear", nt, gated, y.DType(), a, 1)
	return true
}

// LinearMany takes three weights at most: the heads of a batch.
func (b *backend) LinearMany(ys []*gpu.Tensor, x *gpu.Tensor, ws, bs []*gpu.Tensor) bool {
	o, c := int32(ws[0].Dim(0)), int32(ws[0].Dim(1))
	a := matmulArgs{
		c: ptr(ys[0]), a: ptr(x), b: ptr(ws[0]), m: int32(rowsOf(x)), n: o, k: c, lda: c, ldb: c, ldc: o,
		heads: int32(len(ws)), many: 1,
	}
	together := len(ws) <= 1+len(a.bMany)
	for i, w := range ws {
		var bias uint64
		if bs != nil {
			bias = ptr(bs[i])
		}
		if i == 0 {
			a.bias = bias
		} else if together {
			a.cMany[i-1], a.bMany[i-1], a.biasMany[i-1] = ptr(ys[i]), ptr(w), bias
		}
		together = together && ptr(w)%16 == 0
	}
	if !together || x.DType() == gpu.Float32 || !a.together(nt) {
		return false
	}
	b.matmul("linear", nt, x.DType(), a, len(ws))
	return true
}

func (b *backend) LinearGradInput(dx, dy, w *gpu.Tensor) {
	o, c := int32(w.Dim(0)), int32(w.Dim(1))
	b.matmul("linear", nn, dx.DType(), matmulArgs{
		c: ptr(dx), a: ptr(dy), b: ptr(w), m: int32(rowsOf(dx)), n: c, k: o, lda: o, ldb: c, ldc: c,
	}, 1)
}

func (b *backend) LinearGradWeight(dw, db, x, dy *gpu.Tensor) {
	o, c := int32(dw.Dim(0)), int32(dw.Dim(1))
	b.matmul("linear", tn, x.DType(), matmulArgs{
		c: ptr(dw), a: ptr(dy), b: ptr(x), m: o, n: c, k: int32(rowsOf(dy)), lda: o, ldb: c, ldc: c, wide: 1,
	}, 1)
	b.biasGrad(db, dy)
}

// pointwise tells whether a convolution is a linear layer over pixels.
func pointwise(w *gpu.Tensor, c gpu.Conv) bool {
	return w.Dim(1) == 1 && w.Dim(2) == 1 && c == gpu.Conv{Stride: 1}
}

// gather describes the image that is looked up under the taps of w from the
// pixels of other.
func gather(a matmulArgs, image, other, w *gpu.Tensor, c gpu.Conv) matmulArgs {
	a.gather = 1
	a.h, a.w, a.channels = int32(image.Dim(1)), int32(image.Dim(2)), int32(image.Dim(3))
	a.p, a.q = int32(other.Dim(1)), int32(other.Dim(2))
	a.kw, a.taps = int32(w.Dim(2)), int32(w.Dim(1)*w.Dim(2))
	a.stride, a.top, a.left = int32(c.Stride), int32(c.Top), int32(c.Left)
	return a
}

func (b *backend) Conv2d(y, x, w, bias, res *gpu.Tensor, c gpu.Conv) {
	b.conv2d(y, x, w, bias, res, nil, c)
}

func (b *backend) Conv2dShift(y, x, w, bias, t *gpu.Tensor, c gpu.Conv) {
	b.conv2d(y, x, w, bias, nil, t, c)
}

func (b *backend) conv2d(y, x, w, bias, res, shift *gpu.Tensor, c gpu.Conv) {
	o, ch := int32(w.Dim(0)), int32(w.Dim(3))
	k := int32(w.Len() / w.Dim(0))
	a := matmulArgs{
		c: ptr(y), a: ptr(x), b: ptr(w), bias: ptr(bias), res: ptr(res),
		m: int32(rowsOf(y)), n: o, k: k, lda: ch, ldb: k, ldc: o,
		shift: ptr(shift), shiftRows: int32(y.Dim(1) * y.Dim(2)),
	}
	if !pointwise(w, c) {
		a = gather(a, x, y, w, c)
	}
	b.matmul("conv2d", nt, y.DType(), a, 1)
}

// PointwisePair reads x and z in place where the border between them is one between
// steps.
func (b *backend) PointwisePair(y, x, z, w, bias *gpu.Tensor) bool {
	o, c1, c2 := int32(w.Dim(0)), int32(x.Dim(-1)), int32(z.Dim(-1))
	a := matmulArgs{
		c: ptr(y), a: ptr(x), b: ptr(w), bias: ptr(bias), a2: ptr(z), k1: c1,
		m: int32(rowsOf(y)), n: o, k: c1 + c2, lda: c1, ldb: c1 + c2, ldc: o,
	}
	if y.DType() == gpu.Float32 || c1%stepK != 0 || c2%8 != 0 || a.a2%16 != 0 || !a.together(nt) {
		return false
	}
	b.matmul("conv2d", nt, y.DType(), a, 1)
	return true
}

func (b *backend) Conv2dGradInput(dx, dy, w *gpu.Tensor, c gpu.Conv) {
	o, ch := int32(w.Dim(0)), int32(w.Dim(3))
	a := matmulArgs{c: ptr(dx), a: ptr(dy), b: ptr(w), m: int32(rowsOf(dx)), n: ch, k: o, lda: o, ldb: ch, ldc: ch}
	if !pointwise(w, c) {
		a = gather(a, dy, dx, w, c)
		a.k = o * a.taps
	}
	b.matmul("conv2d", nn, dx.DType(), a, 1)
}

func (b *backend) Conv2dGradWeight(dw, db, x, dy *gpu.Tensor, c gpu.Conv) {
	o, ch := int32(dw.Dim(0)), int32(dw.Dim(3))
	n := int32(dw.Len() / dw.Dim(0))
	a := matmulArgs{c: ptr(dw), a: ptr(dy), b: ptr(x), m: o, n: n, k: int32(rowsOf(dy)), lda: o, ldb: ch, ldc: n, wide: 1}
	if !pointwise(dw, c) {
		a = gather(a, x, dy, dw, c)
	}
	b.matmul("conv2d", tn, x.DType(), a, 1)
	b.biasGrad(db, dy)
}
