//go:build cuda

package cuda

// The arguments of the kernels: the structs of kernels/args.h, field by field.
// Addresses are uint64; Go and C lay these types out alike.

type elementwiseArgs struct {
	y, x, z, w       uint64
	n, inner, middle int64
	p, q             float32
	f, dtype, ydtype int32
}

const maxCombine = 16

type combineArgs struct {
	y             uint64
	x             [maxCombine]uint64
	n             int64
	coef          [maxCombine]float32
	dtype         [maxCombine]int32
	count, ydtype int32
}

type copyArgs struct {
	dst, src                                      uint64
	rows, n, dstStride, dstOff, srcStride, srcOff int64
}

type imageArgs struct {
	y, x  uint64
	n     int64
	w, c  int32
	scale float32
}

type embeddingArgs struct {
	y, x, ids uint64
	count     int64
	rows, d   int32
}

type reduceArgs struct {
	y, a, b, weight, dy, partial uint64
	n, size, c                   int64
	blocks, f, dtype             int32
	scale                        float32
}

type adamArgs struct {
	param, master, m, v, grad                             uint64
	n                                                     int64
	lr, beta1, beta2, eps, decay, gradScale, bias1, bias2 float32
	dtype                                                 int32
}

type manyArgs struct {
	entries, partial uint64
	count, chunk     int32
}

type normArgs struct {
	y, x, dy, stats, gamma, beta, partial, sums, dgamma, dbeta uint64
	n, rows, c, chunk                                          int64
	chunks, groups                                             int32
	eps                                                        float32
	silu, layer                                                int32
	x2                                                         uint64
	c1                                                         int64
}

type softmaxArgs struct {
	y, z, x, dy, lse uint64
	n                int64
	first, lq, slab  int64
	scale            float32
	causal           int32
}

type matmulArgs struct {
	c, a, b, bias, res, partial, shift                uint64
	cMany, bMany, biasMany                            [2]uint64
	a2                                                uint64
	aBatch, aHead, bBatch, bHead, cBatch, cHead       int64
	m, n, k                                           int32
	lda, ldb, ldc                                     int32
	heads, splits, kSplit                             int32
	wide, add                                         int32
	gather                                            int32
	h, w, channels, p, q, kw, taps, stride, top, left int32
	shiftRows, k1, many                               int32
}

type attentionArgs struct {
	y, dq, dk, dv, q, k, v, dy, lse, delta uint64
	rows                                   int64
	lq, lk, heads, d                       int32
	scale                                  float32
	causal, vec                            int32
}

func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
