// The gradient of attention: with P = exp(S − lse) made again block by block and
// D = rowsum(dO∘O), dV = PᵀdO, dS = P∘(dO·Vᵀ − D), dQ = scale·dS·K and
// dK = scale·dSᵀ·Q (Dao et al. 2022, algorithm 4).

// A task is one head and one span of key blocks; each writes its own dK and dV
// and a partial dQ. The spans depend on the shape alone.
static long key_spans(long bh, long blocks) { return max_(1, min_(blocks, 16 / bh)); }

static void attention_grad(int dt, void *dq, void *dk, void *dv, const void *dy, const void *y, const float *lse,
                           const void *q, const void *k, const void *v, long b, long lq, long lk, long heads, long d,
                           float scale, int causal) {
	long stride = heads * d, dp = round_up(d, LANES), keys = min_(KEYS, round_up(lk, LANES));
	long blocks = ceil_div(lk, keys), spans = key_spans(b * heads, blocks), per = ceil_div(blocks, spans);
	long rows = round_up(lq, QUERIES);
	float *part = scratch(b * heads * spans * rows * dp * sizeof *part); // partial dQ
#pragma omp parallel if (b * heads * lq * lk * d > 8 * SERIAL)
	{
		size_t floats = 2 * rows * dp + rows + 6 * keys * dp + 2 * QUERIES * keys;
		float *qb = scratch(floats * sizeof *qb), *gb = qb + rows * dp, *dot = gb + rows * dp;
		float *kb = dot + rows, *vb = kb + keys * dp, *kt = vb + keys * dp, *vt = kt + keys * dp;
		float *dkb = vt + keys * dp, *dvb = dkb + keys * dp, *pb = dvb + keys * dp, *sb = pb + QUERIES * keys;
#pragma omp for schedule(dynamic)
		for (long t = 0; t < b * heads * spans; t++) {
			long bi = t / spans / heads, h = t / spans % heads, block0 = t % spans * per;
			const float *lse_h = lse + (bi * heads + h) * lq;
			float *dqb = part + t * rows * dp;
			memset(dqb, 0, rows * dp * sizeof *dqb);
			pack_rows(qb, dp, rows, dt, q, bi * lq, lq, stride, h * d, d, scale);
			// D, by way of a copy of y in gb before dy takes its place.
			pack_rows(gb, dp, rows, dt, y, bi * lq, lq, stride, h * d, d, 1);
			for (long i = 0; i < lq; i++) {
				float *o = gb + i * dp;
				const float *g = load(dt, dy, (bi * lq + i) * stride + h * d, d, kb);
				dot[i] = dot_of(o, g, d);
				memcpy(o, g, d * sizeof *o);
			}
			for (long k0 = block0 * keys; k0 < min_(lk, (block0 + per) * keys); k0 += keys) {
				long nk = min_(keys, lk - k0);
				pack_rows(kb, dp, keys, dt, k, bi * lk + k0, nk, stride, h * d, d, 1);
				pack_rows(vb, dp, keys, dt, v, bi * lk + k0, nk, stride, h * d, d, 1);
				transpose(kt, keys, kb, dp, keys, d);
				transpose(vt, keys, vb, dp, keys, d);
				memset(dkb, 0, 2 * keys * dp * sizeof *dkb);
				for (long i0 = causal ? k0 / QUERIES * QUERIES : 0; i0 < lq; i0 += QUERIES) {
					long ni = min_(QUERIES, lq - i0);
					const float *qi = qb + i0 * dp, *gi = gb + i0 * dp;
					gemm(ni, nk, d, pb, keys, qi, dp, 1, kt, keys, 0);
					gemm(ni, nk, d, sb, keys, gi, dp, 1, vt, keys, 0);
					for (long i = 0; i < ni; i++) {
						long seen = causal ? max_(0, min_(nk, i0 + i - k0 + 1)) : nk;
						float *p = pb + i * keys, *s = sb + i * keys, l = lse_h[i0 + i], di = dot[i0 + i];
						for (long j = seen; j < keys; j++) {
							p[j] = -INFINITY; // exp gives 0
							s[j] = 0;
						}
#pragma omp simd
						for (long j = 0; j < keys; j++) {
							p[j] = exp_(p[j] - l);
							s[j] = p[j] * (s[j] - di);
						}
					}
					gemm(nk, d, ni, dvb, dp, pb, 1, keys, gi, dp, 1);
					gemm(nk, d, ni, dkb, dp, sb, 1, keys, qi, dp, 1);
					gemm(ni, d, nk, dqb + i0 * dp, dp, sb, keys, 1, kb, dp, 1);
				}
				for (long i = 0; i < nk; i++) {
					store(dt, dk, (bi * lk + k0 + i) * stride + h * d, d, dkb + i * dp);
					store(dt, dv, (bi * lk + k0 + i) * stride + h * d, d, dvb + i * dp);
				}
			}
		}
		release(qb);
#pragma omp for schedule(static)
		for (long t = 0; t < b * heads * lq; t++) {
			long bh = t / lq, i = t % lq;
			float *sum = part + (bh * spans * rows + i) * dp;
			for (long s = 1; s < spans; s++) {
				const float *more = sum + s * rows * dp;
#pragma omp simd
				for (long j = 0; j < d; j++)
					sum[j] += more[j];
			}
#pragma omp simd
			for (long j = 0; j < d; j++)
				sum[j] *= scale;
			store(dt, dq, (bh / heads * lq + i) * stride + bh % heads * d, d, sum);
		}
	}
	release(part);
}
