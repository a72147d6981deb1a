// A small matrix product on packed floats in cache, the core of attention.

enum { TILE_ROWS = LANES == 16 ? 8 : 4, TILE_VECS = PRODUCT_VECS }; // accumulators fill the registers

// tile is c[TILE_ROWS][nv·LANES] (+)= a·b for k products. Element (i,j) of a lies
// at a[i·ras + j·cas]: a transposed matrix needs no copy.
INLINE void tile(int nv, float *c, long ldc, const float *a, long ras, long cas, const float *b, long ldb, long k,
                 int add) {
	vec acc[TILE_ROWS][TILE_VECS];
#pragma GCC unroll 8
	for (int i = 0; i < TILE_ROWS; i++)
#pragma GCC unroll 3
		for (int v = 0; v < nv; v++)
			acc[i][v] = add ? at_vec(c + i * ldc + v * LANES) : (vec){0};
	for (long j = 0; j < k; j++) {
		vec bv[TILE_VECS];
#pragma GCC unroll 3
		for (int v = 0; v < nv; v++)
			bv[v] = at_vec(b + j * ldb + v * LANES);
#pragma GCC unroll 8
		for (int i = 0; i < TILE_ROWS; i++) {
			float s = a[i * ras + j * cas];
#pragma GCC unroll 3
			for (int v = 0; v < nv; v++)
				acc[i][v] += s * bv[v];
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < TILE_ROWS; i++)
#pragma GCC unroll 3
		for (int v = 0; v < nv; v++)
			*(vec_at *)(c + i * ldc + v * LANES) = acc[i][v];
}

// gemm is c[m,n] (+)= a[m,k]·b[k,n]. Rows of c and a are there up to the next
// multiple of TILE_ROWS, columns of c and b up to one of LANES.
static void gemm(long m, long n, long k, float *c, long ldc, const float *a, long ras, long cas, const float *b,
                 long ldb, int add) {
	long vecs = ceil_div(n, LANES), panels = ceil_div(vecs, TILE_VECS);
	for (long p = 0, v = 0; p < panels; p++) {
		long nv = ceil_div(vecs - v, panels - p);
		for (long i = 0; i < m; i += TILE_ROWS) {
			float *ci = c + i * ldc + v * LANES;
			const float *ai = a + i * ras, *bv = b + v * LANES;
			switch (nv) {
			case 1:
				tile(1, ci, ldc, ai, ras, cas, bv, ldb, k, add);
				break;
			case 2:
				tile(2, ci, ldc, ai, ras, cas, bv, ldb, k, add);
				break;
			case 3:
				tile(3, ci, ldc, ai, ras, cas, bv, ldb, k, add);
				break;
			}
		}
		v += nv;
	}
}

// pack_rows takes rows [from, from+n) of one head, x[…, stride] at column col,
// into dst[pad][ld], times scale, with zeros around.
static void pack_rows(float *dst, long ld, long pad, int dt, const void *x, long from, long n, long stride, long col,
                      long d, float scale) {
	for (long r = 0; r < n; r++) {
		float *row = dst + r * ld;
		const float *a = load(dt, x, (from + r) * stride + col, d, row);
#pragma omp simd
		for (long j = 0; j < d; j++)
			row[j] = scale * a[j];
		memset(row + d, 0, (ld - d) * sizeof *row);
	}
	if (pad > n)
		memset(dst + n * ld, 0, (pad - n) * ld * sizeof *dst);
}

// transpose is dst[j][i] = src[i][j] for i < n, j < d; n a multiple of LANES.
static void transpose(float *dst, long ldd, const float *src, long lds, long n, long d) {
	for (long i = 0; i < n; i += LANES)
		for (long j = 0; j < d; j++)
#pragma omp simd
			for (long l = 0; l < LANES; l++)
				dst[j * ldd + i + l] = src[(i + l) * lds + j];
}
