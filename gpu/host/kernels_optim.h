// The optimiser and what watches it.

static double sum_squares(int dt, const void *x, long n) {
	long blocks = ceil_div(n, REDUCE_BLOCK);
	double *part = scratch(blocks * sizeof *part);
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long t = 0; t < blocks; t++) {
		long to = min_(n, (t + 1) * REDUCE_BLOCK);
		float xb[BLOCK];
		double sum = 0;
		for (long i = t * REDUCE_BLOCK; i < to; i += BLOCK) {
			long m = min_(BLOCK, to - i);
			const float *a = load(dt, x, i, m, xb);
#pragma omp simd reduction(+ : sum)
			for (long j = 0; j < m; j++)
				sum += (double)a[j] * a[j];
		}
		part[t] = sum;
	}
	return add_up(part, blocks);
}

static int all_finite(int dt, const void *x, long n) {
	int bad = 0;
#pragma omp parallel for schedule(static) reduction(| : bad) if (n > SERIAL)
	for (long i = 0; i < n; i += BLOCK) {
		float xb[BLOCK];
		long m = min_(BLOCK, n - i);
		const float *a = load(dt, x, i, m, xb);
		int b = 0;
#pragma omp simd reduction(| : b)
		for (long j = 0; j < m; j++)
			b |= (bits_of(a[j]) & 0x7f800000) == 0x7f800000;
		bad |= b;
	}
	return !bad;
}

// Loshchilov & Hutter 2019, algorithm 2, with the learning rate multiplying the
// decay. master may be param.
static void adamw(int dt, void *param, float *master, float *m, float *v, const float *grad, long n, float lr,
                  float beta1, float beta2, float eps, float decay, float grad_scale, int step) {
	float rate = lr / (1 - pow(beta1, step));           // lr·m̂ = rate·m
	float root = 1 / sqrt(1 - pow(beta2, step));        // √v̂ = root·√v
	float keep = 1 - (double)lr * decay;
#pragma omp parallel for schedule(static) if (n > SERIAL)
	for (long i = 0; i < n; i += BLOCK) {
		long k = min_(BLOCK, n - i);
		float *w = master + i, *mi = m + i, *vi = v + i;
		const float *gi = grad + i;
		float deviation[BLOCK];
#pragma omp simd
		for (long j = 0; j < k; j++) {
			float g = gi[j] * grad_scale;
			mi[j] = beta1 * mi[j] + (1 - beta1) * g;
			vi[j] = beta2 * vi[j] + (1 - beta2) * g * g;
		}
		sqrt_block(deviation, vi, k);
#pragma omp simd
		for (long j = 0; j < k; j++)
			w[j] = keep * w[j] - rate * mi[j] / (root * deviation[j] + eps);
		store(dt, param, i, k, w);
	}
}
