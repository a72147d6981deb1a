// winograd of kernels_winograd.h with products of bf16. What is transformed is rounded
// to bf16 once more; sums stay in float32.
//
// Weights lie in panels as product wants them, [16][o/16][c/2][16][2]. Within 32 channels
// the even ones come first: so they leave a vector of pairs.

enum { GROUP = 2 * PANEL_VECS }; // panels whose sums stay in cache

INLINE vec even_of(__m512i pairs) { return (vec)_mm512_slli_epi32(pairs, 16); }
INLINE vec odd_of(__m512i pairs) { return (vec)_mm512_and_si512(pairs, _mm512_set1_epi32(0xffff0000)); }

INLINE void put_even_odd(uint16_t *to, vec even, vec odd) {
	_mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even));
}

static void pack_straight(uint16_t *u, const uint16_t *w, long o, long c) {
#pragma omp parallel for schedule(static)
	for (long i = 0; i < o; i++)
		for (long j = 0; j < c; j += 32) {
			vec even[9], odd[9], ue[16], uo[16];
			for (int k = 0; k < 9; k++) {
				__m512i pairs = _mm512_loadu_si512(w + (i * 9 + k) * c + j);
				even[k] = even_of(pairs);
				odd[k] = odd_of(pairs);
			}
			wino_weights(ue, even);
			wino_weights(uo, odd);
			for (int k = 0; k < PRODUCTS; k++) {
				uint16_t row[32], *to = u + k * o * c + (i / 16 * (c / 2) + j / 2) * 32 + i % 16 * 2;
				put_even_odd(row, ue[k], uo[k]);
				for (int p = 0; p < 16; p++)
					memcpy(to + 32 * p, row + 2 * p, 4);
			}
		}
}

// wino_turned is U of 16 columns of one row of w, turned round.
INLINE void wino_turned(vec u[16], const uint16_t *row, long c) {
	vec g[9];
#pragma GCC unroll 9
	for (int k = 0; k < 9; k++)
		g[8 - k] = (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(row + k * c))), 16);
	wino_weights(u, g);
}

static void pack_turned_weights(uint16_t *u, const uint16_t *w, long o, long c) {
#pragma omp parallel for schedule(static)
	for (long p = 0; p < o / 2; p++) {
		long q = p % 16, a = p / 16 * 32 + q % 8 * 4 + q / 8; // the pair's rows: a and a+2
		for (long j = 0; j < c; j += 16) {
			vec ua[16], ub[16];
			wino_turned(ua, w + a * 9 * c + j, c);
			wino_turned(ub, w + (a + 2) * 9 * c + j, c);
			for (int k = 0; k < PRODUCTS; k++) {
				__m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)ua[k]));
				__m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)ub[k]));
				_mm512_storeu_si512(u + k * o * c + (j / 16 * (o / 2) + p) * 32,
				                    _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
			}
		}
	}
}

static void winograd_pack_bf16(int dt, void *packed, const void *weights, long o, long c, int turned) {
	if (dt != BF16)
		winograd_pack(dt, packed, weights, o, c, turned);
	else if (turned)
		pack_turned_weights(packed, weights, o, c);
	else
		pack_straight(packed, weights, o, c);
}

// wino_gather transforms a tile's pixels into 16 rows, ld elements apart.
static void wino_gather(uint16_t *v, long ld, const uint16_t *x, const long pixel[16], long c, const uint16_t *zeros) {
	const uint16_t *from[16];
	for (int k = 0; k < 16; k++)
		from[k] = pixel[k] < 0 ? zeros : x + pixel[k] * c;
	for (long j = 0; j < c; j += 32) {
		vec even[16], odd[16];
#pragma GCC unroll 16
		for (int k = 0; k < 16; k++)
			even[k] = even_of(_mm512_loadu_si512(from[k] + j));
		wino_input(even);
#pragma GCC unroll 16
		for (int k = 0; k < 16; k++)
			odd[k] = odd_of(_mm512_loadu_si512(from[k] + j));
		wino_input(odd);
#pragma GCC unroll 16
		for (int k = 0; k < 16; k++)
			put_even_odd(v + k * ld + j, even[k], odd[k]);
	}
}

// wino_scatter makes 16 columns of a tile's results of 16 sums, ld elements apart.
INLINE void wino_scatter(uint16_t *y, const long pixel[16], const float *m, long ld, const float *bias, int add, long o) {
	vec s[16], r[4], b = bias ? at_vec(bias) : (vec){0};
#pragma GCC unroll 16
	for (int k = 0; k < 16; k++)
		s[k] = at_vec(m + k * ld);
	wino_output(r, s);
#pragma GCC unroll 4
	for (int k = 0; k < 4; k++) {
		long at = pixel[middle_pixel[k]];
		if (at < 0)
			continue;
		__m256i *out = (__m256i *)(y + at * o);
		r[k] += b;
		if (add)
			r[k] += (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(out)), 16);
		_mm256_storeu_si256(out, (__m256i)_mm512_cvtneps_pbh((__m512)r[k]));
	}
}

static void winograd_bf16(int dt, void *y, const void *x, const void *packed, const float *bias, int add, long n,
                          long h, long w, long c, long o) {
	if (dt != BF16) {
		winograd(dt, y, x, packed, bias, add, n, h, w, c, o);
		return;
	}
	struct tiling z = tiling_of(n, h, w);
	long tiles = n * z.rows * z.columns, panels = o / 16;
	const uint16_t *u = packed;
#pragma omp parallel
	{
		uint16_t *v = scratch((PRODUCTS * TILES + 1) * c * sizeof *v), *zeros = v + PRODUCTS * TILES * c;
		float *m = scratch(PRODUCTS * TILES * GROUP * 16 * sizeof *m);
		long pixel[TILES][16];
		memset(zeros, 0, c * sizeof *zeros);
#pragma omp for schedule(dynamic)
		for (long t0 = 0; t0 < tiles; t0 += TILES) {
			long nt = min_(TILES, tiles - t0);
			for (long t = 0; t < nt; t++) {
				tile_pixels(&z, t0 + t, pixel[t]);
				wino_gather(v + t * c, TILES * c, x, pixel[t], c, zeros);
			}
			for (long p = 0, np; p < panels; p += np) {
				np = min_(GROUP, panels - p);
				for (int k = 0; k < PRODUCTS; k++)
					product_bf16(round_up(nt, PANEL_ROWS), np, c / 2, m + k * TILES * np * 16, np * 16, v + k * TILES * c, c,
					        u + k * o * c + p * 16 * c, 0);
				for (long t = 0; t < nt; t++)
					for (long l = 0; l < np * 16; l += 16)
						wino_scatter((uint16_t *)y + p * 16 + l, pixel[t], m + t * np * 16 + l, TILES * np * 16,
						             bias ? bias + p * 16 + l : NULL, add, o);
			}
		}
		release(m);
		release(v);
	}
}
