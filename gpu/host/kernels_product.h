// A matrix product on weights in panels, the core of own.c.

static long product_lanes(void) { return LANES; }

// product is c[m,n] += a[m,k]·b[k,n] for at most PRODUCT_TERMS terms, the ones after
// from of so many in b. Element (i,j) of a lies at a[i·ras + j·cas]. b lies in panels of
// COLUMNS columns, [terms][COLUMNS], the last one as narrow as whole vectors allow.
static void product(float *c, long ldc, const float *a, long ras, long cas, const float *b, long terms, long from,
                    long m, long n, long k) {
	float rows[TILE_ROWS * PRODUCT_TERMS], sums[TILE_ROWS * COLUMNS];
	for (long j = 0; j < n; j += COLUMNS, b += terms * COLUMNS) {
		long columns = min_(COLUMNS, n - j), width = round_up(columns, LANES);
		const float *bj = b + from * width;
		for (long i = 0; i < m; i += TILE_ROWS) {
			long here = min_(TILE_ROWS, m - i), as = ras, at = cas, line = ldc;
			const float *ai = a + i * ras;
			float *ci = c + i * ldc + j;
			if (here < TILE_ROWS) { // a tile reads all its rows
				memset(rows, 0, sizeof rows);
				for (long r = 0; r < here; r++)
					for (long l = 0; l < k; l++)
						rows[r * PRODUCT_TERMS + l] = ai[r * ras + l * cas];
				ai = rows, as = PRODUCT_TERMS, at = 1;
			}
			int whole = here == TILE_ROWS && columns == width;
			if (!whole) { // and writes all its columns
				memset(sums, 0, sizeof sums);
				for (long r = 0; r < here; r++)
					memcpy(sums + r * COLUMNS, ci + r * ldc, columns * sizeof *sums);
				ci = sums, line = COLUMNS;
			}
			switch (width / LANES) {
			case 1:
				tile(1, ci, line, ai, as, at, bj, width, k, 1);
				break;
			case 2:
				tile(2, ci, line, ai, as, at, bj, width, k, 1);
				break;
			case 3:
				tile(3, ci, line, ai, as, at, bj, width, k, 1);
				break;
			}
			if (!whole)
				for (long r = 0; r < here; r++)
					memcpy(c + (i + r) * ldc + j, sums + r * COLUMNS, columns * sizeof *sums);
		}
	}
}
