// Linear layers and convolutions, forward.
#include "matmul.h"

#ifdef DTYPE_f32
KERNEL(matmul_nt_64x64, MatmulArgs, 256) { product<NT>(a); }
#else
MATMUL(nt, NT, 128x160)
MATMUL(nt, NT, 128x128)
MATMUL(nt, NT, 128x64)
MATMUL(nt, NT, 64x160)
MATMUL(nt, NT, 64x64)
MATMUL_ODD(nt, NT, 64x64)
MATMUL_GATED(nt, NT, 128x160)
MATMUL_GATED(nt, NT, 128x128)
MATMUL_GATED(nt, NT, 128x64)
#endif

// Joins the parts of a product whose k was split, in order.
KERNEL(matmul_join, MatmulArgs, 256) {
	Operands o = {};
	o.to = a.c;
	o.bias = a.bias;
	const u32 i = (u32)thread_index(), total = (u32)(a.m * a.n);
#ifndef DTYPE_f32
	// Eight numbers a thread, where rows consist of eights.
	const bool wide = a.n % 8 == 0 && !a.wide && a.ldc % 8 == 0 && aligned(a.c) && aligned(a.bias) && aligned(a.res) && aligned(a.shift);
	if (wide) {
		if (i >= total / 8) return;
		float sum[8] = {};
		const Pack<float> *from = (const Pack<float> *)(a.partial + (i64)i * 8);
#pragma unroll 4
		for (int s = 0; s < a.splits; s++, from += total / 4) {
			Pack<float> p = from[0], q = from[1];
			for (int e = 0; e < 4; e++) {
				sum[e] += p.v[e];
				sum[4 + e] += q.v[e];
			}
		}
		store_eight(a, o, (int)(i * 8 / (u32)a.n), (int)(i * 8 % (u32)a.n), sum, true);
		return;
	}
#endif
	if (i >= total) return;
	float sum = 0;
	for (int s = 0; s < a.splits; s++) sum += a.partial[(i64)s * total + i];
	finish(a, o, (int)(i / (u32)a.n), (int)(i % (u32)a.n), sum);
}

#ifndef DTYPE_f32

// A few rows (the time's embedding): the weights are read once, by a warp for each
// column of the result.
KERNEL(matmul_nt_few, MatmulArgs, 128) {
	const int n = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32, most = 4;
	if (n >= a.n) return;
	const T *w = (const T *)a.b + (i64)n * a.ldb, *x = (const T *)a.a;
	float sum[most] = {};
#pragma unroll 4
	for (int k = lane * 8; k < a.k; k += 256) {
		const Pack<T> p = *(const Pack<T> *)(w + k);
#pragma unroll
		for (int m = 0; m < most; m++)
			if (m < a.m) {
				const Pack<T> q = *(const Pack<T> *)(x + (i64)m * a.lda + k);
				for (int e = 0; e < 8; e++) sum[m] += widen(p.v[e]) * widen(q.v[e]);
			}
	}
	Operands o = {};
	o.to = a.c;
	o.bias = a.bias;
	for (int m = 0; m < most; m++) {
		float v = warp_sum(sum[m]);
		if (lane == m) finish(a, o, m, n, v);
	}
}

#endif
