//go:build cuda

package cuda

import (
	"encoding/binary"
	"math"

	"latent/gpu"
)

// The sums of reduce.cu.
const (
	mseSum int32 = iota
	l1Sum
	klSum
	squareSum
	notFinite
)

// reduce sets y[1] to scale·Σ of a term over n elements. It is Float32, or
// float64 where y is 0: then the sum is in scratch memory, whose address is
// returned.
func (b *backend) reduce(op string, dtype gpu.DType, y uint64, a reduceArgs) uint64 {
	g := b.flat(int(a.n))
	g.x = max(min(g.x, 4*b.processors), 1)
	b.reserve(op, padded(4*g.x)+256)
	a.blocks, a.partial, a.y = int32(g.x), b.take(4*g.x), y
	launch(b, function{"reduce", "reduce", dtype}, g, a)
	a.dtype = 0
	if y == 0 {
		a.y, a.dtype = b.take(8), 1
	}
	launch(b, function{"reduce", "reduce_finish", gpu.Float32}, grid{x: 1, threads: 32}, a)
	return a.y
}

func weighting(a, weight *gpu.Tensor) reduceArgs {
	return reduceArgs{a: ptr(a), weight: ptr(weight), n: int64(a.Len()), size: int64(a.Len() / max(a.Dim(0), 1)), scale: 1 / float32(a.Len())}
}

func (b *backend) MSE(y, x, z, weight *gpu.Tensor) {
	a := weighting(x, weight)
	a.b, a.f = ptr(z), mseSum
	b.reduce("mse", x.DType(), ptr(y), a)
}

func (b *backend) MSEGrad(dx, dy, x, z, weight *gpu.Tensor) {
	a := weighting(x, weight)
	a.y, a.b, a.dy, a.scale = ptr(dx), ptr(z), ptr(dy), 2*a.scale
	launch(b, function{"reduce", "mse_grad", x.DType()}, b.flat(x.Len()), a)
}

func (b *backend) L1(y, x, z *gpu.Tensor) {
	a := weighting(x, nil)
	a.b, a.f = ptr(z), l1Sum
	b.reduce("l1", x.DType(), ptr(y), a)
}

func (b *backend) L1Grad(dx, dy, x, z *gpu.Tensor) {
	a := weighting(x, nil)
	a.y, a.b, a.dy = ptr(dx), ptr(z), ptr(dy)
	launch(b, function{"reduce", "l1_grad", x.DType()}, b.flat(x.Len()), a)
}

func divergence(moments *gpu.Tensor) reduceArgs {
	n := moments.Len() / 2
	return reduceArgs{a: ptr(moments), n: int64(n), c: int64(moments.Dim(-1) / 2), scale: 1 / float32(n)}
}

func (b *backend) GaussianKL(y, moments *gpu.Tensor) {
	a := divergence(moments)
	a.f = klSum
	b.reduce("kl", moments.DType(), ptr(y), a)
}

func (b *backend) GaussianKLGrad(dmoments, dy, moments *gpu.Tensor) {
	a := divergence(moments)
	a.y, a.dy = ptr(dmoments), ptr(dy)
	launch(b, function{"reduce", "kl_grad", moments.DType()}, b.flat(int(a.n)), a)
}

// total waits for a sum.
func (b *backend) total(op string, x *gpu.Tensor, f int32) float64 {
	at := b.reduce(op, x.DType(), 0, reduceArgs{a: ptr(x), n: int64(x.Len()), f: f, scale: 1})
	var out [8]byte
	b.read(op, out[:], at)
	return math.Float64frombits(binary.LittleEndian.Uint64(out[:]))
}

func (b *backend) SumSquares(x *gpu.Tensor) float64 { return b.total("sum of squares", x, squareSum) }

func (b *backend) Finite(x *gpu.Tensor) bool {
	if x.DType() == gpu.Int32 {
		return true
	}
	return b.total("finite", x, notFinite) == 0
}
