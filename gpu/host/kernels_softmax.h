// Softmax over rows of n.

// softmax_row turns s[0:n] into exp(s−top) with top their maximum or *m if that
// is greater, gives the maximum back in m and returns the sum. s is written up
// to a multiple of LANES, where zeros follow: a rest of a vector would be done
// one by one.
static float softmax_row(float *s, long n, float *m) {
	long pad = round_up(n, LANES);
	for (long j = n; j < pad; j++)
		s[j] = -INFINITY;
	float top = max_of(s, pad);
	top = top > *m ? top : *m;
	*m = top;
#pragma omp simd
	for (long j = 0; j < pad; j++)
		s[j] = exp_(s[j] - top);
	return sum_of(s, pad);
}

static void softmax(int dt, void *y, const void *x, long rows, long n) {
#pragma omp parallel if (rows * n > SERIAL)
	{
		float *xb = scratch(round_up(n, LANES) * sizeof *xb);
#pragma omp for schedule(static)
		for (long r = 0; r < rows; r++) {
			const float *a = load(dt, x, r * n, n, xb);
			if (a != xb)
				memcpy(xb, a, n * sizeof *xb);
			float top = -INFINITY, inv = 1 / softmax_row(xb, n, &top);
			float *out = target(dt, y, r * n, xb);
#pragma omp simd
			for (long j = 0; j < n; j++)
				out[j] = xb[j] * inv;
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
			float dot = dot_of(g, p, n);
#pragma omp simd
			for (long j = 0; j < n; j++)
				out[j] = p[j] * (g[j] - dot);
			store(dt, dx, r * n, n, out);
		}
		free(gb);
	}
}
