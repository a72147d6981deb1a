//go:build cuda

package cuda

import (
	"math"

	"latent/gpu"
)

// elementwise starts a kernel of elementwise.cu over n elements of dtype.
func (b *backend) elementwise(name string, dtype gpu.DType, n int, a elementwiseArgs) {
	a.n = int64(n)
	launch(b, function{"elementwise", name, dtype}, b.flat(n), a)
}

func (b *backend) Unary(y, x *gpu.Tensor, f gpu.Func) {
	b.elementwise("unary", y.DType(), y.Len(), elementwiseArgs{y: ptr(y), x: ptr(x), f: int32(f)})
}

func (b *backend) UnaryGrad(dx, dy, x *gpu.Tensor, f gpu.Func) {
	b.elementwise("unary_grad", dx.DType(), dx.Len(), elementwiseArgs{y: ptr(dx), x: ptr(x), z: ptr(dy), f: int32(f)})
}

func (b *backend) GEGLU(y, x *gpu.Tensor) {
	b.elementwise("geglu", y.DType(), y.Len(), elementwiseArgs{y: ptr(y), x: ptr(x), inner: int64(y.Dim(-1))})
}

func (b *backend) GEGLUGrad(dx, dy, x *gpu.Tensor) {
	b.elementwise("geglu_grad", dx.DType(), dy.Len(), elementwiseArgs{y: ptr(dx), x: ptr(x), z: ptr(dy), inner: int64(dy.Dim(-1))})
}

func (b *backend) Mul(y, x, z *gpu.Tensor) {
	b.elementwise("mul", y.DType(), y.Len(), elementwiseArgs{y: ptr(y), x: ptr(x), z: ptr(z)})
}

func (b *backend) Clamp(y, x *gpu.Tensor, lo, hi float32) {
	b.elementwise("clamp", y.DType(), y.Len(), elementwiseArgs{y: ptr(y), x: ptr(x), p: lo, q: hi})
}

// Combine takes sixteen tensors at a time; more go through Float32 sums.
func (b *backend) Combine(y *gpu.Tensor, coef []float32, xs []*gpu.Tensor) {
	a := combineArgs{n: int64(y.Len())}
	same := true
	add := func(x uint64, dtype gpu.DType, coef float32) {
		a.x[a.count], a.dtype[a.count], a.coef[a.count] = x, int32(dtype), coef
		a.count++
		same = same && dtype == y.DType()
	}
	if len(xs) > maxCombine {
		b.reserve("combine", padded(4*y.Len()))
		sum := b.take(4 * y.Len())
		for len(xs)+int(a.count) > maxCombine {
			n := maxCombine - int(a.count)
			for i, x := range xs[:n] {
				add(ptr(x), x.DType(), coef[i])
			}
			coef, xs = coef[n:], xs[n:]
			a.y, a.ydtype = sum, int32(gpu.Float32)
			launch(b, function{"elementwise", "combine_any", gpu.Float32}, b.flat(y.Len()), a)
			a.count, same = 0, true
			add(sum, gpu.Float32, 1)
		}
	}
	for i, x := range xs {
		add(ptr(x), x.DType(), coef[i])
	}
	a.y, a.ydtype = ptr(y), int32(y.DType())
	f := function{"elementwise", "combine_any", gpu.Float32}
	if same {
		f = function{"elementwise", "combine", y.DType()}
	}
	launch(b, f, b.flat(y.Len()), a)
}

func (b *backend) Cast(y, x *gpu.Tensor) { b.cast(ptr(y), y.DType(), ptr(x), x.DType(), y.Len()) }

func (b *backend) cast(y uint64, ydtype gpu.DType, x uint64, xdtype gpu.DType, n int) {
	b.elementwise("cast", gpu.Float32, n, elementwiseArgs{y: y, x: x, dtype: int32(xdtype), ydtype: int32(ydtype)})
}

func (b *backend) Fill(y *gpu.Tensor, v float32) {
	b.elementwise("fill", gpu.Float32, y.Len(), elementwiseArgs{y: ptr(y), p: v, ydtype: int32(y.DType())})
}

// middle sees t as [n,p,c]: first axis, what lies between, last axis.
func middle(t *gpu.Tensor) (n, p, c int) {
	n, c = t.Dim(0), t.Dim(-1)
	return n, t.Len() / max(n*c, 1), c
}

func (b *backend) AddChannels(y, x, t *gpu.Tensor) {
	_, p, c := middle(x)
	b.elementwise("add_channels", y.DType(), y.Len(), elementwiseArgs{y: ptr(y), x: ptr(x), z: ptr(t), inner: int64(c), middle: int64(p)})
}

func (b *backend) CopyRows(dst, src *gpu.Tensor, rows, n, dstStride, dstOff, srcStride, srcOff int) {
	dtype := dst.DType()
	if dtype == gpu.Int32 {
		dtype = gpu.Float32 // four bytes are four bytes
	}
	launch(b, function{"elementwise", "copy_rows", dtype}, b.flat(rows*n), copyArgs{
		dst: ptr(dst), src: ptr(src), rows: int64(rows), n: int64(n),
		dstStride: int64(dstStride), dstOff: int64(dstOff), srcStride: int64(srcStride), srcOff: int64(srcOff),
	})
}

// image starts a kernel over the elements of the coarse of two images.
func (b *backend) image(name string, y, x, coarse *gpu.Tensor, scale float32) {
	launch(b, function{"elementwise", name, y.DType()}, b.flat(coarse.Len()), imageArgs{
		y: ptr(y), x: ptr(x), n: int64(coarse.Len()), w: int32(coarse.Dim(2)), c: int32(coarse.Dim(3)), scale: scale,
	})
}

func (b *backend) Upsample2x(y, x *gpu.Tensor)       { b.image("spread", y, x, x, 1) }
func (b *backend) Upsample2xGrad(dx, dy *gpu.Tensor) { b.image("gather", dx, dy, dx, 1) }
func (b *backend) AvgPool2x(y, x *gpu.Tensor)        { b.image("gather", y, x, y, 0.25) }
func (b *backend) AvgPool2xGrad(dx, dy *gpu.Tensor)  { b.image("spread", dx, dy, dy, 0.25) }

// Embedding gives NaN for an id that the table lacks, which Finite finds: to fail
// at once the host would have to wait for the device.
func (b *backend) Embedding(y, table, ids *gpu.Tensor) {
	launch(b, function{"elementwise", "embedding", y.DType()}, b.flat(y.Len()), embeddingArgs{
		y: ptr(y), x: ptr(table), ids: ptr(ids), count: int64(ids.Len()), rows: int32(table.Dim(0)), d: int32(table.Dim(1)),
	})
}

func (b *backend) EmbeddingGrad(dtable, dy, ids *gpu.Tensor) {
	launch(b, function{"elementwise", "embedding_grad", dy.DType()}, grid{x: dtable.Dim(0), threads: 256}, embeddingArgs{
		y: ptr(dtable), x: ptr(dy), ids: ptr(ids), count: int64(ids.Len()), rows: int32(dtable.Dim(0)), d: int32(dtable.Dim(1)),
	})
}

func (b *backend) GaussianSample(z, moments, noise *gpu.Tensor) {
	b.elementwise("gaussian_sample", z.DType(), z.Len(), elementwiseArgs{y: ptr(z), x: ptr(moments), z: ptr(noise), inner: int64(z.Dim(-1))})
}

func (b *backend) GaussianSampleGrad(dmoments, dz, moments, noise *gpu.Tensor) {
	b.elementwise("gaussian_sample_grad", dz.DType(), dz.Len(), elementwiseArgs{
		y: ptr(dmoments), x: ptr(moments), z: ptr(noise), w: ptr(dz), inner: int64(dz.Dim(-1)),
	})
}

func (b *backend) AdamW(param, master, m, v, grad *gpu.Tensor, s gpu.AdamWStep) {
	launch(b, function{"elementwise", "adamw", gpu.Float32}, b.flat(param.Len()), adam(gpu.AdamWUpdate{
		Param: param, Master: master, M: m, V: v, Grad: grad, AdamWStep: s,
	}))
}

func adam(u gpu.AdamWUpdate) adamArgs {
	bias := func(beta float32) float32 { return float32(1 - math.Pow(float64(beta), float64(u.Step))) }
	return adamArgs{
		param: ptr(u.Param), master: ptr(u.Master), m: ptr(u.M), v: ptr(u.V), grad: ptr(u.Grad), n: int64(u.Param.Len()),
		lr: u.LR, beta1: u.Beta1, beta2: u.Beta2, eps: u.Eps, decay: u.WeightDecay, gradScale: u.GradScale,
		bias1: bias(u.Beta1), bias2: bias(u.Beta2), dtype: int32(u.Param.DType()),
	}
}
