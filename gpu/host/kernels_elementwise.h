// Elementwise functions: each goes through memory once, block by block.

static void unary(int dt, void *y, const void *x, long n, int f) {
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long i = 0; i < n; i += BLOCK) {
		float xb[BLOCK], yb[BLOCK];
		long m = min_(BLOCK, n - i);
		const float *a = load(dt, x, i, m, xb);
		float *out = target(dt, y, i, yb);
#define EACH(expr)                                                                                                     \
	_Pragma("omp simd") for (long j = 0; j < m; j++) out[j] = expr;                                                    \
	break
		switch (f) {
		case SILU:
			EACH(silu(a[j]));
		case GELU:
			EACH(gelu(a[j]));
		case QUICK_GELU:
			EACH(a[j] * sigmoid(1.702f * a[j]));
		case EXP:
			EACH(exp_(a[j]));
		case SQUARE:
			EACH(a[j] * a[j]);
		case TANH:
			EACH(tanh_(a[j]));
		}
		store(dt, y, i, m, out);
	}
}

INLINE float quick_gelu_slope(float x) {
	float s = sigmoid(1.702f * x);
	return s * (1 + 1.702f * x * (1 - s));
}

INLINE float tanh_slope(float x) {
	float t = tanh_(x);
	return 1 - t * t;
}

static void unary_grad(int dt, void *dx, const void *dy, const void *x, long n, int f) {
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long i = 0; i < n; i += BLOCK) {
		float xb[BLOCK], gb[BLOCK], yb[BLOCK];
		long m = min_(BLOCK, n - i);
		const float *a = load(dt, x, i, m, xb), *g = load(dt, dy, i, m, gb);
		float *out = target(dt, dx, i, yb);
		switch (f) {
		case SILU:
			EACH(g[j] * silu_slope(a[j]));
		case GELU:
			EACH(g[j] * gelu_slope(a[j]));
		case QUICK_GELU:
			EACH(g[j] * quick_gelu_slope(a[j]));
		case EXP:
			EACH(g[j] * exp_(a[j]));
		case SQUARE:
			EACH(g[j] * 2 * a[j]);
		case TANH:
			EACH(g[j] * tanh_slope(a[j]));
		}
#undef EACH
		store(dt, dx, i, m, out);
	}
}

// x[rows,2c] = [a | g], y[rows,c] = a·GELU(g).
static void geglu(int dt, void *y, const void *x, long rows, long c) {
#pragma omp parallel for schedule(static) if (rows * c > SERIAL)
	for (long r = 0; r < rows; r++)
		for (long i = 0; i < c; i += BLOCK) {
			float ab[BLOCK], gb[BLOCK], yb[BLOCK];
			long m = min_(BLOCK, c - i);
			const float *a = load(dt, x, 2 * c * r + i, m, ab), *g = load(dt, x, 2 * c * r + c + i, m, gb);
			float *out = target(dt, y, c * r + i, yb);
#pragma omp simd
			for (long j = 0; j < m; j++)
				out[j] = a[j] * gelu(g[j]);
			store(dt, y, c * r + i, m, out);
		}
}

static void geglu_grad(int dt, void *dx, const void *dy, const void *x, long rows, long c) {
#pragma omp parallel for schedule(static) if (rows * c > SERIAL)
	for (long r = 0; r < rows; r++)
		for (long i = 0; i < c; i += BLOCK) {
			float ab[BLOCK], gb[BLOCK], db[BLOCK], dab[BLOCK], dgb[BLOCK];
			long m = min_(BLOCK, c - i), left = 2 * c * r + i, right = left + c;
			const float *a = load(dt, x, left, m, ab), *g = load(dt, x, right, m, gb);
			const float *d = load(dt, dy, c * r + i, m, db);
			float *da = target(dt, dx, left, dab), *dg = target(dt, dx, right, dgb);
#pragma omp simd
			for (long j = 0; j < m; j++) {
				float phi, cdf = normal_cdf(g[j], &phi);
				da[j] = d[j] * g[j] * cdf;
				dg[j] = d[j] * a[j] * (cdf + g[j] * phi);
			}
			store(dt, dx, left, m, da);
			store(dt, dx, right, m, dg);
		}
}

static void mul(int dt, void *y, const void *a, const void *b, long n) {
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long i = 0; i < n; i += BLOCK) {
		float ab[BLOCK], bb[BLOCK], yb[BLOCK];
		long m = min_(BLOCK, n - i);
		const float *p = load(dt, a, i, m, ab), *q = load(dt, b, i, m, bb);
		float *out = target(dt, y, i, yb);
#pragma omp simd
		for (long j = 0; j < m; j++)
			out[j] = p[j] * q[j];
		store(dt, y, i, m, out);
	}
}

static void clamp(int dt, void *y, const void *x, long n, float lo, float hi) {
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long i = 0; i < n; i += BLOCK) {
		float xb[BLOCK], yb[BLOCK];
		long m = min_(BLOCK, n - i);
		const float *a = load(dt, x, i, m, xb);
		float *out = target(dt, y, i, yb);
#pragma omp simd
		for (long j = 0; j < m; j++)
			out[j] = a[j] < lo ? lo : a[j] > hi ? hi : a[j];
		store(dt, y, i, m, out);
	}
}

// y = Σ coef[k]·xs[k]. y may be one of xs, so a block is stored only when all
// of its inputs were read.
static void combine(int dt, void *y, int count, const float *coef, const int *dts, void *const *xs, long n) {
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long i = 0; i < n; i += BLOCK) {
		float xb[BLOCK], sum[BLOCK];
		long m = min_(BLOCK, n - i);
		for (int k = 0; k < count; k++) {
			const float *a = load(dts[k], xs[k], i, m, xb);
			float c = coef[k];
			if (k == 0) {
#pragma omp simd
				for (long j = 0; j < m; j++)
					sum[j] = c * a[j];
			} else {
#pragma omp simd
				for (long j = 0; j < m; j++)
					sum[j] += c * a[j];
			}
		}
		store(dt, y, i, m, sum);
	}
}

static void cast(int ydt, void *y, int xdt, const void *x, long n) {
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long i = 0; i < n; i += BLOCK) {
		float xb[BLOCK];
		long m = min_(BLOCK, n - i);
		if (xdt == ydt)
			memcpy(at_out(ydt, y, i), at(xdt, x, i), m * dtype_size(ydt));
		else
			store(ydt, y, i, m, load(xdt, x, i, m, xb));
	}
}

static void fill(int dt, void *y, float v, long n) {
	float vb[BLOCK];
	for (long j = 0; j < BLOCK; j++)
		vb[j] = v;
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long i = 0; i < n; i += BLOCK)
		store(dt, y, i, min_(BLOCK, n - i), vb);
}

// y[n,p,c] = x[n,p,c] + t[n,c].
static void add_channels(int dt, void *y, const void *x, const void *t, long n, long p, long c) {
#pragma omp parallel for schedule(static) if (n * p * c > SERIAL)
	for (long r = 0; r < n * p; r++)
		for (long i = 0; i < c; i += BLOCK) {
			float xb[BLOCK], tb[BLOCK], yb[BLOCK];
			long m = min_(BLOCK, c - i);
			const float *a = load(dt, x, r * c + i, m, xb), *b = load(dt, t, r / p * c + i, m, tb);
			float *out = target(dt, y, r * c + i, yb);
#pragma omp simd
			for (long j = 0; j < m; j++)
				out[j] = a[j] + b[j];
			store(dt, y, r * c + i, m, out);
		}
}

// y[n,c] = Σ over p of x[n,p,c], in partial sums of 64 rows.
static void sum_middle(int dt, void *y, const void *x, long n, long p, long c) {
	enum { WIDTH = 256, ROWS = 64 };
	long strips = ceil_div(c, WIDTH);
#pragma omp parallel for schedule(static) if (n * p * c > SERIAL)
	for (long t = 0; t < n * strips; t++) {
		long s = t / strips, i = t % strips * WIDTH, m = min_(WIDTH, c - i);
		double total[WIDTH] = {0};
		float part[WIDTH], xb[WIDTH];
		for (long r0 = 0; r0 < p; r0 += ROWS) {
			memset(part, 0, sizeof part);
			for (long r = r0; r < min_(p, r0 + ROWS); r++) {
				const float *a = load(dt, x, (s * p + r) * c + i, m, xb);
#pragma omp simd
				for (long j = 0; j < m; j++)
					part[j] += a[j];
			}
#pragma omp simd
			for (long j = 0; j < m; j++)
				total[j] += part[j];
		}
		for (long j = 0; j < m; j++)
			part[j] = total[j];
		store(dt, y, s * c + i, m, part);
	}
}
