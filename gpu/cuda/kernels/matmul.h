// Matrix products and convolutions as such (implicit GEMM): tensor cores for bf16
// and f16, plain multiplications for float32. Each kind of product is a file, so
// that the driver compiles for a picture what a picture needs.
#pragma once
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


#else

// Tile is a block's share: BM×BN of the product by WM×WN warps, with DEPTH steps
// of K=32 in shared memory, all but one of them on their way there.
template <int BM_, int BN_, int WM_, int WN_> struct Tile {
	static const int BM = BM_, BN = BN_, WM = WM_, WN = WN_, DEPTH = 4, K = 32;
	static const int threads = 32 * WM * WN;
	static const int m = BM / WM, n = BN / WN; // of a warp
	static const int a_bytes = BM * K * 2, stage = (BM + BN) * K * 2;
};

// A tile whose rows lie along k has 4 chunks of 16 bytes a row; one whose rows lie
// along m or n has 8 or more. Chunks change places with the row so that the eight
// that a matrix load reads lie in different banks. In bytes.
DEVICE int place_k(int row, int chunk) { return row * 64 + ((chunk ^ ((row >> 1) & 3)) << 4); }
template <int width> DEVICE int place_mn(int k, int chunk) { return k * width * 2 + ((chunk ^ (k & 7)) << 4); }

// A gated product is a·GELU(g) of the columns [a | g] of a plain one (NT): eight
// columns of a stand beside those of g that gate them.
DEVICE int gated_row(int n, int half) { return n / 16 * 8 + n % 8 + (n & 8 ? half : 0); }

// Loader brings the operands of one step after another to shared memory. A step is
// 32 channels under one tap; the taps go by before the channels do, so that the
// pixels which taps share are still in the L1 cache. What a thread copies lies in
// the same place at every step; only the tap's offset and the channels change.
template <int op, class S, bool gated> struct Loader {
	static const int K = S::K, threads = S::threads;
	static const bool back = op == NN;
	static const int ka = K * S::BM / 8 / threads, kb = K * S::BN / 8 / threads; // chunks of a thread
	static const int across_a = S::BM / 8, across_b = S::BN / 8;                // chunks of a row along m, n

	const MatmulArgs &a;
	const Operands &o;
	const int t, m0, n0;
	int left, tap, i, j, ch, offset; // steps to come; the next one's tap, first channel, and where they lie
	bool second;                     // of the two parts of a
	Row rows[op == TN ? 1 : ka];
	const T *pa, *pb;
	i64 step_b; // from one of the thread's rows of b to its next
	int tap_n, ch_n;

	METHOD Loader(const MatmulArgs &a, const Operands &o) : a(a), o(o), t(threadIdx.x), m0(blockIdx.x * S::BM), n0(blockIdx.y * S::BN), second(false), tap_n(0), ch_n(0) {
		int taps = op == TN ? 1 : a.taps, from = o.from / K, all = op == TN ? (a.k + K - 1) / K : taps * ((a.channels + K - 1) / K);
		left = from + a.k_split / K < all ? a.k_split / K : all - from;
		ch = from / taps;
		tap = from - ch * taps;
		ch *= K;
		i = op == TN || !a.gather ? 0 : tap / a.kw;
		j = tap - i * (op == TN || !a.gather ? 0 : a.kw);
		offset = op == TN || !a.gather ? 0 : tap_offset(a, i, j, back);
		if (op == TN) {
			pa = o.a + (i64)(t / across_a) * a.lda + m0 + t % across_a * 8;
			int n = n0 + t % across_b * 8;
			if (a.gather) {
				tap_n = n / a.channels;
				ch_n = n - tap_n * a.channels;
			}
			pb = o.b + (i64)(t / across_b) * a.ldb + n;
			step_b = (i64)(threads / across_b) * a.ldb;
		} else {
#pragma unroll
			for (int r = 0; r < ka; r++) rows[r] = row(a, o.a, m0 + t / 4 + r * (threads / 4), back);
			pa = 0;
			if (op == NT) {
				int n = n0 + t / 4;
				pb = o.b + (i64)(gated ? gated_row(n, a.n / 2) : n) * a.ldb + t % 4 * 8;
				step_b = (i64)(gated ? threads / 8 : threads / 4) * a.ldb;
			} else {
				pb = o.b + (i64)(t / across_b) * a.taps * a.ldb + n0 + t % across_b * 8;
				step_b = (i64)(threads / across_b) * a.taps * a.ldb;
			}
		}
	}

	// load starts the copies of the next step to a stage.
	METHOD void load(Shared as) {
		const Shared bs = as + S::a_bytes;
		if (op == TN) {
			const T *p = pa + (i64)ch * a.lda;
			const bool in = m0 + t % across_a * 8 < a.m;
#pragma unroll
			for (int r = 0; r < ka; r++) {
				int k = t / across_a + r * (threads / across_a);
				copy_async(as + place_mn<S::BM>(k, t % across_a), p + (i64)r * (threads / across_a) * a.lda, in && ch + k < a.k);
			}
		} else {
			if (a.a2 && !second && ch >= a.k1) {
				second = true;
#pragma unroll
				for (int r = 0; r < ka; r++) rows[r].at = (const T *)a.a2 + (i64)(m0 + t / 4 + r * (threads / 4)) * (a.k - a.k1) - a.k1;
			}
			const int c = ch + t % 4 * 8;
			const bool in = c < a.channels;
			const Shared to = as + place_k(t / 4, t % 4);
#pragma unroll
			for (int r = 0; r < ka; r++) copy_async_near(to + r * (threads / 4) * 64, rows[r].at + (offset + c), in && (rows[r].taps >> tap & 1));
		}
		if (op == NT) {
			const T *p = pb + (tap * a.channels + ch);
			const bool in = ch + t % 4 * 8 < a.channels;
			const Shared to = bs + place_k(t / 4, t % 4);
#pragma unroll
			for (int r = 0; r < kb; r++, p += step_b) copy_async(to + r * (threads / 4) * 64, p, in && n0 + t / 4 + r * (threads / 4) < a.n);
		} else {
			const bool in = n0 + t % across_b * 8 < a.n;
			const int limit = op == TN ? a.k : a.channels;
			const T *p = pb + (op == TN ? (i64)ch : (i64)ch * a.taps + tap) * a.ldb;
#pragma unroll
			for (int r = 0; r < kb; r++, p += step_b) {
				int k = t / across_b + r * (threads / across_b);
				const T *from = p;
				bool there = in && ch + k < limit;
				if (op == TN && a.gather) {
					i64 at = there ? meet(a, pixel(a, ch + k, a.k, false), tap_n, false) : -1;
					there = at >= 0;
					from = o.b + (there ? at * a.ldb + ch_n : 0);
				}
				copy_async(bs + place_mn<S::BN>(k, t % across_b), from, there);
			}
		}
		// On to the next step.
		if (op == TN || !a.gather) {
			ch += K;
			return;
		}
		tap++;
		if (++j == a.kw) {
			j = 0;
			i++;
		}
		if (tap == a.taps) {
			tap = i = j = 0;
			ch += K;
		}
		offset = tap_offset(a, i, j, back);
	}
};

// OddLoader looks up the elements one by one: the shape does not promise that eight
// lie side by side.
template <int op, class S> struct OddLoader {
	const MatmulArgs &a;
	const Operands &o;
	int k0, left;

	METHOD OddLoader(const MatmulArgs &a, const Operands &o) : a(a), o(o), k0(o.from), left((o.end - o.from + S::K - 1) / S::K) {}

	template <class F> METHOD void chunk(int place, F element) {
		T *to = (T *)(shared_memory() + place);
#pragma unroll 1
		for (int j = 0; j < 8; j++) {
			const T *p = element(j);
			if (p) to[j] = *p;
			else to[j].bits = 0;
		}
	}

	METHOD void load(Shared as) {
		const int stage = (int)(as - shared_address(shared_memory())), m0 = blockIdx.x * S::BM, n0 = blockIdx.y * S::BN;
#pragma unroll 1
		for (int i = threadIdx.x; i < S::K * S::BM / 8; i += S::threads) {
			int r = i / (op == TN ? S::BM / 8 : 4), c = i % (op == TN ? S::BM / 8 : 4) * 8;
			if (op == TN) chunk(stage + place_mn<S::BM>(r, c / 8), [&](int j) { return a_element<op>(a, o, m0 + c + j, k0 + r); });
			else chunk(stage + place_k(r, c / 8), [&](int j) { return a_element<op>(a, o, m0 + r, k0 + c + j); });
		}
#pragma unroll 1
		for (int i = threadIdx.x; i < S::K * S::BN / 8; i += S::threads) {
			int r = i / (op == NT ? 4 : S::BN / 8), c = i % (op == NT ? 4 : S::BN / 8) * 8;
			if (op == NT) chunk(stage + S::a_bytes + place_k(r, c / 8), [&](int j) { return b_element<op>(a, o, n0 + r, k0 + c + j); });
			else chunk(stage + S::a_bytes + place_mn<S::BN>(r, c / 8), [&](int j) { return b_element<op>(a, o, n0 + c + j, k0 + r); });
		}
		k0 += S::K;
	}
};

// store_eight finishes columns n … n+7 of row m.
DEVICE void store_eight(const MatmulArgs &a, const Operands &o, int m, int n, const float (&x)[8], bool wide) {
	if (m >= a.m || n >= a.n) return;
	if (!wide) {
		for (int e = 0; e < 8; e++) finish(a, o, m, n + e, x[e]);
		return;
	}
	if (o.partial) {
		float *to = o.partial + (i64)m * a.n + n;
		*(Pack<float> *)to = {x[0], x[1], x[2], x[3]};
		*(Pack<float> *)(to + 4) = {x[4], x[5], x[6], x[7]};
		return;
	}
	float y[8];
	for (int e = 0; e < 8; e++) y[e] = x[e];
	i64 at = o.c + (i64)m * a.ldc + n;
	if (o.bias) {
		Pack<float> p = *(const Pack<float> *)(o.bias + n), q = *(const Pack<float> *)(o.bias + n + 4);
		for (int e = 0; e < 4; e++) {
			y[e] += p.v[e];
			y[4 + e] += q.v[e];
		}
	}
	if (a.shift) {
		Pack<T> p = *(const Pack<T> *)((const T *)a.shift + (i64)(m / a.shift_rows) * a.n + n);
		for (int e = 0; e < 8; e++) y[e] += widen(p.v[e]);
	}
	if (a.res) {
		Pack<T> p = *(const Pack<T> *)((const T *)a.res + at);
		for (int e = 0; e < 8; e++) y[e] += widen(p.v[e]);
	}
	store_pack((T *)o.to + at, y);
}

template <int op, class S, class L, bool gated> DEVICE void product(const MatmulArgs &a) {
	unsigned char *memory = shared_memory();
	const Shared base = shared_address(memory);
	const Operands o = operands(a);
	L loader(a, o);
	const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, mat = lane / 8, r = lane % 8;
	const int wm = warp / S::WN * S::m, wn = warp % S::WN * S::n;
	const int MT = S::m / 16, NTILES = S::n / 8;
	float sum[MT][NTILES][4] = {};

	// Where this lane's rows lie for matrix loads, in each half of a step.
	int at_a[2], at_b[2];
	for (int kk = 0; kk < 2; kk++) {
		at_a[kk] = op == TN ? (kk * 16 + mat / 2 * 8 + r) * S::BM * 2 : place_k(wm + mat % 2 * 8 + r, kk * 2 + mat / 2);
		at_b[kk] = S::a_bytes + (op == NT ? place_k(wn + mat / 2 * 8 + r, kk * 2 + mat % 2) : (kk * 16 + mat % 2 * 8 + r) * S::BN * 2);
	}

	const int steps = loader.left;
	for (int s = 0; s < S::DEPTH - 1; s++) {
		if (s < steps) loader.load(base + s * S::stage);
		commit_async();
	}
	int stage = 0, next = (S::DEPTH - 1) * S::stage; // the bytes before what is read, and filled
#pragma unroll 1
	for (int step = 0; step < steps; step++) {
		wait_async<S::DEPTH - 2>();
		__syncthreads();
		if (step + S::DEPTH - 1 < steps) loader.load(base + next);
		commit_async();
		const Shared now = base + stage;
#pragma unroll
		for (int kk = 0; kk < S::K / 16; kk++) {
			u32 fa[MT][4], fb[(NTILES + 1) / 2][4];
#pragma unroll
			for (int i = 0; i < MT; i++) {
				if (op == TN) load_matrices_transposed(fa[i], now + at_a[kk] + (((wm / 8 + i * 2 + mat % 2) ^ r) << 4));
				else load_matrices(fa[i], now + at_a[kk] + i * 16 * 64);
			}
#pragma unroll
			for (int j = 0; j < NTILES / 2; j++) {
				if (op == NT) load_matrices(fb[j], now + at_b[kk] + j * 16 * 64);
				else load_matrices_transposed(fb[j], now + at_b[kk] + (((wn / 8 + j * 2 + mat / 2) ^ r) << 4));
			}
#pragma unroll
			for (int j = 0; j < NTILES; j++)
#pragma unroll
				for (int i = 0; i < MT; i++) {
					u32 b[2] = {fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]};
					multiply(sum[i][j], fa[i], b, T());
				}
		}
		stage = stage == (S::DEPTH - 1) * S::stage ? 0 : stage + S::stage;
		next = next == (S::DEPTH - 1) * S::stage ? 0 : next + S::stage;
	}
	wait_async<0>();
	__syncthreads();

	// Sixteen rows of the warp at a time pass through shared memory, so that global
	// memory is met by 16 bytes. A lane holds columns 2l, 2l+1 of rows g and g+8 of
	// each 16×8; rows are eight numbers longer than they need be, for the banks.
	const int pitch = S::n + 8, g = lane / 4, l = lane % 4 * 2;
	static_assert(S::WM * S::WN * 16 * pitch * 4 <= S::DEPTH * S::stage, "the sums do not fit where the operands lay");
	float *slab = (float *)memory + warp * 16 * pitch;
	const int m0 = blockIdx.x * S::BM + wm, n0 = blockIdx.y * S::BN + wn;
	const bool wide = a.n % 8 == 0 && aligned(o.bias) && (o.partial || (!a.wide && (a.ldc | o.c) % 8 == 0 && aligned(o.to) && aligned(a.res) && aligned(a.shift)));
#pragma unroll
	for (int i = 0; i < MT; i++) {
#pragma unroll
		for (int j = 0; j < NTILES; j++)
#pragma unroll
			for (int half = 0; half < 2; half++) {
				float *to = slab + (g + half * 8) * pitch + j * 8 + l;
				to[0] = sum[i][j][half * 2];
				to[1] = sum[i][j][half * 2 + 1];
			}
		warp_barrier();
		const int across = gated ? S::n / 16 : S::n / 8;
#pragma unroll 1
		for (int q = lane; q < 16 * across; q += 32) {
			const int row = q / across, m = m0 + i * 16 + row;
			float x[8];
			if constexpr (gated) {
				const int c = q % across * 16, n = n0 + c, to = n / 2;
				if (m >= a.m || n >= a.n) continue;
				for (int e = 0; e < 8; e++) {
					float v = slab[row * pitch + c + e], gate = slab[row * pitch + c + 8 + e];
					if (a.bias) {
						v += a.bias[to + e];
						gate += a.bias[a.n / 2 + to + e];
					}
					x[e] = v * gelu_fast(gate);
				}
				store_pack((T *)a.c + (i64)m * a.ldc + to, x);
			} else {
				const int c = q % across * 8;
				for (int e = 0; e < 8; e++) x[e] = slab[row * pitch + c + e];
				store_eight(a, o, m, n0 + c, x, wide);
			}
		}
		warp_barrier();
	}
}

typedef Tile<128, 160, 2, 2> Tile128x160;
typedef Tile<128, 128, 2, 2> Tile128x128;
typedef Tile<128, 64, 2, 2> Tile128x64;
typedef Tile<64, 160, 2, 2> Tile64x160;
typedef Tile<64, 64, 2, 2> Tile64x64;

#define MATMUL(name, op, size) KERNEL(matmul_##name##_##size, MatmulArgs, Tile##size::threads) { product<op, Tile##size, Loader<op, Tile##size, false>, false>(a); }
#define MATMUL_ODD(name, op, size) KERNEL(matmul_##name##_##size##_odd, MatmulArgs, Tile##size::threads) { product<op, Tile##size, OddLoader<op, Tile##size>, false>(a); }
#define MATMUL_GATED(name, op, size) KERNEL(matmul_##name##_##size##_gated, MatmulArgs, Tile##size::threads) { product<op, Tile##size, Loader<op, Tile##size, true>, true>(a); }

#endif
