//go:build cgo

// All kernels for vector units that convert to bf16 and multiply pairs of it
// (AVX512-BF16). Attention takes two products an instruction and lane where
// float32 has one; its blocks are those of kernels_attention.h.

#include "kernels.h"

#include <stddef.h>

#ifdef KERNELS_X86
#pragma GCC target("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,prefer-vector-width=512")
#define ISA avx512bf16
#define LANES 16
#include "kernels_all.h"
#include "kernels_bf16_rows.h"

enum {
	PANEL_ROWS = 8, // of a tile of sums
	PANEL_VECS = 3, // columns of a tile, in vectors: sums fill the registers
	BLOCK_ROWS = 32, // queries of a block
	TASK_ROWS = 256, // queries of a task
};

// Right-hand sides lie in panels of 16 columns, [panels][pairs][16][2] with the
// pairs along the sum, left-hand sides in plain rows.

// tile is c[8,16·nv] (+)= a·b over the given number of pairs.
INLINE void tile_bf16(int nv, float *c, long ldc, const uint16_t *a, long lda, const uint16_t *b, long panel, long pairs,
                 int add) {
	__m512 acc[PANEL_ROWS][PANEL_VECS];
#pragma GCC unroll 8
	for (int i = 0; i < PANEL_ROWS; i++)
#pragma GCC unroll 3
		for (int v = 0; v < nv; v++)
			acc[i][v] = add ? _mm512_loadu_ps(c + i * ldc + 16 * v) : _mm512_setzero_ps();
	for (long p = 0; p < pairs; p++) {
		__m512bh bv[PANEL_VECS];
#pragma GCC unroll 3
		for (int v = 0; v < nv; v++)
			bv[v] = (__m512bh)_mm512_loadu_si512(b + v * panel + 32 * p);
#pragma GCC unroll 8
		for (int i = 0; i < PANEL_ROWS; i++) {
			int32_t pair;
			memcpy(&pair, a + i * lda + 2 * p, 4);
			__m512bh av = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 3
			for (int v = 0; v < nv; v++)
				acc[i][v] = _mm512_dpbf16_ps(acc[i][v], av, bv[v]);
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < PANEL_ROWS; i++)
#pragma GCC unroll 3
		for (int v = 0; v < nv; v++)
			_mm512_storeu_ps(c + i * ldc + 16 * v, acc[i][v]);
}

// product is c[rows,16·panels] (+)= a[rows,2·pairs]·b. rows is a multiple of
// PANEL_ROWS.
static void product_bf16(long rows, long panels, long pairs, float *c, long ldc, const uint16_t *a, long lda,
                    const uint16_t *b, int add) {
	long panel = 32 * pairs, steps = ceil_div(panels, PANEL_VECS);
	for (long s = 0, v = 0, nv; s < steps; s++, v += nv) {
		nv = ceil_div(panels - v, steps - s);
		for (long i = 0; i < rows; i += PANEL_ROWS) {
			float *ci = c + i * ldc + 16 * v;
			switch (nv) {
			case 1:
				tile_bf16(1, ci, ldc, a + i * lda, lda, b + v * panel, panel, pairs, add);
				break;
			case 2:
				tile_bf16(2, ci, ldc, a + i * lda, lda, b + v * panel, panel, pairs, add);
				break;
			case 3:
				tile_bf16(3, ci, ldc, a + i * lda, lda, b + v * panel, panel, pairs, add);
				break;
			}
		}
	}
}

// pack_left copies n rows into dst[n][ld] with ld a multiple of 2.
static void pack_left(uint16_t *dst, struct rows r, long n, long ld) {
	for (long i = 0; i < n; i++)
		for (long c = 0; c < ld; c += 32) {
			long left = ld - c;
			_mm512_mask_storeu_epi16(dst + i * ld + c, left >= 32 ? ~0u : (1u << left) - 1, part(&r, i, c));
		}
}

// turn transposes 16×16 numbers of 32 bits.
INLINE void turn(__m512i a[16]) {
	__m512i b[16];
#pragma GCC unroll 8
	for (int i = 0; i < 16; i += 2) {
		b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
		b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
	}
#pragma GCC unroll 8
	for (int k = 0; k < 8; k++) { // a[4·g+j], lane l: column 4·l+j of rows 4·g to 4·g+3
		int i = k / 2 * 4, j = k % 2;
		a[i + 2 * j] = _mm512_unpacklo_epi64(b[i + j], b[i + j + 2]);
		a[i + 2 * j + 1] = _mm512_unpackhi_epi64(b[i + j], b[i + j + 2]);
	}
#pragma GCC unroll 8
	for (int k = 0; k < 8; k++) { // lanes of eight rows: 0x88 takes 0 and 2 of both, 0xdd 1 and 3
		int j = k / 2, h = k % 2 * 8;
		b[2 * j + h] = _mm512_shuffle_i32x4(a[h + j], a[h + 4 + j], 0x88);
		b[2 * j + h + 1] = _mm512_shuffle_i32x4(a[h + j], a[h + 4 + j], 0xdd);
	}
#pragma GCC unroll 8
	for (int k = 0; k < 8; k++) {
		int j = k / 2, o = k % 2;
		a[j + 4 * o] = _mm512_shuffle_i32x4(b[2 * j + o], b[2 * j + 8 + o], 0x88);
		a[j + 4 * o + 8] = _mm512_shuffle_i32x4(b[2 * j + o], b[2 * j + 8 + o], 0xdd);
	}
}

// columns gives pairs [2p,2p+32) of rows [i,i+16), one vector for each pair.
INLINE void columns(__m512i a[16], const struct rows *r, long i, long p) {
#pragma GCC unroll 16
	for (int k = 0; k < 16; k++)
		a[k] = part(r, i + k, 2 * p);
	turn(a);
}

// pack_columns makes n rows the columns of a right-hand side, pairs along d: the
// keys of q·kᵀ.
static void pack_columns(uint16_t *dst, struct rows r, long n, long pairs) {
	for (long k = 0; k < n; k += 16, dst += 32 * pairs)
		for (long p = 0; p < pairs; p += 16) {
			__m512i a[16];
			columns(a, &r, k, p);
			for (long i = 0; i < min_(16, pairs - p); i++)
				_mm512_storeu_si512(dst + 32 * (p + i), a[i]);
		}
}

// pack_turned makes n rows the columns of a left-hand side dst[d][n], which is
// written up to a multiple of 16 rows; n is a multiple of 32.
static void pack_turned(uint16_t *dst, struct rows r, long n, long d) {
	const __m512i even = _mm512_set_epi16(62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26, 24,
	                                      22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	const __m512i odd = _mm512_add_epi16(even, _mm512_set1_epi16(1));
	for (long i = 0; i < n; i += 32)
		for (long p = 0; 2 * p < d; p += 16) {
			__m512i a[16], b[16];
			columns(a, &r, i, p);
			columns(b, &r, i + 16, p);
			for (long k = 0; k < min_(16, round_up(d, 16) / 2 - p); k++) {
				uint16_t *to = dst + 2 * (p + k) * n + i;
				_mm512_storeu_si512(to, _mm512_permutex2var_epi16(a[k], even, b[k]));
				_mm512_storeu_si512(to + n, _mm512_permutex2var_epi16(a[k], odd, b[k]));
			}
		}
}

// pack_pairs makes the rows rows of a right-hand side, pairs along them: values
// for p·v.
static void pack_pairs(uint16_t *dst, struct rows r, long n, long width) {
	const __m512i order = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
	                                       37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
	for (long c = 0; c < width; c += 16)
		for (long i = 0; i < n; i += 2, dst += 32)
			_mm512_storeu_si512(dst, _mm512_permutex2var_epi16(part(&r, i, c), order, part(&r, i + 1, c)));
}

// rest_of_floor is x−⌊x⌋.
INLINE __m512 rest_of_floor(__m512 x) { return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }

// exp2_ is 2ˣ to 8e-5, an eighth of what bf16 rounds away, and 2⁻¹²⁶ for less:
// that adds nothing to a sum with 2⁰ in it, while a subnormal number would cost a
// hundred cycles. scalef takes the power of ⌊x⌋, the polynomial that of the rest.
INLINE __m512 exp2_(__m512 x) {
	x = _mm512_max_ps(_mm512_set1_ps(-126), x); // in this order NaN stays
	__m512 f = rest_of_floor(x);
	__m512 p = _mm512_set1_ps(0.078024523f);
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.22606716f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.69583354f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.99992522f));
	return _mm512_scalef_ps(p, x);
}

// log2_ is log₂ x of a positive number: with x = 2ᵉ·m and m near 1 it is
// e + 2/ln 2·atanh((m−1)/(m+1)).
INLINE __m512 log2_(__m512 x) {
	const __m512 one = _mm512_set1_ps(1);
	__m512 m = _mm512_getmant_ps(x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_src);
	__m512 s = _mm512_div_ps(_mm512_sub_ps(m, one), _mm512_add_ps(m, one)), z = _mm512_mul_ps(s, s);
	__m512 p = _mm512_set1_ps(1.f / 9);
	p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(1.f / 7));
	p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(1.f / 5));
	p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(1.f / 3));
	p = _mm512_fmadd_ps(p, z, one);
	return _mm512_fmadd_ps(_mm512_mul_ps(p, s), _mm512_set1_ps(2 * (float)M_LOG2E), _mm512_getexp_ps(_mm512_div_ps(x, m)));
}

#include "kernels_bf16_attention.h"
#include "kernels_bf16_grad.h"
#include "kernels_bf16_norm.h"
#include "kernels_bf16_softmax.h"
#include "kernels_bf16_winograd.h"

const struct kernels *kernels_bf16(void) {
	static struct kernels best;
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("avx512bf16"))
		return NULL;
	best = table;
	best.attention = attention_bf16;
	best.attention_grad = attention_grad_bf16;
	best.group_norm = group_norm_bf16;
	best.layer_norm = layer_norm_bf16;
	best.softmax = softmax_bf16;
	best.geglu = geglu_bf16;
	best.winograd = winograd_bf16;
	best.winograd_pack = winograd_pack_bf16;
	return &best;
}
#else
const struct kernels *kernels_bf16(void) { return NULL; }
#endif
