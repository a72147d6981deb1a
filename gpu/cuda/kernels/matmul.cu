// Matrix products and convolutions as such (implicit GEMM): tensor cores for bf16
// and f16, plain multiplications for float32.
#include "base.h"
#include "args.h"
#include "operands.h"
#include "functions.h"

#ifdef DTYPE_f32

// Blocks of 64×64, 16 deep; each of 256 threads has 4×4 sums, 16 apart, so that
// its loads meet no bank conflict.
template <int op> DEVICE void product(const MatmulArgs &a) {
	__shared__ float as[16][64], bs[16][64];
	Operands o = operands(a);
	int m0 = blockIdx.x * 64, n0 = blockIdx.y * 64, t = threadIdx.x;
	float sum[4][4] = {};
	// The axis that lies together in memory goes along the threads.
	int am = op == TN ? t % 64 : t / 16, ak = op == TN ? t / 64 : t % 16;
	int bn = op == NT ? t / 16 : t % 64, bk = op == NT ? t % 16 : t / 64;
	for (int k0 = o.from; k0 < o.end; k0 += 16) {
		for (int i = 0; i < 4; i++) {
			int m = op == TN ? am : am + 16 * i, k = op == TN ? ak + 4 * i : ak;
			const T *p = a_element<op>(a, o, m0 + m, k0 + k);
			as[k][m] = p ? widen(*p) : 0.f;
			int n = op == NT ? bn + 16 * i : bn, kb = op == NT ? bk : bk + 4 * i;
			p = b_element<op>(a, o, n0 + n, k0 + kb);
			bs[kb][n] = p ? widen(*p) : 0.f;
		}
		__syncthreads();
		for (int k = 0; k < 16; k++)
			for (int i = 0; i < 4; i++)
				for (int j = 0; j < 4; j++) sum[i][j] = fmaf(as[k][t / 16 + 16 * i], bs[k][t % 16 + 16 * j], sum[i][j]);
		__syncthreads();
	}
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++) finish(a, o, m0 + t / 16 + 16 * i, n0 + t % 16 + 16 * j, sum[i][j]);
}

KERNEL(matmul_nt_64x64, MatmulArgs, 256) { product<NT>(a); }
KERNEL(matmul_nn_64x64, MatmulArgs, 256) { product<NN>(a); }
KERNEL(matmul_tn_64x64, MatmulArgs, 256) { product<TN>(a); }

#else

// Tile is a block's share: BM×BN of the product by WM×WN warps, with DEPTH steps
// of K=32 in shared memory, all but one of them on their way there.
template <int BM_, int BN_, int WM_, int WN_, int DEPTH_> struct Tile {
	static const int BM = BM_, BN = BN_, WM = WM_, WN = WN_, DEPTH = DEPTH_, K = 32;
	static const int threads = 32 * WM * WN;
	static const int m = BM / WM, n = BN / WN; // of a warp
	static const int a_size = BM * K, b_size = BN * K, stage = a_size + b_size;
};

// A tile whose rows lie along k has 4 chunks of 16 bytes a row; one whose rows lie
// along m or n has 8 or more. Chunks change places with the row so that the eight
// that a matrix load reads lie in different banks.
DEVICE int place_k(int row, int chunk) { return row * 32 + ((chunk ^ ((row >> 1) & 3)) << 3); }
template <int width> DEVICE int place_mn(int k, int chunk) { return k * width + ((chunk ^ (k & 7)) << 3); }

// fill_chunk moves eight elements that lie side by side, all there or none; where
// the shape does not promise that (vec = false) they are looked up one by one.
template <bool vec, class F> DEVICE void fill_chunk(T *shared, F element) {
	if constexpr (vec) {
		const T *p = element(0);
		copy_async(shared, p, p != 0);
	} else {
#pragma unroll 1
		for (int j = 0; j < 8; j++) {
			const T *p = element(j);
			if (p) shared[j] = *p;
			else shared[j].bits = 0;
		}
	}
}

// A gated product is a·GELU(g) of the columns [a | g] of a plain one (NT): eight
// columns of a stand beside those of g that gate them, so that one lane has both.
DEVICE int gated_row(int n, int half) { return n / 16 * 8 + n % 8 + (n & 8 ? half : 0); }

template <int op, class S, bool vec, bool gated = false> DEVICE void product(const MatmulArgs &a) {
	T *memory = (T *)shared_memory();
	Operands o = operands(a);
	const int t = threadIdx.x, warp = t / 32, lane = t % 32;
	const int m0 = blockIdx.x * S::BM, n0 = blockIdx.y * S::BN;
	const int steps = (o.end - o.from + S::K - 1) / S::K;

	// Where this thread's chunks come from: the pixels of its rows of a (NT, NN),
	// the tap of its column of b (TN).
	const int arows = op == TN ? 1 : S::BM * 4 / S::threads;
	Pixel rows[arows];
	int tap_n = 0, ch_n = 0;
	if (op != TN)
		for (int i = 0; i < arows; i++) rows[i] = pixel(a, m0 + t / 4 + i * (S::threads / 4), a.m, op == NN);
	else if (vec && a.gather) {
		int n = n0 + t % (S::BN / 8) * 8;
		tap_n = n / a.channels;
		ch_n = n - tap_n * a.channels;
	}

	auto load = [&](int step) {
		T *as = memory + step % S::DEPTH * S::stage, *bs = as + S::a_size;
		const int k0 = o.from + step * S::K;
		if (op == TN) {
			for (int i = t; i < S::K * S::BM / 8; i += S::threads) {
				int k = i / (S::BM / 8), c = i % (S::BM / 8);
				fill_chunk<vec>(as + place_mn<S::BM>(k, c), [&](int j) { return a_element<op>(a, o, m0 + c * 8 + j, k0 + k); });
			}
		} else {
			int c = t % 4, k = k0 + c * 8, tap = 0, ch = k;
			if (vec && a.gather) {
				tap = k / a.channels;
				ch = k - tap * a.channels;
			}
			for (int i = 0; i < arows; i++) {
				int r = t / 4 + i * (S::threads / 4);
				T *to = as + place_k(r, c);
				if constexpr (vec) {
					i64 at = k < o.end ? meet(a, rows[i], tap, op == NN) : -1;
					copy_async(to, at < 0 ? o.a : o.a + at * a.lda + ch, at >= 0);
				} else
					fill_chunk<false>(to, [&](int j) { return a_element<op>(a, o, m0 + r, k + j); });
			}
		}
		if (op == NT) {
			for (int i = t; i < S::BN * 4; i += S::threads) {
				int n = i / 4, c = i % 4;
				fill_chunk<vec>(bs + place_k(n, c), [&](int j) { return b_element<op>(a, o, gated ? gated_row(n0 + n, a.n / 2) : n0 + n, k0 + c * 8 + j); });
			}
		} else {
			for (int i = t; i < S::K * S::BN / 8; i += S::threads) {
				int k = i / (S::BN / 8), c = i % (S::BN / 8);
				T *to = bs + place_mn<S::BN>(k, c);
				if constexpr (vec && op == TN) {
					int n = n0 + c * 8;
					i64 at = n < a.n ? meet(a, pixel(a, k0 + k, o.end, false), tap_n, false) : -1;
					copy_async(to, at < 0 ? o.b : o.b + at * a.ldb + (a.gather ? ch_n : n), at >= 0);
				} else
					fill_chunk<vec>(to, [&](int j) { return b_element<op>(a, o, n0 + c * 8 + j, k0 + k); });
			}
		}
	};

	const int MT = S::m / 16, NTILES = S::n / 8;
	float sum[MT][NTILES][4] = {};
	const int wm = warp / S::WN * S::m, wn = warp % S::WN * S::n, mat = lane / 8, r = lane % 8;

	for (int s = 0; s < S::DEPTH - 1; s++) {
		if (s < steps) load(s);
		commit_async();
	}
	for (int step = 0; step < steps; step++) {
		wait_async<S::DEPTH - 2>();
		__syncthreads();
		if (step + S::DEPTH - 1 < steps) load(step + S::DEPTH - 1);
		commit_async();
		const T *as = memory + step % S::DEPTH * S::stage, *bs = as + S::a_size;
#pragma unroll
		for (int kk = 0; kk < S::K / 16; kk++) {
			u32 fa[MT][4], fb[NTILES / 2][4];
#pragma unroll
			for (int i = 0; i < MT; i++) {
				int m = wm + i * 16;
				if (op == TN) load_matrices_transposed(fa[i], as + place_mn<S::BM>(kk * 16 + mat / 2 * 8 + r, m / 8 + mat % 2));
				else load_matrices(fa[i], as + place_k(m + mat % 2 * 8 + r, kk * 2 + mat / 2));
			}
#pragma unroll
			for (int j = 0; j < NTILES / 2; j++) {
				int n = wn + j * 16;
				if (op == NT) load_matrices(fb[j], bs + place_k(n + mat / 2 * 8 + r, kk * 2 + mat % 2));
				else load_matrices_transposed(fb[j], bs + place_mn<S::BN>(kk * 16 + mat % 2 * 8 + r, n / 8 + mat / 2));
			}
#pragma unroll
			for (int i = 0; i < MT; i++)
#pragma unroll
				for (int j = 0; j < NTILES; j++) {
					u32 b[2] = {fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]};
					multiply(sum[i][j], fa[i], b, T());
				}
		}
	}
	wait_async<0>();

	// A lane holds columns 2l, 2l+1 of rows g and g+8 of each 16×8.
	const int g = lane / 4, l = lane % 4 * 2;
	if constexpr (gated) {
#pragma unroll
		for (int i = 0; i < MT; i++)
#pragma unroll
			for (int half = 0; half < 2; half++)
#pragma unroll
				for (int j = 0; j < NTILES; j += 2) {
					int m = m0 + wm + i * 16 + half * 8 + g, n = n0 + wn + j * 8;
					if (m >= a.m || n >= a.n) continue;
					float y[2];
					int to = n / 2 + l;
#pragma unroll
					for (int e = 0; e < 2; e++) {
						float x = sum[i][j][half * 2 + e], gate = sum[i][j + 1][half * 2 + e];
						if (a.bias) {
							x += a.bias[to + e];
							gate += a.bias[a.n / 2 + to + e];
						}
						y[e] = x * gelu(gate);
					}
					*(u32 *)((T *)a.c + (i64)m * a.ldc + to) = pair(y[0], y[1], T());
				}
		return;
	}
	const bool pairs = !o.partial && !a.wide && a.ldc % 2 == 0 && o.c % 2 == 0 && a.n % 2 == 0 && ((u64)a.c & 3) == 0 && ((u64)a.res & 3) == 0;
#pragma unroll
	for (int i = 0; i < MT; i++)
#pragma unroll
		for (int half = 0; half < 2; half++)
#pragma unroll
			for (int j = 0; j < NTILES; j++) {
				int m = m0 + wm + i * 16 + half * 8 + g, n = n0 + wn + j * 8 + l;
				float x = sum[i][j][half * 2], y = sum[i][j][half * 2 + 1];
				if (!pairs) {
					finish(a, o, m, n, x);
					finish(a, o, m, n + 1, y);
				} else if (m < a.m && n < a.n) {
					i64 at = o.c + (i64)m * a.ldc + n;
					if (a.bias) {
						x += a.bias[n];
						y += a.bias[n + 1];
					}
					if (a.shift) {
						const T *shift = (const T *)a.shift + (i64)(m / a.shift_rows) * a.n + n;
						x += widen(shift[0]);
						y += widen(shift[1]);
					}
					if (a.res) {
						u32 two = *(const u32 *)((const T *)a.res + at);
						T lo, hi;
						lo.bits = (u16)two;
						hi.bits = (u16)(two >> 16);
						x += widen(lo);
						y += widen(hi);
					}
					*(u32 *)((T *)a.c + at) = pair(x, y, T());
				}
			}
}

typedef Tile<128, 128, 2, 4, 4> Large;
typedef Tile<128, 64, 2, 2, 4> Medium;
typedef Tile<64, 64, 2, 2, 4> Small;

KERNEL(matmul_nt_128x128, MatmulArgs, Large::threads) { product<NT, Large, true>(a); }
KERNEL(matmul_nt_128x64, MatmulArgs, Medium::threads) { product<NT, Medium, true>(a); }
KERNEL(matmul_nt_64x64, MatmulArgs, Small::threads) { product<NT, Small, true>(a); }
KERNEL(matmul_nt_64x64_odd, MatmulArgs, Small::threads) { product<NT, Small, false>(a); }
KERNEL(matmul_nt_128x128_gated, MatmulArgs, Large::threads) { product<NT, Large, true, true>(a); }
KERNEL(matmul_nt_128x64_gated, MatmulArgs, Medium::threads) { product<NT, Medium, true, true>(a); }
KERNEL(matmul_nn_128x128, MatmulArgs, Large::threads) { product<NN, Large, true>(a); }
KERNEL(matmul_nn_64x64, MatmulArgs, Small::threads) { product<NN, Small, true>(a); }
KERNEL(matmul_nn_64x64_odd, MatmulArgs, Small::threads) { product<NN, Small, false>(a); }
KERNEL(matmul_tn_128x128, MatmulArgs, Large::threads) { product<TN, Large, true>(a); }
KERNEL(matmul_tn_64x64, MatmulArgs, Small::threads) { product<TN, Small, true>(a); }
KERNEL(matmul_tn_64x64_odd, MatmulArgs, Small::threads) { product<TN, Small, false>(a); }

#endif

// Joins the parts of a product whose k was split, in order.
KERNEL(matmul_join, MatmulArgs, 256) {
	i64 i = thread_index();
	if (i >= (i64)a.m * a.n) return;
	float sum = 0;
	for (int s = 0; s < a.splits; s++) sum += a.partial[(i64)s * a.m * a.n + i];
	Operands o = {};
	finish(a, o, (int)(i / a.n), (int)(i % a.n), sum);
}
