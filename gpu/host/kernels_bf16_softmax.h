// Softmax in bf16, with the conversions of kernels_bf16_norm.h.

// Two rows are reduced in one vector, a in its lower half and b in its upper one,
// and each result fills its half.
INLINE __m512 halves(__m512 a, __m512 b, int high) {
	return high ? _mm512_shuffle_f32x4(a, b, 0xee) : _mm512_shuffle_f32x4(a, b, 0x44);
}

INLINE __m512 turn_half(__m512 v, int step) {
	return step == 0   ? _mm512_shuffle_f32x4(v, v, 0xb1)
	       : step == 1 ? _mm512_permute_ps(v, 0x4e)
	                   : _mm512_permute_ps(v, 0xb1);
}

// softmax_short_bf16 is softmax_short of two rows, the second one after other numbers.
INLINE void softmax_short_bf16(uint16_t *y, const uint16_t *x, long n, int vecs, long other) {
	const __m512 log2e = _mm512_set1_ps((float)M_LOG2E);
	__mmask16 fresh = 0xffff << (16 * vecs - n);
	__m512 e[2][8], top[2], sum[2];
#pragma GCC unroll 2
	for (int r = 0; r < 2; r++) {
		const uint16_t *in = x + r * other;
		top[r] = e[r][0] = widen(in + n - 16, 16);
#pragma GCC unroll 8
		for (int v = 1; v < vecs; v++)
			top[r] = _mm512_max_ps(top[r], e[r][v] = widen(in + 16 * (v - 1), 16));
	}
	__m512 t = _mm512_max_ps(halves(top[0], top[1], 0), halves(top[0], top[1], 1));
#pragma GCC unroll 3
	for (int k = 0; k < 3; k++)
		t = _mm512_max_ps(t, turn_half(t, k));
	t = _mm512_mul_ps(t, log2e);
#pragma GCC unroll 2
	for (int r = 0; r < 2; r++) {
		__m512 shift = halves(t, t, r);
#pragma GCC unroll 8
		for (int v = 0; v < vecs; v++) {
			e[r][v] = exp2_(_mm512_fmsub_ps(e[r][v], log2e, shift));
			sum[r] = v == 0 ? _mm512_maskz_mov_ps(fresh, e[r][v]) : _mm512_add_ps(sum[r], e[r][v]);
		}
	}
	t = _mm512_add_ps(halves(sum[0], sum[1], 0), halves(sum[0], sum[1], 1));
#pragma GCC unroll 3
	for (int k = 0; k < 3; k++)
		t = _mm512_add_ps(t, turn_half(t, k));
	t = _mm512_div_ps(_mm512_set1_ps(1), t);
#pragma GCC unroll 2
	for (int r = 0; r < 2; r++) {
		__m512 inv = halves(t, t, r);
#pragma GCC unroll 8
		for (int v = 0; v < vecs; v++)
			narrow(y + r * other + (v ? 16 * (v - 1) : n - 16), 16, _mm512_mul_ps(e[r][v], inv));
	}
}

static void softmax_short_rows_bf16(uint16_t *y, const uint16_t *x, long rows, long n) {
#define ROWS(VECS)                                                                                                     \
	case VECS:                                                                                                         \
		for (long r = 0; r < rows; r += 2)                                                                             \
			softmax_short_bf16(y + r * n, x + r * n, n, VECS, r + 1 < rows ? n : 0);                                   \
		break;
	switch (ceil_div(n, 16)) { ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) }
#undef ROWS
}

static void softmax_bf16(int dt, void *y, const void *x, long rows, long n) {
	if (dt != BF16) {
		softmax(dt, y, x, rows, n);
		return;
	}
	if (n >= 16 && n <= 128) {
#pragma omp parallel for schedule(static) if (rows * n > SERIAL)
		for (long r = 0; r < rows; r += SHORT_TASK)
			softmax_short_rows_bf16((uint16_t *)y + r * n, (const uint16_t *)x + r * n, min_(SHORT_TASK, rows - r), n);
		return;
	}
#pragma omp parallel if (rows * n > SERIAL)
	{
		float *e = scratch(round_up(n, 16) * sizeof *e);
#pragma omp for schedule(static)
		for (long r = 0; r < rows; r++) {
			const uint16_t *in = (const uint16_t *)x + r * n;
			uint16_t *out = (uint16_t *)y + r * n;
			const __m512 none = _mm512_set1_ps(-INFINITY);
			__m512 top1 = none, top2 = none, sum1 = _mm512_setzero_ps(), sum2 = sum1;
			long j = 0;
			for (; j + 32 <= n; j += 32) {
				top1 = _mm512_max_ps(top1, widen(in + j, 16));
				top2 = _mm512_max_ps(top2, widen(in + j + 16, 16));
			}
			for (; j < n; j += 16)
				top1 = _mm512_max_ps(top1, _mm512_mask_mov_ps(none, first(n - j), widen(in + j, n - j)));
			__m512 log2e = _mm512_set1_ps((float)M_LOG2E);
			__m512 top = _mm512_set1_ps((float)M_LOG2E * _mm512_reduce_max_ps(_mm512_max_ps(top1, top2)));
			for (j = 0; j + 32 <= n; j += 32) {
				__m512 lo = exp2_(_mm512_fmsub_ps(widen(in + j, 16), log2e, top));
				__m512 hi = exp2_(_mm512_fmsub_ps(widen(in + j + 16, 16), log2e, top));
				sum1 = _mm512_add_ps(sum1, lo);
				sum2 = _mm512_add_ps(sum2, hi);
				_mm512_storeu_ps(e + j, lo);
				_mm512_storeu_ps(e + j + 16, hi);
			}
			for (; j < n; j += 16) {
				__m512 lo = _mm512_maskz_mov_ps(first(n - j), exp2_(_mm512_fmsub_ps(widen(in + j, n - j), log2e, top)));
				sum1 = _mm512_add_ps(sum1, lo);
				_mm512_storeu_ps(e + j, lo);
			}
			__m512 inv = _mm512_set1_ps(1 / _mm512_reduce_add_ps(_mm512_add_ps(sum1, sum2)));
			for (j = 0; j < n; j += 16)
				narrow(out + j, n - j, _mm512_mul_ps(_mm512_loadu_ps(e + j), inv));
		}
		release(e);
	}
}
