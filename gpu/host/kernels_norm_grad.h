// The gradients of group norm and layer norm.

// The two passes of the gradient share the step from (dy, x) to
// x̂ = (x−mean)·rstd and du = ∂loss/∂(γ·x̂+β).
struct norm_row {
	float *mean, *rstd, *gamma, *beta, *xhat, *du, *xb, *gb;
};

static void norm_row_of(struct norm_row *b, int dt, const void *dy, const void *x, long i, long width, int silu_too) {
	const float *a = load(dt, x, i, width, b->xb), *g = load(dt, dy, i, width, b->gb);
	if (silu_too) {
#pragma omp simd
		for (long j = 0; j < width; j++) {
			float h = (a[j] - b->mean[j]) * b->rstd[j];
			b->xhat[j] = h;
			b->du[j] = g[j] * silu_slope(h * b->gamma[j] + b->beta[j]);
		}
	} else {
#pragma omp simd
		for (long j = 0; j < width; j++) {
			b->xhat[j] = (a[j] - b->mean[j]) * b->rstd[j];
			b->du[j] = g[j];
		}
	}
}

static struct norm_row norm_row_for(long width) {
	float *p = scratch(8 * width * sizeof *p);
	return (struct norm_row){p,
	                         p + width,
	                         p + 2 * width,
	                         p + 3 * width,
	                         p + 4 * width,
	                         p + 5 * width,
	                         p + 6 * width,
	                         p + 7 * width};
}

static void norm_row_vectors(struct norm_row *b, const float *stats, const float *gamma, const float *beta, long width,
                             long c, long groups) {
	repeat(b->mean, stats, 2, groups, c / groups);
	repeat(b->rstd, stats + 1, 2, groups, c / groups);
	tile_row(b->mean, b->mean, c, width);
	tile_row(b->rstd, b->rstd, c, width);
	tile_row(b->gamma, gamma, c, width);
	tile_row(b->beta, beta, c, width);
}

// With m = elements of a group and sums over it (A over γ·du, B over γ·du·x̂):
// dβ = Σdu, dγ = Σdu·x̂, dx = rstd·(γ·du − (A + x̂·B)/m).
static void group_norm_grad(int dt, void *dx, float *dgamma, float *dbeta, const void *dy, const void *x,
                            const float *stats, const float *gamma, const float *beta, long n, long p, long c,
                            long groups, int silu_too) {
	struct wide w = wide_rows(p, c);
	long width = w.width, group = c / groups;
	float *part = scratch(n * w.chunks * 2 * c * sizeof *part); // [n,chunks,2,c]
	float *ab = scratch(n * groups * 2 * sizeof *ab);           // A/m and B/m
#pragma omp parallel if (n * p * c > SERIAL)
	{
		struct norm_row b = norm_row_for(width);
		float *sum = scratch(4 * width * sizeof *sum), *dot = sum + width, *aw = dot + width, *bw = aw + width;
#pragma omp for schedule(static)
		for (long t = 0; t < n * w.chunks; t++) {
			long s = t / w.chunks, from = t % w.chunks * w.chunk, to = min_(w.rows, from + w.chunk);
			norm_row_vectors(&b, stats + s * groups * 2, gamma, beta, width, c, groups);
			memset(sum, 0, 2 * width * sizeof *sum);
			for (long r = from; r < to; r++) {
				norm_row_of(&b, dt, dy, x, (s * w.rows + r) * width, width, silu_too);
#pragma omp simd
				for (long j = 0; j < width; j++) {
					sum[j] += b.du[j];
					dot[j] += b.du[j] * b.xhat[j];
				}
			}
			float *to_sum = part + t * 2 * c, *to_dot = to_sum + c;
			memset(to_sum, 0, 2 * c * sizeof *to_sum);
			for (long j0 = 0; j0 < width; j0 += c)
				for (long j = 0; j < c; j++) {
					to_sum[j] += sum[j0 + j];
					to_dot[j] += dot[j0 + j];
				}
		}
#pragma omp for schedule(static)
		for (long g = 0; g < groups; g++) {
			for (long j = g * group; j < (g + 1) * group; j++)
				dbeta[j] = dgamma[j] = 0;
			for (long s = 0; s < n; s++) {
				double a = 0, d = 0;
				for (long j = g * group; j < (g + 1) * group; j++) {
					double u = 0, v = 0;
					for (long t = s * w.chunks; t < (s + 1) * w.chunks; t++) {
						u += part[t * 2 * c + j];
						v += part[t * 2 * c + c + j];
					}
					dbeta[j] += u;
					dgamma[j] += v;
					a += u * gamma[j];
					d += v * gamma[j];
				}
				double m = (double)p * group;
				ab[(s * groups + g) * 2] = a / m;
				ab[(s * groups + g) * 2 + 1] = d / m;
			}
		}
#pragma omp for schedule(static)
		for (long t = 0; t < n * w.chunks; t++) {
			long s = t / w.chunks, from = t % w.chunks * w.chunk, to = min_(w.rows, from + w.chunk);
			norm_row_vectors(&b, stats + s * groups * 2, gamma, beta, width, c, groups);
			repeat(aw, ab + s * groups * 2, 2, groups, group);
			repeat(bw, ab + s * groups * 2 + 1, 2, groups, group);
			tile_row(aw, aw, c, width);
			tile_row(bw, bw, c, width);
			for (long r = from; r < to; r++) {
				long i = (s * w.rows + r) * width;
				norm_row_of(&b, dt, dy, x, i, width, silu_too);
				float *out = target(dt, dx, i, b.xb);
#pragma omp simd
				for (long j = 0; j < width; j++)
					out[j] = b.rstd[j] * (b.gamma[j] * b.du[j] - (aw[j] + b.xhat[j] * bw[j]));
				store(dt, dx, i, width, out);
			}
		}
		release(sum);
		release(b.mean);
	}
	release(part);
	release(ab);
}

static void layer_norm_grad(int dt, void *dx, float *dgamma, float *dbeta, const void *dy, const void *x,
                            const float *stats, const float *gamma, long rows, long c) {
	enum { CHUNK = 64 };
	long chunks = ceil_div(rows, CHUNK);
	float *part = scratch(chunks * 2 * c * sizeof *part); // [chunks,2,c]
#pragma omp parallel if (rows * c > SERIAL)
	{
		float *xb = scratch(4 * c * sizeof *xb), *gb = xb + c, *db = gb + c, *hb = db + c;
#pragma omp for schedule(static)
		for (long t = 0; t < chunks; t++) {
			float *beta_sum = part + t * 2 * c, *gamma_sum = beta_sum + c;
			memset(beta_sum, 0, 2 * c * sizeof *beta_sum);
			for (long r = t * CHUNK; r < min_(rows, (t + 1) * CHUNK); r++) {
				const float *a = load(dt, x, r * c, c, xb), *g = load(dt, dy, r * c, c, gb);
				float *out = target(dt, dx, r * c, db);
				float mean = stats[2 * r], rstd = stats[2 * r + 1];
#pragma omp simd
				for (long j = 0; j < c; j++) {
					float h = (a[j] - mean) * rstd;
					hb[j] = h;
					db[j] = g[j] * gamma[j];
					beta_sum[j] += g[j];
					gamma_sum[j] += g[j] * h;
				}
				float m0 = sum_of(db, c) / c, m1 = dot_of(db, hb, c) / c;
#pragma omp simd
				for (long j = 0; j < c; j++)
					out[j] = rstd * (db[j] - (m0 + hb[j] * m1));
				store(dt, dx, r * c, c, out);
			}
		}
#pragma omp for schedule(static)
		for (long j = 0; j < c; j++) {
			double u = 0, v = 0;
			for (long t = 0; t < chunks; t++) {
				u += part[t * 2 * c + j];
				v += part[t * 2 * c + c + j];
			}
			dbeta[j] = u;
			dgamma[j] = v;
		}
		release(xb);
	}
	release(part);
}
