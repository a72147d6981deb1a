// 3×3 convolutions of stride 1 with a border of one pixel by Winograd's F(2×2, 3×3)
// (Lavin & Gray 2016): 2×2 results are Aᵀ[(G·g·Gᵀ) ⊙ (Bᵀ·d·B)]A of the 3×3 weights g
// and 4×4 pixels d: 16 products where the sums themselves have 36. With many channels
// these are 16 matrix products, [tiles,c]·[c,o].

enum {
	PRODUCTS = 16,
	TILES = 32,                     // of a block
	COLUMNS = TILE_VECS * LANES, // of a panel of weights
};

// wino_input is d = Bᵀ·d·B.
INLINE void wino_input(vec d[16]) {
#pragma GCC unroll 8
	for (int k = 0; k < 8; k++) { // lines down, then across
		int i = k < 4 ? k : 4 * (k - 4), s = k < 4 ? 4 : 1;
		vec a = d[i], b = d[i + s], c = d[i + 2 * s], e = d[i + 3 * s];
		d[i] = a - c;
		d[i + s] = b + c;
		d[i + 2 * s] = c - b;
		d[i + 3 * s] = b - e;
	}
}

// wino_output is y = Aᵀ·m·A.
INLINE void wino_output(vec y[4], const vec m[16]) {
	vec s[8];
#pragma GCC unroll 4
	for (int j = 0; j < 4; j++) {
		s[j] = m[j] + m[4 + j] + m[8 + j];
		s[4 + j] = m[4 + j] - m[8 + j] - m[12 + j];
	}
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++) {
		y[2 * i] = s[4 * i] + s[4 * i + 1] + s[4 * i + 2];
		y[2 * i + 1] = s[4 * i + 1] - s[4 * i + 2] - s[4 * i + 3];
	}
}

// wino_weights is u = G·g·Gᵀ.
INLINE void wino_weights(vec u[16], const vec g[9]) {
	vec t[12];
#pragma GCC unroll 3
	for (int j = 0; j < 3; j++) {
		vec a = g[j], b = g[3 + j], c = g[6 + j];
		t[j] = a;
		t[3 + j] = 0.5f * (a + b + c);
		t[6 + j] = 0.5f * (a - b + c);
		t[9 + j] = c;
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		vec a = t[3 * i], b = t[3 * i + 1], c = t[3 * i + 2];
		u[4 * i] = a;
		u[4 * i + 1] = 0.5f * (a + b + c);
		u[4 * i + 2] = 0.5f * (a - b + c);
		u[4 * i + 3] = c;
	}
}

// Pictures [n,h,w] in rows and columns of tiles.
struct tiling {
	long n, h, w, rows, columns;
};

static struct tiling tiling_of(long n, long h, long w) {
	return (struct tiling){n, h, w, ceil_div(h, 2), ceil_div(w, 2)};
}

// tile_pixels numbers a tile's 4×4 pixels, −1 for those outside the picture; the middle
// ones are its results.
INLINE void tile_pixels(const struct tiling *z, long t, long pixel[16]) {
	long image = t / (z->rows * z->columns), top = 2 * (t / z->columns % z->rows) - 1, left = 2 * (t % z->columns) - 1;
	for (int k = 0; k < 16; k++) {
		long i = top + k / 4, j = left + k % 4;
		pixel[k] = i >= 0 && i < z->h && j >= 0 && j < z->w ? (image * z->h + i) * z->w + j : -1;
	}
}

static const int middle_pixel[4] = {5, 6, 9, 10}; // of a tile: its results

// winograd_pack makes U of w[o,3,3,c]. It lies in panels of columns, [16][panels][c][COLUMNS],
// those beyond o zero. turned is for the gradient dx = dy ∗ wᵀ: o and c change places, and
// the 3×3 weights are turned round.
static void winograd_pack(int dt, void *packed, const void *weights, long o, long c, int turned) {
	if (dt != F32)
		abort();
	long results = turned ? c : o, terms = turned ? o : c;
	long panels = ceil_div(results, COLUMNS), plane = panels * terms * COLUMNS;
	float *u = packed;
	const float *w = weights;
	memset(u, 0, PRODUCTS * plane * sizeof *u);
#pragma omp parallel for schedule(static)
	for (long i = 0; i < o; i++)
		for (long j = 0; j < c; j += LANES) {
			vec g[9], v[16];
#pragma GCC unroll 9
			for (int k = 0; k < 9; k++)
				g[turned ? 8 - k : k] = at_vec(w + (i * 9 + k) * c + j);
			wino_weights(v, g);
			for (int k = 0; k < PRODUCTS; k++) {
				if (turned) {
					*(vec_at *)(u + k * plane + (j / COLUMNS * terms + i) * COLUMNS + j % COLUMNS) = v[k];
					continue;
				}
				float *to = u + k * plane + (i / COLUMNS * terms + j) * COLUMNS + i % COLUMNS;
				for (long l = 0; l < LANES; l++)
					to[l * COLUMNS] = v[k][l];
			}
		}
}

// winograd is y[n,h,w,o] (+)= x[n,h,w,c] ∗ w + bias; c and o are multiples of 32.
static void winograd(int dt, void *y, const void *x, const void *packed, const float *bias, int add, long n, long h,
                     long w, long c, long o) {
	if (dt != F32)
		abort();
	struct tiling z = tiling_of(n, h, w);
	long tiles = n * z.rows * z.columns, panels = ceil_div(o, COLUMNS), plane = panels * c * COLUMNS;
	const float *xf = x, *u = packed;
	float *yf = y;
#pragma omp parallel
	{
		float *v = scratch(PRODUCTS * TILES * (c + COLUMNS) * sizeof *v), *m = v + PRODUCTS * TILES * c;
		long pixel[TILES][16];
#pragma omp for schedule(dynamic)
		for (long t0 = 0; t0 < tiles; t0 += TILES) {
			long nt = min_(TILES, tiles - t0);
			for (long t = 0; t < nt; t++) {
				tile_pixels(&z, t0 + t, pixel[t]);
				for (long j = 0; j < c; j += LANES) {
					vec d[16];
#pragma GCC unroll 16
					for (int k = 0; k < 16; k++)
						d[k] = pixel[t][k] < 0 ? (vec){0} : at_vec(xf + pixel[t][k] * c + j);
					wino_input(d);
#pragma GCC unroll 16
					for (int k = 0; k < 16; k++)
						*(vec_at *)(v + (k * TILES + t) * c + j) = d[k];
				}
			}
			for (long p = 0; p < panels; p++) {
				for (int k = 0; k < PRODUCTS; k++)
					gemm(nt, COLUMNS, c, m + k * TILES * COLUMNS, COLUMNS, v + k * TILES * c, c, 1,
					     u + k * plane + p * c * COLUMNS, COLUMNS, 0);
				for (long t = 0; t < nt; t++)
					for (long l = 0, j; l < COLUMNS && (j = p * COLUMNS + l) < o; l += LANES) {
						vec s[16], r[4];
#pragma GCC unroll 16
						for (int k = 0; k < 16; k++)
							s[k] = at_vec(m + (k * TILES + t) * COLUMNS + l);
						wino_output(r, s);
#pragma GCC unroll 4
						for (int k = 0; k < 4; k++) {
							long at = pixel[t][middle_pixel[k]];
							if (at < 0)
								continue;
							vec_at *out = (vec_at *)(yf + at * o + j);
							if (bias)
								r[k] += at_vec(bias + j);
							*out = add ? *out + r[k] : r[k];
						}
					}
			}
		}
		release(v);
	}
}
