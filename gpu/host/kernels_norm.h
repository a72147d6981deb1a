// Group norm (Wu & He 2018) and layer norm (Ba et al. 2016), channels last.

// Group norm sees x[n,p,c] as n·rows wide rows: k positions side by side make a
// row of width = k·c, long enough for vector loops where c is small. A chunk of
// rows is one task and one partial sum.
struct wide {
	long width, rows, chunk, chunks;
};

static struct wide wide_rows(long p, long c) {
	enum { WIDTH = 256, CHUNK = 16384 };
	struct wide w = {.width = c, .rows = p};
	while (w.width < WIDTH && w.rows % 2 == 0) {
		w.width *= 2;
		w.rows /= 2;
	}
	w.chunk = max_(32, CHUNK / w.width);
	w.chunks = ceil_div(w.rows, w.chunk);
	return w;
}

// repeat writes v[i] to dst count times for each i < n: group values to channels.
static void repeat(float *dst, const float *v, long stride, long n, long count) {
	for (long i = 0; i < n; i++)
		for (long j = 0; j < count; j++)
			dst[i * count + j] = v[i * stride];
}

// tile_row copies v[0:c] side by side until dst[0:width] is full; v may be dst.
static void tile_row(float *dst, const float *v, long c, long width) {
	for (long j = v == dst ? c : 0; j < width; j += c)
		memcpy(dst + j, v, c * sizeof *dst);
}

// Σx and Σx² of each group over rows of one chunk, taken about its first row:
// sums of d = x−x₀ lose nothing to cancellation.
struct moments {
	float *first, *sum, *sq;
	double *a, *b;
};

static void add_row(struct moments *m, const float *x, long width) {
#pragma omp simd
	for (long j = 0; j < width; j++) {
		float d = x[j] - m->first[j];
		m->sum[j] += d;
		m->sq[j] += d * d;
	}
}

static void finish_chunk(double *total, const struct moments *m, long rows, long width, long c, long groups) {
	memset(m->a, 0, 2 * c * sizeof *m->a);
	for (long k = 0; k < width; k += c)
#pragma omp simd
		for (long j = 0; j < c; j++) {
			double s = m->first[k + j], d = m->sum[k + j];
			m->a[j] += d + rows * s;
			m->b[j] += m->sq[k + j] + s * (2 * d + rows * s);
		}
	for (long g = 0, j = 0; g < groups; g++) {
		double a = 0, b = 0;
		for (; j < (g + 1) * (c / groups); j++) {
			a += m->a[j];
			b += m->b[j];
		}
		total[2 * g] = a;
		total[2 * g + 1] = b;
	}
}

// finish_stats adds the chunks up, in order, to mean and 1/√(var+eps) of groups of
// count numbers.
static void finish_stats(float *stats, const double *part, long n, long chunks, long groups, double count, float eps) {
	for (long s = 0; s < n; s++)
		for (long g = 0; g < groups; g++) {
			double a = 0, b = 0;
			for (long t = s * chunks; t < (s + 1) * chunks; t++) {
				a += part[(t * groups + g) * 2];
				b += part[(t * groups + g) * 2 + 1];
			}
			double mean = a / count, var = b / count - mean * mean;
			stats[(s * groups + g) * 2] = mean;
			stats[(s * groups + g) * 2 + 1] = 1 / sqrt((var > 0 ? var : 0) + eps);
		}
}

static void group_stats(int dt, float *stats, const void *x, long n, long p, long c, long groups, float eps) {
	struct wide w = wide_rows(p, c);
	long width = w.width;
	double *part = scratch(n * w.chunks * 2 * groups * sizeof *part);
#pragma omp parallel if (n * p * c > SERIAL)
	{
		float *xb = scratch(4 * width * sizeof *xb + 2 * c * sizeof(double));
		struct moments m = {xb + width, xb + 2 * width, xb + 3 * width, (double *)(xb + 4 * width), NULL};
		m.b = m.a + c;
#pragma omp for schedule(static)
		for (long t = 0; t < n * w.chunks; t++) {
			long s = t / w.chunks, from = t % w.chunks * w.chunk, to = min_(w.rows, from + w.chunk);
			memcpy(m.first, load(dt, x, (s * w.rows + from) * width, width, xb), width * sizeof *xb);
			memset(m.sum, 0, 2 * width * sizeof *xb);
			for (long r = from + 1; r < to; r++)
				add_row(&m, load(dt, x, (s * w.rows + r) * width, width, xb), width);
			finish_chunk(part + t * 2 * groups, &m, to - from, width, c, groups);
		}
		release(xb);
	}
	finish_stats(stats, part, n, w.chunks, groups, (double)p * (c / groups), eps);
	release(part);
}

static void group_norm(int dt, void *y, float *stats, const void *x, const float *gamma, const float *beta, long n,
                       long p, long c, long groups, float eps, int silu_too) {
	group_stats(dt, stats, x, n, p, c, groups, eps);
	struct wide w = wide_rows(p, c);
	long width = w.width;
#pragma omp parallel if (n * p * c > SERIAL)
	{
		float *mean = scratch(5 * width * sizeof *mean);
		float *scale = mean + width, *shift = scale + width, *xb = shift + width, *yb = xb + width;
#pragma omp for schedule(static)
		for (long t = 0; t < n * w.chunks; t++) {
			long s = t / w.chunks, from = t % w.chunks * w.chunk, to = min_(w.rows, from + w.chunk);
			const float *st = stats + s * groups * 2;
			repeat(mean, st, 2, groups, c / groups);
			repeat(scale, st + 1, 2, groups, c / groups);
			for (long j = 0; j < c; j++)
				scale[j] *= gamma[j];
			tile_row(mean, mean, c, width);
			tile_row(scale, scale, c, width);
			tile_row(shift, beta, c, width);
			for (long r = from; r < to; r++) {
				long i = (s * w.rows + r) * width;
				const float *a = load(dt, x, i, width, xb);
				float *out = target(dt, y, i, yb);
				if (silu_too) {
#pragma omp simd
					for (long j = 0; j < width; j++)
						out[j] = silu((a[j] - mean[j]) * scale[j] + shift[j]);
				} else {
#pragma omp simd
					for (long j = 0; j < width; j++)
						out[j] = (a[j] - mean[j]) * scale[j] + shift[j];
				}
				store(dt, y, i, width, out);
			}
		}
		release(mean);
	}
}

static void layer_norm(int dt, void *y, float *stats, const void *x, const float *gamma, const float *beta, long rows,
                       long c, float eps) {
#pragma omp parallel if (rows * c > SERIAL)
	{
		float *xb = scratch(2 * c * sizeof *xb), *yb = xb + c;
#pragma omp for schedule(static)
		for (long r = 0; r < rows; r++) {
			const float *a = load(dt, x, r * c, c, xb);
			float *out = target(dt, y, r * c, yb);
			float mean = sum_of(a, c) / c;
#pragma omp simd
			for (long j = 0; j < c; j++)
				out[j] = a[j] - mean;
			float rstd = 1 / sqrtf(dot_of(out, out, c) / c + eps);
#pragma omp simd
			for (long j = 0; j < c; j++)
				out[j] = out[j] * rstd * gamma[j] + beta[j];
			store(dt, y, r * c, c, out);
			stats[2 * r] = mean;
			stats[2 * r + 1] = rstd;
		}
		release(xb);
	}
}
