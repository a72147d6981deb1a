#include "attention.h"

#ifndef DTYPE_f32

// queries gives a warp's part of the queries as operands, for 16 of the D columns.
template <int D, int Q> DEVICE void queries(u32 (&f)[Q][4], Shared q, int k) {
#pragma unroll
	for (int i = 0; i < Q; i++) load_matrices(f[i], q + (i * 16 * (D + 8) + k * 16) * 2);
}

// A warp has 16·Q queries, a block four warps. Every key that a warp reads from
// shared memory serves all of its queries.
template <int D, int Q> DEVICE void forward(const AttentionArgs &a) {
	const int N = 64, rows = 64 * Q, row = (D + 8) * 2;
	const bool keep = D <= 64; // the queries in registers
	PLACE
	const int lane = threadIdx.x % 32, mat = lane / 8, r = lane % 8;
	T *q = (T *)shared_memory(), *k = q + rows * (D + 8), *v = k + N * (D + 8);
	const int first = blockIdx.x * rows, mine = first + warp * 16 * Q;
	const float scale = a.scale * log2e;
	int end = a.lk;
	if (a.causal && first + rows < end) end = first + rows;
	const Shared at_row_q = shared_address(q) + (warp * 16 * Q + mat % 2 * 8 + r) * row + mat / 2 * 16;
	const Shared at_row_k = shared_address(k) + (mat / 2 * 8 + r) * row + mat % 2 * 16;
	const Shared at_row_v = shared_address(v) + (mat % 2 * 8 + r) * row + mat / 2 * 16;

	fetch<D, rows>(a, q, (const T *)a.q + at_q, first, a.lq);
	fetch<D, N>(a, k, (const T *)a.k + at_k, 0, a.lk);
	commit_async();

	u32 fq[keep ? D / 16 : 1][Q][4];
	float out[Q][D / 8][4] = {}, top[Q][2], sum[Q][2] = {};
	for (int i = 0; i < Q; i++) top[i][0] = top[i][1] = -INFINITE;
#pragma unroll 1
	for (int from = 0; from < end; from += N) {
		wait_async<0>();
		__syncthreads(); // k is here, v is free
		fetch<D, N>(a, v, (const T *)a.v + at_k, from, a.lk);
		commit_async();
		if (keep && from == 0)
#pragma unroll
			for (int c = 0; c < D / 16; c++) queries<D, Q>(fq[c], at_row_q, c);

		float s[Q][N / 8][4] = {};
#pragma unroll
		for (int c = 0; c < D / 16; c++) {
			if (!keep) queries<D, Q>(fq[0], at_row_q, c);
#pragma unroll
			for (int j = 0; j < N / 16; j++) {
				u32 f[4];
				load_matrices(f, at_row_k + j * 16 * row + c * 32);
				const u32 low[2] = {f[0], f[1]}, high[2] = {f[2], f[3]};
#pragma unroll
				for (int i = 0; i < Q; i++) {
					multiply(s[i][2 * j], fq[keep ? c : 0][i], low, T());
					multiply(s[i][2 * j + 1], fq[keep ? c : 0][i], high, T());
				}
			}
		}
		if (from + N > a.lk || (a.causal && from + N > mine)) {
#pragma unroll
			for (int i = 0; i < Q; i++)
#pragma unroll
				for (int j = 0; j < N / 8; j++)
					for (int e = 0; e < 4; e++) {
						int key = from + j * 8 + l + e % 2, query = mine + i * 16 + g + e / 2 * 8;
						if (key >= a.lk || (a.causal && key > query)) s[i][j][e] = -INFINITE;
					}
		}
#pragma unroll
		for (int i = 0; i < Q; i++) {
			float best[2] = {top[i][0], top[i][1]}, fade[2], less[2], add[2] = {};
#pragma unroll
			for (int j = 0; j < N / 8; j++)
				for (int e = 0; e < 4; e++) best[e / 2] = fmaxf(best[e / 2], s[i][j][e]);
			for (int h = 0; h < 2; h++) {
				best[h] = row_max(best[h]);
				less[h] = best[h] * scale;
				fade[h] = exp2_fast(fmaf(top[i][h], scale, -less[h]));
				top[i][h] = best[h];
			}
#pragma unroll
			for (int j = 0; j < N / 8; j++)
				for (int e = 0; e < 4; e++) {
					s[i][j][e] = exp2_fast(fmaf(s[i][j][e], scale, -less[e / 2]));
					add[e / 2] += s[i][j][e];
				}
			for (int h = 0; h < 2; h++) sum[i][h] = sum[i][h] * fade[h] + add[h]; // of this lane's keys
#pragma unroll
			for (int j = 0; j < D / 8; j++)
				for (int e = 0; e < 4; e++) out[i][j][e] *= fade[e / 2];
		}

		wait_async<0>();
		__syncthreads(); // v is here, k is free
		if (from + N < end) fetch<D, N>(a, k, (const T *)a.k + at_k, from + N, a.lk);
		commit_async();
		// out += p·v: the sums of one product are the operand of the next.
#pragma unroll
		for (int c = 0; c < N / 16; c++) {
			u32 p[Q][4];
#pragma unroll
			for (int i = 0; i < Q; i++)
				for (int e = 0; e < 4; e++) p[i][e] = pair(s[i][2 * c + e / 2][e % 2 * 2], s[i][2 * c + e / 2][e % 2 * 2 + 1], T());
#pragma unroll
			for (int j = 0; j < D / 16; j++) {
				u32 f[4];
				load_matrices_transposed(f, at_row_v + c * 16 * row + j * 32);
				const u32 low[2] = {f[0], f[1]}, high[2] = {f[2], f[3]};
#pragma unroll
				for (int i = 0; i < Q; i++) {
					multiply(out[i][2 * j], p[i], low, T());
					multiply(out[i][2 * j + 1], p[i], high, T());
				}
			}
		}
	}
	wait_async<0>();
#pragma unroll
	for (int i = 0; i < Q; i++) {
		for (int h = 0; h < 2; h++) sum[i][h] = row_sum(sum[i][h]);
		store_rows<D>(a, a.y, at_q, mine + i * 16, a.lq, out[i], 1.f / sum[i][0], 1.f / sum[i][1]);
		if (a.lse && l == 0)
			for (int h = 0; h < 2; h++) {
				int query = mine + i * 16 + g + h * 8;
				if (query < a.lq) a.lse[at_row + query] = (top[i][h] * scale + log2f(sum[i][h])) * ln2;
			}
	}
}

#define HEAD(D) KERNEL(attention_##D, AttentionArgs, 128) { forward<D, 1>(a); }
#define HEAD_WIDE(D) KERNEL(attention_##D##_wide, AttentionArgs, 128) { forward<D, 2>(a); }

HEAD(32)
HEAD(48)
HEAD(64)
HEAD(80)
HEAD(128)
HEAD(160)
HEAD_WIDE(48)
HEAD_WIDE(64)

#endif
