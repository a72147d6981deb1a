// Attention that never holds the scores (Dao et al. 2022): a block of four warps has
// 64 or 128 queries (or 64 keys, for dk and dv) in shared memory and walks over tiles
// of the others. Head sizes are padded with zeros to D.
#pragma once
#include "base.h"
#include "args.h"

#ifndef DTYPE_f32

const float log2e = 1.4426950408889634f, ln2 = 0.6931471805599453f;

// A row of a tile has 8 elements more than D: rows begin in different banks.
template <int D> DEVICE T *row_of(T *tile, int r) { return tile + r * (D + 8); }

// fetch brings rows [first, first+count) of a [·,heads·d] matrix, zeros behind
// its end. Threads keep to a column, so that from row to row an address is added to.
template <int D, int count> DEVICE void fetch(const AttentionArgs &a, T *tile, const T *x, int first, int length) {
	const int slots = D <= 32 ? 4 : D <= 64 ? 8 : D <= 128 ? 16 : 32, rows = 128 / slots; // of 8 columns; of a pass
	const int r = threadIdx.x / slots, c = threadIdx.x % slots * 8, stride = a.heads * a.d;
	if (c >= D) return;
	const T *from = x + (i64)(first + r) * stride + c;
	T *to = row_of<D>(tile, r) + c;
	if (a.vec) {
		const Shared at = shared_address(to);
		const int left = c < a.d ? length - first - r : 0;
#pragma unroll
		for (int i = 0; i < count; i += rows, from += (i64)rows * stride)
			if (rows <= count || r < count) copy_async(at + i * (D + 8) * 2, from, i < left);
		return;
	}
#pragma unroll 1
	for (int i = 0; i < count; i += rows, from += (i64)rows * stride, to += rows * (D + 8)) {
		if (rows > count && r >= count) continue;
		Pack<T> pack;
		for (int j = 0; j < 8; j++) {
			if (first + r + i < length && c + j < a.d) pack.v[j] = from[j];
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
		load_matrices(fx, shared_address(row_of<D>(x, r0 + mat % 2 * 8 + r) + k * 16 + mat / 2 * 8));
#pragma unroll
		for (int j = 0; j < N / 16; j++) {
			u32 fz[4];
			load_matrices(fz, shared_address(row_of<D>(z, j * 16 + mat / 2 * 8 + r) + k * 16 + mat % 2 * 8));
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
			load_matrices_transposed(fz, shared_address(row_of<D>(z, k * 16 + mat % 2 * 8 + r) + j * 16 + mat / 2 * 8));
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
		for (int j = 0; j < D / 8; j++) {
			int c = j * 8 + l;
			float lo = x[j][half * 2] * s, hi = x[j][half * 2 + 1] * s;
			if (a.vec && c < a.d) *(u32 *)(y + c) = pair(lo, hi, T());
			else {
				if (c < a.d) narrow(y[c], lo);
				if (c + 1 < a.d) narrow(y[c + 1], hi);
			}
		}
	}
}

// Where a batch's head begins in q and in k.
#define PLACE                                                                    \
	const int head = blockIdx.y, batch = blockIdx.z;                             \
	const i64 at_q = ((i64)batch * a.lq * a.heads + head) * a.d;                 \
	const i64 at_k = ((i64)batch * a.lk * a.heads + head) * a.d;                 \
	const i64 at_row = ((i64)batch * a.heads + head) * a.lq;                     \
	const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, l = threadIdx.x % 4 * 2;

#endif
