//go:build cgo

// Attention in bf16 on the matrix unit of Intel processors (AMX): sixteen times
// the products of the vector unit, so that the exponentials become the longer
// part of the work. The blocks are those of kernels_attention.h.

#include "kernels.h"

#include <stddef.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")
#define LANES 16
#include "kernels_block.h"
#include "kernels_bf16_rows.h"

#include <sys/syscall.h>
#include <unistd.h>

extern const struct kernels *const kernels_avx512;
const struct kernels *kernels_bf16(void);

enum {
	TILE = 16,         // rows and columns of a tile of sums
	DEPTH = 32,        // products summed in one step: a tile of bf16 is [16,32]
	TILE_BF16 = 512,   // elements of such a tile
	ROWS = 2 * TILE,   // queries of a block
	KEYS = 128,        // keys of a block
	QUERIES = 128,     // queries of a task
};

// tile_setup gives every tile 16 rows of 64 bytes. Tiles 0 to 3 are sums, 4 and
// 5 queries or probabilities, 6 and 7 keys or values.
static void tile_setup(void) {
	struct {
		uint8_t palette, start, reserved[14];
		uint16_t bytes[16];
		uint8_t rows[16];
	} config = {.palette = 1};
	for (int i = 0; i < 8; i++) {
		config.bytes[i] = 64;
		config.rows[i] = TILE;
	}
	_tile_loadconfig(&config);
}

// Operands lie in tiles, one after another along the sum: for the left-hand side
// [rows/16][depth/32] tiles of [16 rows][32], for the right-hand side
// [columns/16][depth/32] tiles of [16 pairs][16 columns][2].

// product2 is c[32,32] (+)= a[32,depth]·b[depth,32], product1 (+)= for 16 columns.
INLINE void product2(float *c, long ldc, const uint16_t *a, const uint16_t *b, long depth, int add) {
	const uint16_t *a2 = a + TILE * depth, *b2 = b + TILE * depth;
	if (add) {
		_tile_loadd(0, c, ldc * 4);
		_tile_loadd(1, c + TILE, ldc * 4);
		_tile_loadd(2, c + TILE * ldc, ldc * 4);
		_tile_loadd(3, c + TILE * ldc + TILE, ldc * 4);
	} else {
		_tile_zero(0);
		_tile_zero(1);
		_tile_zero(2);
		_tile_zero(3);
	}
	for (long i = 0; i < TILE * depth; i += TILE_BF16) {
		_tile_loadd(4, a + i, 64);
		_tile_loadd(6, b + i, 64);
		_tile_dpbf16ps(0, 4, 6);
		_tile_loadd(7, b2 + i, 64);
		_tile_dpbf16ps(1, 4, 7);
		_tile_loadd(5, a2 + i, 64);
		_tile_dpbf16ps(2, 5, 6);
		_tile_dpbf16ps(3, 5, 7);
	}
	_tile_stored(0, c, ldc * 4);
	_tile_stored(1, c + TILE, ldc * 4);
	_tile_stored(2, c + TILE * ldc, ldc * 4);
	_tile_stored(3, c + TILE * ldc + TILE, ldc * 4);
}

INLINE void product1(float *c, long ldc, const uint16_t *a, const uint16_t *b, long depth) {
	const uint16_t *a2 = a + TILE * depth;
	_tile_loadd(0, c, ldc * 4);
	_tile_loadd(2, c + TILE * ldc, ldc * 4);
	for (long i = 0; i < TILE * depth; i += TILE_BF16) {
		_tile_loadd(4, a + i, 64);
		_tile_loadd(5, a2 + i, 64);
		_tile_loadd(6, b + i, 64);
		_tile_dpbf16ps(0, 4, 6);
		_tile_dpbf16ps(2, 5, 6);
	}
	_tile_stored(0, c, ldc * 4);
	_tile_stored(2, c + TILE * ldc, ldc * 4);
}

static void copy_rows(uint16_t *dst, struct rows r, long n, long depth) {
	for (long i = 0; i < n; i++)
		for (long c = 0; c < depth; c += DEPTH)
			_mm512_storeu_si512(dst + i * depth + c, part(&r, i, c));
}

// tile_queries orders n rows for the left-hand side.
static void tile_queries(uint16_t *dst, struct rows r, long n, long depth) {
	for (long i = 0; i < n; i += TILE)
		for (long c = 0; c < depth; c += DEPTH)
			for (long j = 0; j < TILE; j++, dst += DEPTH)
				_mm512_storeu_si512(dst, part(&r, i + j, c));
}

// tile_keys orders rows[n][depth], transposed, for the right-hand side.
static void tile_keys(uint16_t *dst, const uint16_t *rows, long n, long depth) {
	long pairs = depth / 2;
	__m512i at = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
	                                _mm512_set1_epi32(pairs));
	for (long k = 0; k < n; k += TILE)
		for (long p = 0; p < pairs; p++, dst += 2 * TILE)
			_mm512_storeu_si512(dst, _mm512_i32gather_epi32(at, rows + k * depth + 2 * p, 4));
}

// tile_values orders rows[n][depth] for the right-hand side: row pairs interleave.
static void tile_values(uint16_t *dst, const uint16_t *rows, long n, long depth, long width) {
	for (long c = 0; c < width; c += TILE)
		for (long i = 0; i < n; i += 2, dst += 2 * TILE) {
			const uint16_t *even = rows + i * depth + c;
			__m512i lo = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)even));
			__m512i hi = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(even + depth)));
			_mm512_storeu_si512(dst, _mm512_or_si512(lo, _mm512_slli_epi32(hi, 16)));
		}
}

// exp2_ is 2ˣ to 3e-6, and 2⁻¹²⁶ for less: that adds nothing to a sum with 2⁰ in
// it, while a subnormal result would cost a hundred cycles.
INLINE __m512 exp2_(__m512 x) {
	x = _mm512_max_ps(_mm512_set1_ps(-126), x); // in this order NaN stays
	__m512 n = _mm512_roundscale_ps(x, 0), f = _mm512_sub_ps(x, n);
	__m512 p = _mm512_set1_ps(0.009582853f);
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.055906426f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.24024099f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.6931242f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1));
	return _mm512_scalef_ps(p, n);
}

// softmax_row gives p = 2^(c·s−m) in bf16 with m the new running maximum, and
// returns their sum. s has seen scores and is overwritten after them; p is a row
// of tiles of the left-hand side.
static float softmax_row(uint16_t *p, float *s, long seen, long keys, float c, float *m) {
	for (long j = seen; j < keys; j++)
		s[j] = -INFINITY;
	__m512 t1 = _mm512_loadu_ps(s), t2 = _mm512_loadu_ps(s + 16);
	for (long j = 32; j < keys; j += 32) {
		t1 = _mm512_max_ps(t1, _mm512_loadu_ps(s + j));
		t2 = _mm512_max_ps(t2, _mm512_loadu_ps(s + j + 16));
	}
	float top = c * _mm512_reduce_max_ps(_mm512_max_ps(t1, t2));
	*m = top = top > *m ? top : *m;
	__m512 scale = _mm512_set1_ps(c), shift = _mm512_set1_ps(top), sum1 = _mm512_setzero_ps(), sum2 = sum1;
	for (long j = 0; j < keys; j += 32) {
		__m512 lo = exp2_(_mm512_fmsub_ps(_mm512_loadu_ps(s + j), scale, shift));
		__m512 hi = exp2_(_mm512_fmsub_ps(_mm512_loadu_ps(s + j + 16), scale, shift));
		sum1 = _mm512_add_ps(sum1, lo);
		sum2 = _mm512_add_ps(sum2, hi);
		_mm512_storeu_si512(p + j * TILE, (__m512i)_mm512_cvtne2ps_pbh(hi, lo));
	}
	return _mm512_reduce_add_ps(_mm512_add_ps(sum1, sum2));
}

// One block of queries against one block of keys: ob, mb and lb are the running
// output, maximum and sum of its ROWS rows.
struct block {
	float *sb, *ob, *mb, *lb;
	uint16_t *pb;
};

static void attend(const struct block *w, const struct sizes *z, const uint16_t *q, const uint16_t *k,
                   const uint16_t *v, long rows, long nk, long ahead, float c) {
	for (long j = 0; j < z->keys; j += 2 * TILE)
		product2(w->sb + j, z->keys, q, k + j * z->depth, z->depth, 0);
	for (long i = 0; i < rows; i++) {
		long seen = min_(nk, ahead + i);
		uint16_t *p = w->pb + i / TILE * TILE * z->keys + i % TILE * DEPTH;
		if (seen <= 0) {
			for (long j = 0; j < z->keys; j += DEPTH)
				memset(p + j * TILE, 0, DEPTH * sizeof *p);
			continue;
		}
		float *o = w->ob + i * z->width, before = w->mb[i];
		float sum = softmax_row(p, w->sb + i * z->keys, seen, z->keys, c, w->mb + i);
		if (w->mb[i] == before) {
			w->lb[i] += sum;
			continue;
		}
		__m512 shrink = exp2_(_mm512_set1_ps(before - w->mb[i]));
		w->lb[i] = w->lb[i] * _mm512_cvtss_f32(shrink) + sum;
		for (long j = 0; j < z->width; j += TILE)
			_mm512_storeu_ps(o + j, _mm512_mul_ps(_mm512_loadu_ps(o + j), shrink));
	}
	long j = 0;
	for (; j + 2 * TILE <= z->width; j += 2 * TILE)
		product2(w->ob + j, z->width, w->pb, v + j * z->keys, z->keys, 1);
	if (j < z->width)
		product1(w->ob + j, z->width, w->pb, v + j * z->keys, z->keys);
}

static void attention_amx(int dt, void *y, float *lse, const void *q, const void *k, const void *v, long b, long lq,
                          long lk, long heads, long d, float scale, int causal) {
	if (dt != BF16 || scale <= 0) {
		kernels_avx512->attention(dt, y, lse, q, k, v, b, lq, lk, heads, d, scale, causal);
		return;
	}
	struct sizes z = {.stride = heads * d, .depth = round_up(d, DEPTH), .width = round_up(d, TILE)};
	z.keys = min_(KEYS, round_up(lk, DEPTH));
	z.blocks = ceil_div(lk, z.keys);
	z.rows = min_(QUERIES, round_up(lq, ROWS));
	long chunks = ceil_div(lq, z.rows), bh = b * heads;
	float c = scale * (float)M_LOG2E;
	uint16_t *kp = scratch(bh * z.blocks * z.keys * (z.depth + z.width) * sizeof *kp);
	uint16_t *vp = kp + bh * z.blocks * z.keys * z.depth;
#pragma omp parallel if (bh * lq * lk * d > 64 * SERIAL)
	{
		float *ob = scratch((z.rows * (z.width + 2) + ROWS * z.keys) * sizeof *ob);
		float *mb = ob + z.rows * z.width, *lb = mb + z.rows, *sb = lb + z.rows;
		uint16_t *qb = scratch((z.rows * z.depth + z.keys * z.depth + ROWS * z.keys) * sizeof *qb);
		uint16_t *raw = qb + z.rows * z.depth, *pb = raw + z.keys * z.depth;
		tile_setup();
#pragma omp for schedule(static)
		for (long t = 0; t < bh * z.blocks; t++) {
			long h = t / z.blocks, k0 = t % z.blocks * z.keys, n = min_(z.keys, lk - k0);
			long from = (h / heads * lk + k0) * z.stride + h % heads * d;
			copy_rows(raw, (struct rows){(const uint16_t *)k + from, z.stride, n, d}, z.keys, z.depth);
			tile_keys(kp + t * z.keys * z.depth, raw, z.keys, z.depth);
			copy_rows(raw, (struct rows){(const uint16_t *)v + from, z.stride, n, d}, z.keys, z.depth);
			tile_values(vp + t * z.keys * z.width, raw, z.keys, z.depth, z.width);
		}
#pragma omp for schedule(dynamic)
		for (long t = 0; t < bh * chunks; t++) {
			long h = t / chunks, q0 = t % chunks * z.rows, nq = min_(z.rows, lq - q0);
			long from = (h / heads * lq + q0) * z.stride + h % heads * d;
			tile_queries(qb, (struct rows){(const uint16_t *)q + from, z.stride, nq, d}, z.rows, z.depth);
			memset(ob, 0, z.rows * z.width * sizeof *ob);
			for (long i = 0; i < z.rows; i++) {
				mb[i] = -INFINITY;
				lb[i] = 0;
			}
			long end = causal ? min_(lk, q0 + nq) : lk;
			for (long k0 = 0; k0 < end; k0 += z.keys)
				for (long i = 0; i < nq; i += ROWS) {
					// Row i sees ahead+i keys of this block.
					long ahead = causal ? q0 + i - k0 + 1 : lk, at_key = (h * z.blocks * z.keys + k0);
					if (ahead + ROWS - 1 <= 0)
						continue;
					struct block w = {sb, ob + i * z.width, mb + i, lb + i, pb};
					attend(&w, &z, qb + i * z.depth, kp + at_key * z.depth, vp + at_key * z.width,
					       min_(ROWS, nq - i), lk - k0 < z.keys ? lk - k0 : z.keys, ahead, c);
				}
			for (long i = 0; i < nq; i++) {
				uint16_t *out = (uint16_t *)y + from + i * z.stride;
				__m512 inv = _mm512_set1_ps(1 / lb[i]);
				for (long j = 0; j < d; j += TILE) {
					__m512 o = _mm512_mul_ps(_mm512_loadu_ps(ob + i * z.width + j), inv);
					__mmask16 in = d - j < TILE ? (1 << (d - j)) - 1 : 0xffff;
					_mm256_mask_storeu_epi16(out + j, in, (__m256i)_mm512_cvtneps_pbh(o));
				}
				if (lse)
					lse[h * lq + q0 + i] = (mb[i] + log2f(lb[i])) * (float)M_LN2;
			}
		}
		_tile_release();
		release(qb);
		release(ob);
	}
	release(kp);
}

// The system must be asked for the state of the tiles once per process.
const struct kernels *kernels_amx(void) {
	enum { REQUEST_STATE = 0x1023, TILE_DATA = 18 }; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
	static struct kernels table;
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("amx-bf16") || !__builtin_cpu_supports("avx512bf16") ||
	    syscall(SYS_arch_prctl, REQUEST_STATE, TILE_DATA) != 0)
		return NULL;
	table = *kernels_bf16();
	table.isa = "amx";
	table.attention = attention_amx;
	return &table;
}
#else
const struct kernels *kernels_amx(void) { return NULL; }
#endif
