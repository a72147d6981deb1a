// Kernels that move elements: rows, embeddings, and images by a factor of two.

static void embedding(int ydt, void *y, int tdt, const void *table, const int *ids, long n, long c) {
#pragma omp parallel for schedule(static) if (n * c > SERIAL)
	for (long r = 0; r < n; r++)
		for (long i = 0; i < c; i += BLOCK) {
			float tb[BLOCK];
			long m = min_(BLOCK, c - i);
			store(ydt, y, r * c + i, m, load(tdt, table, ids[r] * c + i, m, tb));
		}
}

// Rows of dy are added in their order; threads share out the columns, so that a
// token that occurs twice needs no lock.
static void embedding_grad(float *dtable, int dt, const void *dy, const int *ids, long n, long c, long vocab) {
	enum { STRIPE = 64 };
#pragma omp parallel for schedule(static) if (vocab * c > SERIAL)
	for (long r = 0; r < vocab; r++)
		memset(dtable + r * c, 0, c * sizeof *dtable);
#pragma omp parallel for schedule(static) if (n * c > SERIAL)
	for (long i = 0; i < c; i += STRIPE) {
		long m = min_(STRIPE, c - i);
		for (long r = 0; r < n; r++) {
			float gb[STRIPE], *out = dtable + ids[r] * c + i;
			const float *g = load(dt, dy, r * c + i, m, gb);
#pragma omp simd
			for (long j = 0; j < m; j++)
				out[j] += g[j];
		}
	}
}

static void copy_rows(int size, void *dst, const void *src, long rows, long n, long dst_stride, long dst_off,
                      long src_stride, long src_off) {
	enum { PIECE = 1 << 16 }; // bytes, so that one long row is shared out too
	long bytes = n * size, pieces = ceil_div(bytes, PIECE);
	char *d = (char *)dst + dst_off * size;
	const char *s = (const char *)src + src_off * size;
#pragma omp parallel for schedule(static) if (rows * n > SERIAL)
	for (long t = 0; t < rows * pieces; t++) {
		long r = t / pieces, i = t % pieces * PIECE;
		memcpy(d + r * dst_stride * size + i, s + r * src_stride * size + i, min_(PIECE, bytes - i));
	}
}

// x[n,h,w,c] → y[n,2h,2w,c], nearest neighbour.
static void upsample(int size, void *y, const void *x, long n, long h, long w, long c) {
	long px = c * size, row = w * px;
#pragma omp parallel for schedule(static) if (n * h * w * c > SERIAL)
	for (long r = 0; r < n * h; r++) {
		const char *in = (const char *)x + r * row;
		char *out = (char *)y + r * 4 * row;
		for (long i = 0; i < w; i++) {
			memcpy(out + 2 * i * px, in + i * px, px);
			memcpy(out + (2 * i + 1) * px, in + i * px, px);
		}
		memcpy(out + 2 * row, out, 2 * row);
	}
}

// y[n,h,w,c] = scale·(sum of each 2×2 of x[n,2h,2w,c]).
static void pool(int dt, void *y, const void *x, long n, long h, long w, long c, float scale) {
#pragma omp parallel for schedule(static) if (n * h * w * c > SERIAL)
	for (long r = 0; r < n * h; r++)
		for (long q = 0; q < w; q++)
			for (long i = 0; i < c; i += BLOCK) {
				float b[4][BLOCK], yb[BLOCK];
				long m = min_(BLOCK, c - i), top = (r * 2 * w + q) * 2 * c + i, bottom = top + 2 * w * c;
				const float *x00 = load(dt, x, top, m, b[0]), *x01 = load(dt, x, top + c, m, b[1]);
				const float *x10 = load(dt, x, bottom, m, b[2]), *x11 = load(dt, x, bottom + c, m, b[3]);
				float *out = target(dt, y, (r * w + q) * c + i, yb);
#pragma omp simd
				for (long j = 0; j < m; j++)
					out[j] = scale * ((x00[j] + x01[j]) + (x10[j] + x11[j]));
				store(dt, y, (r * w + q) * c + i, m, out);
			}
}

// dx[n,2h,2w,c] = scale·dy[n,h,w,c], repeated over each 2×2.
static void pool_grad(int dt, void *dx, const void *dy, long n, long h, long w, long c, float scale) {
#pragma omp parallel for schedule(static) if (n * h * w * c > SERIAL)
	for (long r = 0; r < n * h; r++) {
		for (long q = 0; q < w; q++)
			for (long i = 0; i < c; i += BLOCK) {
				float gb[BLOCK], ob[BLOCK];
				long m = min_(BLOCK, c - i), to = (r * 2 * w + q) * 2 * c + i;
				const float *g = load(dt, dy, (r * w + q) * c + i, m, gb);
#pragma omp simd
				for (long j = 0; j < m; j++)
					ob[j] = scale * g[j];
				store(dt, dx, to, m, ob);
				store(dt, dx, to + c, m, ob);
			}
		char *row = at_out(dt, dx, r * 4 * w * c);
		long bytes = 2 * w * c * dtype_size(dt);
		memcpy(row + bytes, row, bytes);
	}
}
