// Softmax over rows of n.

static void softmax(int dt, void *y, const void *x, long rows, long n) {
#pragma omp parallel if (rows * n > SERIAL)
	{
		float *xb = scratch(2 * n * sizeof *xb), *yb = xb + n;
#pragma omp for schedule(static)
		for (long r = 0; r < rows; r++) {
			const float *a = load(dt, x, r * n, n, xb);
			float *out = target(dt, y, r * n, yb);
			float top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
			for (long j = 0; j < n; j++)
				top = a[j] > top ? a[j] : top;
#pragma omp simd reduction(+ : sum)
			for (long j = 0; j < n; j++) {
				float e = exp_(a[j] - top);
				out[j] = e;
				sum += e;
			}
			float inv = 1 / sum;
#pragma omp simd
			for (long j = 0; j < n; j++)
				out[j] *= inv;
			store(dt, y, r * n, n, out);
		}
		free(xb);
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
			float dot = 0;
#pragma omp simd reduction(+ : dot)
			for (long j = 0; j < n; j++)
				dot += g[j] * p[j];
#pragma omp simd
			for (long j = 0; j < n; j++)
				out[j] = p[j] * (g[j] - dot);
			store(dt, dx, r * n, n, out);
		}
		free(gb);
	}
}
