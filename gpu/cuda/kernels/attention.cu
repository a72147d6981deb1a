// Attention that never holds the scores (Dao et al. 2022): a block has 64 queries
// (or keys, for dk and dv) in shared memory and walks over tiles of the others;
// each of its four warps owns 16 rows. Head sizes are padded with zeros to D.
#include "base.h"
#include "args.h"

#ifndef DTYPE_f32

const float log2e = 1.4426950408889634f, ln2 = 0.6931471805599453f;

// A row of a tile has 8 elements more than D: rows begin in different banks.
template <int D> DEVICE T *row_of(T *tile, int r) { return tile + r * (D + 8); }

// fetch brings rows [first, first+count) of a [·,heads·d] matrix, zeros behind
// its end.
template <int D> DEVICE void fetch(const AttentionArgs &a, T *tile, const T *x, int first, int count, int length) {
	const int chunks = D / 8;
	for (int i = threadIdx.x; i < count * chunks; i += blockDim.x) {
		int r = i / chunks, c = i % chunks * 8;
		const T *from = x + (i64)(first + r) * a.heads * a.d + c;
		T *to = row_of<D>(tile, r) + c;
		if (a.vec) {
			bool there = first + r < length && c < a.d;
			copy_async(to, there ? from : x, there);
			continue;
		}
		Pack<T> pack;
		for (int j = 0; j < 8; j++) {
			if (first + r < length && c + j < a.d) pack.v[j] = from[j];
			else pack.v[j].bits = 0;
		}
		*(Pack<T> *)to = pack;
	}
}

// rows_times: s[16, N] (+)= rows [r0, r0+16) of x · rows of z, both along D.
template <int D, int N> DEVICE void rows_times(float (&s)[N / 8][4], T *x, int r0, T *z) {
	const int lane = threadIdx.x % 32, mat = lane / 8, r = lane % 8;
#pragma unroll
	for (int j = 0; j < N / 8; j++)
		for (int e = 0; e < 4; e++) s[j][e] = 0;
#pragma unroll
	for (int k = 0; k < D / 16; k++) {
		u32 fx[4];
		load_matrices(fx, row_of<D>(x, r0 + mat % 2 * 8 + r) + k * 16 + mat / 2 * 8);
#pragma unroll
		for (int j = 0; j < N / 16; j++) {
			u32 fz[4];
			load_matrices(fz, row_of<D>(z, j * 16 + mat / 2 * 8 + r) + k * 16 + mat % 2 * 8);
			u32 low[2] = {fz[0], fz[1]}, high[2] = {fz[2], fz[3]};
			multiply(s[2 * j], fx, low, T());
			multiply(s[2 * j + 1], fx, high, T());
		}
	}
}

// weighted_rows: out[16, D] += p[16, N] · rows of z. The sums of one product are
// the operand of the next: lanes hold both alike.
template <int D, int N> DEVICE void weighted_rows(float (&out)[D / 8][4], float (&p)[N / 8][4], T *z) {
	const int lane = threadIdx.x % 32, mat = lane / 8, r = lane % 8;
#pragma unroll
	for (int k = 0; k < N / 16; k++) {
		float *lo = p[2 * k], *hi = p[2 * k + 1];
		u32 fp[4] = {pair(lo[0], lo[1], T()), pair(lo[2], lo[3], T()), pair(hi[0], hi[1], T()), pair(hi[2], hi[3], T())};
#pragma unroll
		for (int j = 0; j < D / 16; j++) {
			u32 fz[4];
			load_matrices_transposed(fz, row_of<D>(z, k * 16 + mat % 2 * 8 + r) + j * 16 + mat / 2 * 8);
			u32 low[2] = {fz[0], fz[1]}, high[2] = {fz[2], fz[3]};
			multiply(out[2 * j], fp, low, T());
			multiply(out[2 * j + 1], fp, high, T());
		}
	}
}

// Over the four lanes that share a row.
DEVICE float row_sum(float x) {
	x += shuffle_xor(x, 1);
	return x + shuffle_xor(x, 2);
}
DEVICE float row_max(float x) {
	x = fmaxf(x, shuffle_xor(x, 1));
	return fmaxf(x, shuffle_xor(x, 2));
}

template <int D> DEVICE void store_rows(const AttentionArgs &a, void *to, i64 head_offset, int first, int length, float (&x)[D / 8][4], float s0, float s1) {
	const int g = threadIdx.x % 32 / 4, l = threadIdx.x % 4 * 2;
	for (int half = 0; half < 2; half++) {
		int row = first + g + half * 8;
		if (row >= length) continue;
		T *y = (T *)to + head_offset + (i64)row * a.heads * a.d;
		float s = half ? s1 : s0;
#pragma unroll
		for (int j = 0; j < D / 8; j++)
			for (int e = 0; e < 2; e++)
				if (j * 8 + l + e < a.d) narrow(y[j * 8 + l + e], x[j][half * 2 + e] * s);
	}
}

// Where a batch's head begins in q and in k.
#define PLACE                                                                    \
	const int head = blockIdx.y, batch = blockIdx.z;                             \
	const i64 at_q = ((i64)batch * a.lq * a.heads + head) * a.d;                 \
	const i64 at_k = ((i64)batch * a.lk * a.heads + head) * a.d;                 \
	const i64 at_row = ((i64)batch * a.heads + head) * a.lq;                     \
	const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, l = threadIdx.x % 4 * 2;

template <int D> DEVICE void forward(const AttentionArgs &a) {
	const int N = 64;
	PLACE
	T *q = (T *)shared_memory(), *k = q + 64 * (D + 8), *v = k + N * (D + 8);
	const int first = blockIdx.x * 64;
	const float scale = a.scale * log2e;
	int end = a.lk;
	if (a.causal && first + 64 < end) end = first + 64;

	fetch<D>(a, q, (const T *)a.q + at_q, first, 64, a.lq);
	fetch<D>(a, k, (const T *)a.k + at_k, 0, N, a.lk);
	commit_async();

	float out[D / 8][4] = {}, top[2] = {-INFINITE, -INFINITE}, sum[2] = {};
	for (int from = 0; from < end; from += N) {
		wait_async<0>();
		__syncthreads(); // k is here, v is free
		fetch<D>(a, v, (const T *)a.v + at_k, from, N, a.lk);
		commit_async();
		float s[N / 8][4];
		rows_times<D, N>(s, q, warp * 16, k);

		float best[2] = {top[0], top[1]};
#pragma unroll
		for (int j = 0; j < N / 8; j++)
			for (int e = 0; e < 4; e++) {
				int key = from + j * 8 + l + e % 2, query = first + warp * 16 + g + e / 2 * 8;
				s[j][e] = key < a.lk && !(a.causal && key > query) ? s[j][e] * scale : -INFINITE;
				best[e / 2] = fmaxf(best[e / 2], s[j][e]);
			}
		float fade[2], add[2] = {};
		for (int h = 0; h < 2; h++) {
			best[h] = row_max(best[h]);
			fade[h] = exp2_fast(top[h] - best[h]);
			top[h] = best[h];
		}
#pragma unroll
		for (int j = 0; j < N / 8; j++)
			for (int e = 0; e < 4; e++) {
				s[j][e] = exp2_fast(s[j][e] - top[e / 2]);
				add[e / 2] += s[j][e];
			}
		for (int h = 0; h < 2; h++) sum[h] = sum[h] * fade[h] + row_sum(add[h]);
#pragma unroll
		for (int j = 0; j < D / 8; j++)
			for (int e = 0; e < 4; e++) out[j][e] *= fade[e / 2];

		wait_async<0>();
		__syncthreads(); // v is here, k is free
		if (from + N < end) fetch<D>(a, k, (const T *)a.k + at_k, from + N, N, a.lk);
		commit_async();
		weighted_rows<D, N>(out, s, v);
	}
	wait_async<0>();
	store_rows<D>(a, a.y, at_q, first + warp * 16, a.lq, out, 1.f / sum[0], 1.f / sum[1]);
	if (a.lse && l == 0)
		for (int h = 0; h < 2; h++) {
			int query = first + warp * 16 + g + h * 8;
			if (query < a.lq) a.lse[at_row + query] = (top[h] + log2f(sum[h])) * ln2;
		}
}

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
	fetch<D>(a, k, (const T *)a.k + at_k, first, 64, a.lk);
	fetch<D>(a, v, (const T *)a.v + at_k, first, 64, a.lk);

	float dk[D / 8][4] = {}, dv[D / 8][4] = {};
	for (int from = a.causal ? first / N * N : 0; from < a.lq; from += N) {
		__syncthreads();
		fetch<D>(a, q, (const T *)a.q + at_q, from, N, a.lq);
		fetch<D>(a, dy, (const T *)a.dy + at_q, from, N, a.lq);
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
	fetch<D>(a, q, (const T *)a.q + at_q, first, 64, a.lq);
	fetch<D>(a, dy, (const T *)a.dy + at_q, first, 64, a.lq);
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
		fetch<D>(a, k, (const T *)a.k + at_k, from, N, a.lk);
		fetch<D>(a, v, (const T *)a.v + at_k, from, N, a.lk);
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

// N is how many of the others a tile of the backward pass has: what registers allow.
#define HEAD(D, N)                                                              \
	KERNEL(attention_##D, AttentionArgs, 128) { forward<D>(a); }                \
	KERNEL(attention_keys_##D, AttentionArgs, 128) { backward_keys<D, N>(a); }  \
	KERNEL(attention_queries_##D, AttentionArgs, 128) { backward_queries<D, N>(a); }

HEAD(32, 64)
HEAD(48, 64)
HEAD(64, 64)
HEAD(80, 32)
HEAD(128, 32)
HEAD(160, 16)

#endif
