// Norms and GEGLU in bf16: numbers are converted in registers, and
// exponentials and quotients are good to 1e-4, an eighth of what bf16 rounds away.

INLINE __mmask16 first(long n) { return n >= 16 ? 0xffff : n > 0 ? (1 << n) - 1 : 0; }

// widen gives up to n of the 16 numbers at p, and zeros.
INLINE __m512 widen(const uint16_t *p, long n) {
	__m256i h = n >= 16 ? _mm256_loadu_si256((const void *)p) : _mm256_maskz_loadu_epi16(first(n), p);
	return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
}

INLINE void narrow(uint16_t *p, long n, __m512 v) {
	__m256i h = (__m256i)_mm512_cvtneps_pbh(v);
	if (n >= 16)
		_mm256_storeu_si256((void *)p, h);
	else
		_mm256_mask_storeu_epi16(p, first(n), h);
}

// Of 32 numbers in a row, a shift widens the even ones and a mask the odd ones:
// half the work of widening 16 and 16, where order does not matter.
struct pair {
	__m512 even, odd;
};

INLINE struct pair widen_pair(const uint16_t *p) {
	__m512i h = _mm512_loadu_si512(p);
	return (struct pair){(__m512)_mm512_slli_epi32(h, 16), (__m512)_mm512_and_epi32(h, _mm512_set1_epi32(~0xffff))};
}

INLINE __m512i narrow_pair(struct pair v) {
	const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
	                                       5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(v.odd, v.even));
}

// join writes a pair in order, split takes one apart.
INLINE void join(float *p, struct pair v) {
	const __m512i lo = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	const __m512i hi = _mm512_add_epi32(lo, _mm512_set1_epi32(8));
	_mm512_storeu_ps(p, _mm512_permutex2var_ps(v.even, lo, v.odd));
	_mm512_storeu_ps(p + 16, _mm512_permutex2var_ps(v.even, hi, v.odd));
}

INLINE struct pair split(const float *p) {
	const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
	__m512 lo = _mm512_loadu_ps(p), hi = _mm512_loadu_ps(p + 16);
	return (struct pair){_mm512_permutex2var_ps(lo, even, hi), _mm512_permutex2var_ps(lo, odd, hi)};
}

// silu16 is x·σ(x) to 4e-6: a gradient doubts a value that was rounded the other
// way. The division takes its time beside the other instructions; to multiply
// with an improved reciprocal would take theirs.
INLINE __m512 silu16(__m512 x) {
	__m512 u = _mm512_mul_ps(x, _mm512_set1_ps(-(float)M_LOG2E)), f = rest_of_floor(u);
	__m512 p = _mm512_set1_ps(0.013534168f);
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.05201146f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.24144276f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.69300383f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0000026f));
	return _mm512_div_ps(x, _mm512_add_ps(_mm512_scalef_ps(p, u), _mm512_set1_ps(1)));
}

// gelu16 is x·Φ(x), with erf by five terms (Abramowitz & Stegun, 7.1.26).
INLINE __m512 gelu16(__m512 x) {
	__m512 z = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps((float)M_SQRT1_2));
	__m512 t = _mm512_rcp14_ps(_mm512_fmadd_ps(z, _mm512_set1_ps(0.3275911f), _mm512_set1_ps(1)));
	__m512 p = _mm512_set1_ps(0.5f * 1.061405429f);
	p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.5f * -1.453152027f));
	p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.5f * 1.421413741f));
	p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.5f * -0.284496736f));
	p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.5f * 0.254829592f));
	p = _mm512_mul_ps(_mm512_mul_ps(p, t), exp2_(_mm512_mul_ps(_mm512_mul_ps(z, z), _mm512_set1_ps(-(float)M_LOG2E))));
	__mmask16 negative = _mm512_movepi32_mask((__m512i)x);
	return _mm512_mul_ps(x, _mm512_mask_mov_ps(_mm512_sub_ps(_mm512_set1_ps(1), p), negative, p));
}

// column_sums is add_row over rows of n·32 columns of x[rows][width]. On its way
// it fetches what follows x, in order: by columns is no way to read memory.
INLINE void column_sums(struct moments *m, const uint16_t *x, long rows, long width, long j, int n) {
	struct pair first[2], sum[2], sq[2];
#pragma GCC unroll 2
	for (int v = 0; v < n; v++) {
		first[v] = widen_pair(x + j + 32 * v);
		sum[v] = sq[v] = (struct pair){_mm512_setzero_ps(), _mm512_setzero_ps()};
	}
	const uint16_t *next = x + rows * (width + j);
	for (long r = 1; r < rows; r++, next += 32 * n)
#pragma GCC unroll 2
		for (int v = 0; v < n; v++) {
			_mm_prefetch(next + 32 * v, _MM_HINT_T0);
			struct pair d = widen_pair(x + r * width + j + 32 * v);
			d.even = _mm512_sub_ps(d.even, first[v].even);
			d.odd = _mm512_sub_ps(d.odd, first[v].odd);
			sum[v].even = _mm512_add_ps(sum[v].even, d.even);
			sum[v].odd = _mm512_add_ps(sum[v].odd, d.odd);
			sq[v].even = _mm512_fmadd_ps(d.even, d.even, sq[v].even);
			sq[v].odd = _mm512_fmadd_ps(d.odd, d.odd, sq[v].odd);
		}
#pragma GCC unroll 2
	for (int v = 0; v < n; v++) {
		join(m->first + j + 32 * v, first[v]);
		join(m->sum + j + 32 * v, sum[v]);
		join(m->sq + j + 32 * v, sq[v]);
	}
}

static void chunk_sums(struct moments *m, const uint16_t *x, long rows, long width) {
	long j = 0;
	for (; j + 64 <= width; j += 64)
		column_sums(m, x, rows, width, j, 2);
	if (j < width)
		column_sums(m, x, rows, width, j, 1);
}

// norm_rows is y = x·scale+shift, with SiLU or without; scale and shift hold pairs.
INLINE void norm_rows(uint16_t *y, const uint16_t *x, const float *scale, const float *shift, long rows, long width, int silu_too) {
	for (long r = 0; r < rows; r++, x += width, y += width)
		for (long j = 0; j < width; j += 32) {
			struct pair v = widen_pair(x + j);
			v.even = _mm512_fmadd_ps(v.even, _mm512_loadu_ps(scale + j), _mm512_loadu_ps(shift + j));
			v.odd = _mm512_fmadd_ps(v.odd, _mm512_loadu_ps(scale + j + 16), _mm512_loadu_ps(shift + j + 16));
			if (silu_too)
				v = (struct pair){silu16(v.even), silu16(v.odd)};
			_mm512_storeu_si512(y + j, narrow_pair(v));
		}
}

static void group_norm_bf16(int dt, void *y, float *stats, const void *x, const float *gamma, const float *beta, long n,
                            long p, long c, long groups, float eps, int silu_too) {
	struct wide w = wide_rows(p, c);
	long width = w.width, tasks = n * w.chunks;
	if (dt != BF16 || width % 32) {
		group_norm(dt, y, stats, x, gamma, beta, n, p, c, groups, eps, silu_too);
		return;
	}
	double *part = scratch(tasks * 2 * groups * sizeof *part);
#pragma omp parallel if (n * p * c > SERIAL)
	{
		float *scale = scratch(5 * width * sizeof *scale + 2 * c * sizeof(double)), *shift = scale + width;
		struct moments m = {scale + 2 * width, scale + 3 * width, scale + 4 * width, (double *)(scale + 5 * width), NULL};
		m.b = m.a + c;
#pragma omp for schedule(static)
		for (long t = 0; t < tasks; t++) {
			long s = t / w.chunks, from = t % w.chunks * w.chunk, rows = min_(w.rows - from, w.chunk);
			chunk_sums(&m, (const uint16_t *)x + (s * w.rows + from) * width, rows, width);
			finish_chunk(part + t * 2 * groups, &m, rows, width, c, groups);
		}
#pragma omp single
		finish_stats(stats, part, n, w.chunks, groups, (double)p * (c / groups), eps);
		long done = -1; // the image that scale and shift are of
#pragma omp for schedule(static)
		for (long t = 0; t < tasks; t++) {
			long s = t / w.chunks, from = t % w.chunks * w.chunk;
			long rows = min_(w.rows - from, w.chunk), start = (s * w.rows + from) * width;
			if (s != done) {
				done = s;
				for (long j = 0; j < c; j++) {
					const float *st = stats + (s * groups + j / (c / groups)) * 2;
					scale[j] = st[1] * gamma[j];
					shift[j] = beta[j] - st[0] * scale[j];
				}
				tile_row(scale, scale, c, width);
				tile_row(shift, shift, c, width);
				for (long j = 0; j < width; j += 32) {
					struct pair a = split(scale + j), b = split(shift + j);
					_mm512_storeu_ps(scale + j, a.even);
					_mm512_storeu_ps(scale + j + 16, a.odd);
					_mm512_storeu_ps(shift + j, b.even);
					_mm512_storeu_ps(shift + j + 16, b.odd);
				}
			}
			const uint16_t *in = (const uint16_t *)x + start;
			uint16_t *out = (uint16_t *)y + start;
			if (silu_too)
				norm_rows(out, in, scale, shift, rows, width, 1);
			else
				norm_rows(out, in, scale, shift, rows, width, 0);
		}
		release(scale);
	}
	release(part);
}

static void layer_norm_bf16(int dt, void *y, float *stats, const void *x, const float *gamma, const float *beta,
                            long rows, long c, float eps) {
	if (dt != BF16) {
		layer_norm(dt, y, stats, x, gamma, beta, rows, c, eps);
		return;
	}
#pragma omp parallel for schedule(static) if (rows * c > SERIAL)
	for (long r = 0; r < rows; r++) {
		const uint16_t *in = (const uint16_t *)x + r * c;
		uint16_t *out = (uint16_t *)y + r * c;
		// Sums about the first number lose nothing to cancellation.
		__m512 origin = _mm512_set1_ps(float_of((uint32_t)in[0] << 16)), sum[2], sq[2];
		sum[0] = sum[1] = sq[0] = sq[1] = _mm512_setzero_ps();
		long j = 0;
		for (; j + 32 <= c; j += 32)
			for (int v = 0; v < 2; v++) {
				__m512 d = _mm512_sub_ps(widen(in + j + 16 * v, 16), origin);
				sum[v] = _mm512_add_ps(sum[v], d);
				sq[v] = _mm512_fmadd_ps(d, d, sq[v]);
			}
		for (; j < c; j += 16) {
			__m512 d = _mm512_maskz_sub_ps(first(c - j), widen(in + j, c - j), origin);
			sum[0] = _mm512_add_ps(sum[0], d);
			sq[0] = _mm512_fmadd_ps(d, d, sq[0]);
		}
		float off = _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1])) / c;
		float var = _mm512_reduce_add_ps(_mm512_add_ps(sq[0], sq[1])) / c - off * off;
		float mean = _mm512_cvtss_f32(origin) + off, rstd = 1 / sqrtf((var > 0 ? var : 0) + eps);
		stats[2 * r] = mean;
		stats[2 * r + 1] = rstd;
		__m512 a = _mm512_set1_ps(rstd), b = _mm512_set1_ps(-mean * rstd);
		for (j = 0; j < c; j += 16) {
			__mmask16 in16 = first(c - j);
			__m512 v = _mm512_fmadd_ps(widen(in + j, c - j), a, b);
			narrow(out + j, c - j, _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(in16, gamma + j), _mm512_maskz_loadu_ps(in16, beta + j)));
		}
	}
}

static void geglu_bf16(int dt, void *y, const void *x, long rows, long c) {
	if (dt != BF16) {
		geglu(dt, y, x, rows, c);
		return;
	}
#pragma omp parallel for schedule(static) if (rows * c > SERIAL)
	for (long r = 0; r < rows; r++) {
		const uint16_t *a = (const uint16_t *)x + 2 * c * r, *g = a + c;
		uint16_t *out = (uint16_t *)y + c * r;
		for (long j = 0; j < c; j += 16)
			narrow(out + j, c - j, _mm512_mul_ps(widen(a + j, c - j), gelu16(widen(g + j, c - j))));
	}
}
