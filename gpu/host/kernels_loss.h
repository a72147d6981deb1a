// Losses and the latent's Gaussian (Kingma & Welling 2014).

// Partial sums over REDUCE_BLOCK elements go to part[…] and are added in order.
static double add_up(double *part, long n) {
	double sum = 0;
	for (long i = 0; i < n; i++)
		sum += part[i];
	release(part);
	return sum;
}

// Σ weight[n]·(a−b)² over a, b [n,p].
static double squared_error(int dt, const void *a, const void *b, const float *weight, long n, long p) {
	long blocks = ceil_div(p, REDUCE_BLOCK);
	double *part = scratch(n * blocks * sizeof *part);
#pragma omp parallel for schedule(static) if (n * p > SERIAL)
	for (long t = 0; t < n * blocks; t++) {
		long s = t / blocks, from = t % blocks * REDUCE_BLOCK, to = min_(p, from + REDUCE_BLOCK);
		float ab[BLOCK], bb[BLOCK];
		double sum = 0;
		for (long i = from; i < to; i += BLOCK) {
			long m = min_(BLOCK, to - i);
			const float *u = load(dt, a, s * p + i, m, ab), *v = load(dt, b, s * p + i, m, bb);
			float f = 0;
#pragma omp simd reduction(+ : f)
			for (long j = 0; j < m; j++)
				f += (u[j] - v[j]) * (u[j] - v[j]);
			sum += f;
		}
		part[t] = weight ? weight[s] * sum : sum;
	}
	return add_up(part, n * blocks);
}

// da = scale·weight[n]·2(a−b).
static void squared_error_grad(int dt, void *da, const void *a, const void *b, const float *weight, long n, long p,
                               float scale) {
	long blocks = ceil_div(p, BLOCK);
#pragma omp parallel for schedule(static) if (n * p > SERIAL)
	for (long t = 0; t < n * blocks; t++) {
		long s = t / blocks, i = t % blocks * BLOCK, m = min_(BLOCK, p - i);
		float ab[BLOCK], bb[BLOCK], yb[BLOCK], f = 2 * scale * (weight ? weight[s] : 1);
		const float *u = load(dt, a, s * p + i, m, ab), *v = load(dt, b, s * p + i, m, bb);
		float *out = target(dt, da, s * p + i, yb);
#pragma omp simd
		for (long j = 0; j < m; j++)
			out[j] = f * (u[j] - v[j]);
		store(dt, da, s * p + i, m, out);
	}
}

static double absolute_error(int dt, const void *a, const void *b, long n) {
	long blocks = ceil_div(n, REDUCE_BLOCK);
	double *part = scratch(blocks * sizeof *part);
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long t = 0; t < blocks; t++) {
		long to = min_(n, (t + 1) * REDUCE_BLOCK);
		float ab[BLOCK], bb[BLOCK];
		double sum = 0;
		for (long i = t * REDUCE_BLOCK; i < to; i += BLOCK) {
			long m = min_(BLOCK, to - i);
			const float *u = load(dt, a, i, m, ab), *v = load(dt, b, i, m, bb);
			float f = 0;
#pragma omp simd reduction(+ : f)
			for (long j = 0; j < m; j++)
				f += fabsf(u[j] - v[j]);
			sum += f;
		}
		part[t] = sum;
	}
	return add_up(part, blocks);
}

// da = scale·sign(a−b), 0 where they are equal.
static void absolute_error_grad(int dt, void *da, const void *a, const void *b, long n, float scale) {
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long i = 0; i < n; i += BLOCK) {
		float ab[BLOCK], bb[BLOCK], yb[BLOCK];
		long m = min_(BLOCK, n - i);
		const float *u = load(dt, a, i, m, ab), *v = load(dt, b, i, m, bb);
		float *out = target(dt, da, i, yb);
#pragma omp simd
		for (long j = 0; j < m; j++)
			out[j] = u[j] > v[j] ? scale : u[j] < v[j] ? -scale : 0;
		store(dt, da, i, m, out);
	}
}

// A latent has few channels (4), so each task takes several positions at once:
// rows·c elements of z, twice as many of moments.
INLINE long latent_rows(long c) { return max_(1, BLOCK / 2 / c); }

INLINE float std_of(float logvar) { return exp_(0.5f * (logvar < -30 ? -30 : logvar > 20 ? 20 : logvar)); }

static void gaussian_sample(int dt, void *z, const void *moments, const void *noise, long rows, long c) {
	long step = latent_rows(c), width = max_(BLOCK, 2 * c);
#pragma omp parallel if (rows * c > SERIAL)
	{
		float *mb = scratch(3 * width * sizeof *mb), *nb = mb + width, *zb = nb + width;
#pragma omp for schedule(static)
		for (long r = 0; r < rows; r += step) {
			long k = min_(step, rows - r);
			const float *mo = load(dt, moments, 2 * c * r, 2 * c * k, mb), *e = load(dt, noise, c * r, c * k, nb);
			for (long i = 0; i < k; i++)
				for (long j = 0; j < c; j++)
					zb[i * c + j] = mo[2 * i * c + j] + std_of(mo[2 * i * c + c + j]) * e[i * c + j];
			store(dt, z, c * r, c * k, zb);
		}
		release(mb);
	}
}

static void gaussian_sample_grad(int dt, void *dmoments, const void *dz, const void *moments, const void *noise,
                                 long rows, long c) {
	long step = latent_rows(c), width = max_(BLOCK, 2 * c);
#pragma omp parallel if (rows * c > SERIAL)
	{
		float *mb = scratch(4 * width * sizeof *mb), *nb = mb + width, *gb = nb + width, *db = gb + width;
#pragma omp for schedule(static)
		for (long r = 0; r < rows; r += step) {
			long k = min_(step, rows - r);
			const float *mo = load(dt, moments, 2 * c * r, 2 * c * k, mb), *e = load(dt, noise, c * r, c * k, nb);
			const float *g = load(dt, dz, c * r, c * k, gb);
			for (long i = 0; i < k; i++)
				for (long j = 0; j < c; j++) {
					float lv = mo[2 * i * c + c + j], d = g[i * c + j];
					db[2 * i * c + j] = d;
					db[2 * i * c + c + j] = lv < -30 || lv > 20 ? 0 : 0.5f * d * e[i * c + j] * std_of(lv);
				}
			store(dt, dmoments, 2 * c * r, 2 * c * k, db);
		}
		release(mb);
	}
}

// Σ ½(mean² + exp(logvar) − 1 − logvar).
static double gaussian_kl(int dt, const void *moments, long rows, long c) {
	long step = latent_rows(c), width = max_(BLOCK, 2 * c), blocks = ceil_div(rows, step);
	double *part = scratch(blocks * sizeof *part);
#pragma omp parallel if (rows * c > SERIAL)
	{
		float *mb = scratch(width * sizeof *mb);
#pragma omp for schedule(static)
		for (long t = 0; t < blocks; t++) {
			long k = min_(step, rows - t * step);
			const float *mo = load(dt, moments, 2 * c * step * t, 2 * c * k, mb);
			double sum = 0;
			for (long i = 0; i < k; i++)
				for (long j = 0; j < c; j++) {
					float mean = mo[2 * i * c + j], lv = mo[2 * i * c + c + j];
					sum += 0.5 * (mean * mean + exp_(lv) - 1 - lv);
				}
			part[t] = sum;
		}
		release(mb);
	}
	return add_up(part, blocks);
}

static void gaussian_kl_grad(int dt, void *dmoments, const void *moments, long rows, long c, float scale) {
	long step = latent_rows(c), width = max_(BLOCK, 2 * c);
#pragma omp parallel if (rows * c > SERIAL)
	{
		float *mb = scratch(2 * width * sizeof *mb), *db = mb + width;
#pragma omp for schedule(static)
		for (long r = 0; r < rows; r += step) {
			long k = min_(step, rows - r);
			const float *mo = load(dt, moments, 2 * c * r, 2 * c * k, mb);
			for (long i = 0; i < k; i++)
				for (long j = 0; j < c; j++) {
					db[2 * i * c + j] = scale * mo[2 * i * c + j];
					db[2 * i * c + c + j] = 0.5f * scale * (exp_(mo[2 * i * c + c + j]) - 1);
				}
			store(dt, dmoments, 2 * c * r, 2 * c * k, db);
		}
		release(mb);
	}
}
