// The gradients of attention.
#include "attention.h"

#ifndef DTYPE_f32

// delta = Σ dy·y of a row: a warp for each.
KERNEL(attention_delta, AttentionArgs, 128) {
	i64 row = (i64)blockIdx.x * 4 + threadIdx.x / 32;
	if (row >= a.rows) return;
	const int query = (int)(row % a.lq), head = (int)(row / a.lq % a.heads), batch = (int)(row / a.lq / a.heads);
	const i64 at = (((i64)batch * a.lq + query) * a.heads + head) * a.d;
	float sum = 0;
	for (int c = threadIdx.x % 32; c < a.d; c += 32) sum += widen(((const T *)a.dy)[at + c]) * widen(((const T *)a.y)[at + c]);
	sum = warp_sum(sum);
	if (threadIdx.x % 32 == 0) a.delta[row] = sum;
}

// dk and dv of 64 keys. Scores stand transposed: a warp has 16 keys and N queries.
template <int D, int N> DEVICE void backward_keys(const AttentionArgs &a) {
	PLACE
	T *k = (T *)shared_memory(), *v = k + 64 * (D + 8), *q = v + 64 * (D + 8), *dy = q + N * (D + 8);
	float *lse = (float *)(dy + N * (D + 8)), *delta = lse + N;
	const int first = blockIdx.x * 64;
	fetch<D, 64>(a, k, (const T *)a.k + at_k, first, a.lk);
	fetch<D, 64>(a, v, (const T *)a.v + at_k, first, a.lk);

	float dk[D / 8][4] = {}, dv[D / 8][4] = {};
	for (int from = a.causal ? first / N * N : 0; from < a.lq; from += N) {
		__syncthreads();
		fetch<D, N>(a, q, (const T *)a.q + at_q, from, a.lq);
		fetch<D, N>(a, dy, (const T *)a.dy + at_q, from, a.lq);
		commit_async();
		for (int i = threadIdx.x; i < N; i += blockDim.x) {
			bool there = from + i < a.lq;
			lse[i] = there ? a.lse[at_row + from + i] * log2e : 0;
			delta[i] = there ? a.delta[at_row + from + i] : 0;
		}
		wait_async<0>();
		__syncthreads();
		float p[N / 8][4], d[N / 8][4];
		rows_times<D, N>(p, k, warp * 16, q);
		rows_times<D, N>(d, v, warp * 16, dy);
#pragma unroll
		for (int j = 0; j < N / 8; j++)
			for (int e = 0; e < 4; e++) {
				int i = j * 8 + l + e % 2, query = from + i, key = first + warp * 16 + g + e / 2 * 8;
				bool there = query < a.lq && key < a.lk && !(a.causal && key > query);
				p[j][e] = there ? exp2_fast(p[j][e] * a.scale * log2e - lse[i]) : 0.f;
				d[j][e] = a.scale * p[j][e] * (d[j][e] - delta[i]);
			}
		weighted_rows<D, N>(dv, p, dy);
		weighted_rows<D, N>(dk, d, q);
	}
	store_rows<D>(a, a.dk, at_k, first + warp * 16, a.lk, dk, 1.f, 1.f);
	store_rows<D>(a, a.dv, at_k, first + warp * 16, a.lk, dv, 1.f, 1.f);
}

// dq of 64 queries.
template <int D, int N> DEVICE void backward_queries(const AttentionArgs &a) {
	PLACE
	T *q = (T *)shared_memory(), *dy = q + 64 * (D + 8), *k = dy + 64 * (D + 8), *v = k + N * (D + 8);
	const int first = blockIdx.x * 64;
	fetch<D, 64>(a, q, (const T *)a.q + at_q, first, a.lq);
	fetch<D, 64>(a, dy, (const T *)a.dy + at_q, first, a.lq);
	float lse[2], delta[2];
	for (int h = 0; h < 2; h++) {
		int query = first + warp * 16 + g + h * 8;
		lse[h] = query < a.lq ? a.lse[at_row + query] * log2e : 0;
		delta[h] = query < a.lq ? a.delta[at_row + query] : 0;
	}
	int end = a.lk;
	if (a.causal && first + 64 < end) end = first + 64;

	float dq[D / 8][4] = {};
	for (int from = 0; from < end; from += N) {
		__syncthreads();
		fetch<D, N>(a, k, (const T *)a.k + at_k, from, a.lk);
		fetch<D, N>(a, v, (const T *)a.v + at_k, from, a.lk);
		commit_async();
		wait_async<0>();
		__syncthreads();
		float p[N / 8][4], d[N / 8][4];
		rows_times<D, N>(p, q, warp * 16, k);
		rows_times<D, N>(d, dy, warp * 16, v);
#pragma unroll
		for (int j = 0; j < N / 8; j++)
			for (int e = 0; e < 4; e++) {
				int key = from + j * 8 + l + e % 2, query = first + warp * 16 + g + e / 2 * 8;
				bool there = query < a.lq && key < a.lk && !(a.causal && key > query);
				float w = there ? exp2_fast(p[j][e] * a.scale * log2e - lse[e / 2]) : 0.f;
				d[j][e] = a.scale * w * (d[j][e] - delta[e / 2]);
			}
		weighted_rows<D, N>(dq, d, k);
	}
	store_rows<D>(a, a.dq, at_q, first + warp * 16, a.lq, dq, 1.f, 1.f);
}

// N is how many of the others a tile has: what registers allow.
#define HEAD(D, N)                                                              \
	KERNEL(attention_keys_##D, AttentionArgs, 128) { backward_keys<D, N>(a); }  \
	KERNEL(attention_queries_##D, AttentionArgs, 128) { backward_queries<D, N>(a); }

HEAD(32, 64)
HEAD(48, 64)
HEAD(64, 64)
HEAD(80, 32)
HEAD(128, 32)
HEAD(160, 16)

#endif
