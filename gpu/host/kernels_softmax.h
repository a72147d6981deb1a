// Softmax over rows of n.

enum { SHORT_TASK = 64 }; // short rows of a task

#if LANES == 16
// exp16 is exp_ with the instructions that AVX-512 has for it.
INLINE __m512 exp16(__m512 x) {
	__m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p+0f)),
	                                _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
	__m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e4p-1f), x);
	r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.7f7d1cp-20f), r);
	__m512 p = _mm512_set1_ps(0.0013843559f);
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.0083742356f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.041668009f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.1666643f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.49999994f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
	__mmask16 normal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87), _CMP_NLT_UQ); // NaN stays
	return _mm512_maskz_scalef_ps(normal, p, n);
}

// exp_sum writes exp(x−top) to s[0:n] and returns the sum; n is a multiple of 16.
static float exp_sum(float *s, const float *x, long n, float top) {
	__m512 t = _mm512_set1_ps(top), sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
	long j = 0;
	for (; j + 32 <= n; j += 32)
#pragma GCC unroll 2
		for (int v = 0; v < 2; v++) {
			__m512 e = exp16(_mm512_sub_ps(_mm512_loadu_ps(x + j + 16 * v), t));
			_mm512_storeu_ps(s + j + 16 * v, e);
			sum[v] = _mm512_add_ps(sum[v], e);
		}
	if (j < n) {
		__m512 e = exp16(_mm512_sub_ps(_mm512_loadu_ps(x + j), t));
		_mm512_storeu_ps(s + j, e);
		sum[0] = _mm512_add_ps(sum[0], e);
	}
	return _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
}

// softmax_short is softmax of one row of n numbers in registers: vecs−1 vectors
// and one that ends with the row, some of whose numbers are stored twice.
INLINE void softmax_short(float *y, const float *x, long n, int vecs) {
	__mmask16 fresh = 0xffff << (16 * vecs - n);
	__m512 e[8], top = e[0] = _mm512_loadu_ps(x + n - 16), sum;
#pragma GCC unroll 8
	for (int v = 1; v < vecs; v++)
		top = _mm512_max_ps(top, e[v] = _mm512_loadu_ps(x + 16 * (v - 1)));
	top = _mm512_set1_ps(_mm512_reduce_max_ps(top));
#pragma GCC unroll 8
	for (int v = 0; v < vecs; v++) {
		e[v] = exp16(_mm512_sub_ps(e[v], top));
		sum = v == 0 ? _mm512_maskz_mov_ps(fresh, e[v]) : _mm512_add_ps(sum, e[v]);
	}
	__m512 inv = _mm512_div_ps(_mm512_set1_ps(1), _mm512_set1_ps(_mm512_reduce_add_ps(sum)));
#pragma GCC unroll 8
	for (int v = 0; v < vecs; v++)
		_mm512_storeu_ps(y + (v ? 16 * (v - 1) : n - 16), _mm512_mul_ps(e[v], inv));
}

static void softmax_short_rows(float *y, const float *x, long rows, long n) {
#define ROWS(VECS)                                                                                                     \
	case VECS:                                                                                                         \
		for (long r = 0; r < rows; r++)                                                                                \
			softmax_short(y + r * n, x + r * n, n, VECS);                                                              \
		break;
	switch (ceil_div(n, 16)) { ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) }
#undef ROWS
}
#else
static float exp_sum(float *s, const float *x, long n, float top) {
#pragma omp simd
	for (long j = 0; j < n; j++)
		s[j] = exp_(x[j] - top);
	return sum_of(s, n);
}
#endif

// softmax_row turns s[0:n] into exp(s−top) with top their maximum or *m if that
// is greater, gives the maximum back in m and returns the sum. s is written up
// to a multiple of LANES, where zeros follow: a rest of a vector would be done
// one by one.
static float softmax_row(float *s, long n, float *m) {
	long pad = round_up(n, LANES);
	for (long j = n; j < pad; j++)
		s[j] = -INFINITY;
	float top = max_of(s, pad);
	*m = top > *m ? top : *m;
	return exp_sum(s, s, pad, *m);
}

static void softmax(int dt, void *y, const void *x, long rows, long n) {
#if LANES == 16
	if (dt == F32 && n >= 16 && n <= 128) {
#pragma omp parallel for schedule(static) if (rows * n > SERIAL)
		for (long r = 0; r < rows; r += SHORT_TASK)
			softmax_short_rows((float *)y + r * n, (const float *)x + r * n, min_(SHORT_TASK, rows - r), n);
		return;
	}
#endif
#pragma omp parallel if (rows * n > SERIAL)
	{
		float *xb = scratch(round_up(n, LANES) * sizeof *xb);
#pragma omp for schedule(static)
		for (long r = 0; r < rows; r++) {
			const float *a = load(dt, x, r * n, n, xb);
			float top = -INFINITY, sum;
			if (a != xb && n % LANES == 0) {
				sum = exp_sum(xb, a, n, max_of(a, n));
			} else {
				if (a != xb)
					memcpy(xb, a, n * sizeof *xb);
				sum = softmax_row(xb, n, &top);
			}
			float inv = 1 / sum;
			float *out = target(dt, y, r * n, xb);
#pragma omp simd
			for (long j = 0; j < n; j++)
				out[j] = xb[j] * inv;
			store(dt, y, r * n, n, out);
		}
		release(xb);
	}
}

// dx = y·(dy − Σ dy·y).
static void softmax_grad(int dt, void *dx, const void *dy, const void *y, long rows, long n) {
#pragma omp parallel if (rows * n > SERIAL)
	{
		float *gb = scratch(3 * n * sizeof *gb), *yb = gb + n, *xb = yb + n;
#pragma omp for schedule(static)
		for (long r = 0; r < rows; r++) {
			const float *g = load(dt, dy, r * n, n, gb), *p = load(dt, y, r * n, n, yb);
			float *out = target(dt, dx, r * n, xb);
			float dot = dot_of(g, p, n);
#pragma omp simd
			for (long j = 0; j < n; j++)
				out[j] = p[j] * (g[j] - dot);
			store(dt, dx, r * n, n, out);
		}
		release(gb);
	}
}
