// The gradient of attention in bf16: the formulas and tasks of
// kernels_attention_grad.h. What a sum runs over lies in pairs, so the queries'
// side of dV and dK is turned: they are made as dVᵀ = dOᵀ·P and dKᵀ = Qᵀ·dS.

enum { GRAD_ROWS = 64 }; // queries of a block at most

// grad_rows makes P and dS of two rows of scores s and products g = dO·Vᵀ, l the
// log₂ of the sums and dot the D of these rows: ds in plain rows, both with the
// rows as a pair of a right-hand side.
static void grad_rows(uint16_t *ds, uint16_t *pair_p, uint16_t *pair_s, const float *s, const float *g, const float *l,
                      const float *dot, const long *seen, long keys, long panel, float c) {
	const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
	                                       21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	for (long j = 0; j < keys; j += 16) {
		__m512 p[2], t[2];
		for (int i = 0; i < 2; i++) {
			long left = seen[i] - j;
			__mmask16 in = left >= 16 ? 0xffff : left > 0 ? (1 << left) - 1 : 0;
			__m512 x = _mm512_fmsub_ps(_mm512_loadu_ps(s + i * keys + j), _mm512_set1_ps(c), _mm512_set1_ps(l[i]));
			p[i] = _mm512_maskz_mov_ps(in, exp2_(x));
			t[i] = _mm512_maskz_mul_ps(in, p[i], _mm512_sub_ps(_mm512_loadu_ps(g + i * keys + j), _mm512_set1_ps(dot[i])));
		}
		__m512i both = (__m512i)_mm512_cvtne2ps_pbh(t[1], t[0]);
		_mm256_storeu_si256((void *)(ds + j), _mm512_castsi512_si256(both));
		_mm256_storeu_si256((void *)(ds + keys + j), _mm512_extracti64x4_epi64(both, 1));
		_mm512_storeu_si512(pair_s + j / 16 * panel, _mm512_permutexvar_epi16(order, both));
		both = (__m512i)_mm512_cvtne2ps_pbh(p[1], p[0]);
		_mm512_storeu_si512(pair_p + j / 16 * panel, _mm512_permutexvar_epi16(order, both));
	}
}

// store_turned writes the first n columns of x[d][ld] as rows of bf16.
static void store_turned(uint16_t *out, long stride, const float *x, long ld, long n, long d, float scale) {
	for (long j = 0; j < d; j += 16)
		for (long i = 0; i < n; i += 16) {
			__m512i a[16];
			for (int k = 0; k < 16; k++)
				a[k] = (__m512i)_mm512_mul_ps(_mm512_set1_ps(scale), _mm512_loadu_ps(x + (j + k) * ld + i));
			turn(a);
			__mmask16 in = d - j < 16 ? (1 << (d - j)) - 1 : 0xffff;
			for (long k = 0; k < min_(16, n - i); k++)
				_mm256_mask_storeu_epi16(out + (i + k) * stride + j, in, (__m256i)_mm512_cvtneps_pbh((__m512)a[k]));
		}
}

static float dot_bf16(const uint16_t *a, const uint16_t *b, long d) {
	__m512 sum = _mm512_setzero_ps();
	struct rows ra = {a, 0, 1, d}, rb = {b, 0, 1, d};
	for (long j = 0; j < d; j += 32)
		sum = _mm512_dpbf16_ps(sum, (__m512bh)part(&ra, 0, j), (__m512bh)part(&rb, 0, j));
	return _mm512_reduce_add_ps(sum);
}

static void attention_grad_bf16(int dt, void *dq, void *dk, void *dv, const void *dy, const void *y, const float *lse,
                                const void *q, const void *k, const void *v, long b, long lq, long lk, long heads,
                                long d, float scale, int causal) {
	if (dt != BF16 || scale <= 0) {
		attention_grad(dt, dq, dk, dv, dy, y, lse, q, k, v, b, lq, lk, heads, d, scale, causal);
		return;
	}
	struct sizes z = sizes_of(lq, lk, heads, d);
	long bh = b * heads, spans = max_(1, min_(z.blocks, 16 / bh)), per = ceil_div(z.blocks, spans);
	long step = min_(GRAD_ROWS, round_up(lq, 32)), rows = round_up(lq, step), keys_max = z.keys;
	float c = scale * (float)M_LOG2E;
	float *part_q = scratch(bh * spans * rows * z.width * sizeof *part_q); // partial dQ
#pragma omp parallel if (bh * lq * lk * d > 8 * SERIAL)
	{
		float *lb = scratch((2 * rows + 2 * (z.width + step) * keys_max) * sizeof *lb), *dot = lb + rows;
		float *dkt = dot + rows, *dvt = dkt + z.width * keys_max, *sb = dvt + z.width * keys_max;
		float *gb = sb + step * keys_max;
		uint16_t *qb = scratch((2 * rows * (z.depth + z.width) + keys_max * (2 * z.depth + z.width) + 3 * step * keys_max) *
		                       sizeof *qb);
		uint16_t *ob = qb + rows * z.depth, *qt = ob + rows * z.depth, *ot = qt + rows * z.width;
		uint16_t *kc = ot + rows * z.width, *vc = kc + keys_max * z.depth, *kr = vc + keys_max * z.depth;
		uint16_t *ds = kr + keys_max * z.width, *pair_p = ds + step * keys_max, *pair_s = pair_p + step * keys_max;
#pragma omp for schedule(dynamic)
		for (long t = 0; t < bh * spans; t++) {
			long h = t / spans, block0 = t % spans * per;
			long from = h / heads * lq * z.stride + h % heads * d;
			struct rows qr = {(const uint16_t *)q + from, z.stride, lq, d}, gr = qr;
			gr.x = (const uint16_t *)dy + from;
			pack_left(qb, qr, rows, z.depth);
			pack_left(ob, gr, rows, z.depth);
			pack_turned(qt, qr, rows, d);
			pack_turned(ot, gr, rows, d);
			for (long i = 0; i < rows; i++) {
				// A row of padding has no probability.
				lb[i] = i < lq ? lse[h * lq + i] * (float)M_LOG2E : INFINITY;
				dot[i] = i < lq ? dot_bf16(gr.x + i * z.stride, (const uint16_t *)y + from + i * z.stride, d) : 0;
			}
			float *dqb = part_q + t * rows * z.width;
			memset(dqb, 0, rows * z.width * sizeof *dqb);
			for (long k0 = block0 * z.keys; k0 < min_(lk, (block0 + per) * z.keys); k0 += z.keys) {
				long nk = min_(z.keys, lk - k0), keys = round_up(nk, 16), panel = 32 * (step / 2);
				long at_key = (h / heads * lk + k0) * z.stride + h % heads * d;
				struct rows krow = {(const uint16_t *)k + at_key, z.stride, nk, d}, vrow = krow;
				vrow.x = (const uint16_t *)v + at_key;
				pack_columns(kc, krow, keys, z.depth / 2);
				pack_columns(vc, vrow, keys, z.depth / 2);
				pack_pairs(kr, krow, keys, z.width);
				memset(dkt, 0, 2 * z.width * keys_max * sizeof *dkt);
				for (long i0 = causal ? k0 / step * step : 0; i0 < lq; i0 += step) {
					product_bf16(step, keys / 16, z.depth / 2, sb, keys, qb + i0 * z.depth, z.depth, kc, 0);
					product_bf16(step, keys / 16, z.depth / 2, gb, keys, ob + i0 * z.depth, z.depth, vc, 0);
					for (long i = 0; i < step; i += 2) {
						long seen[2] = {nk, nk};
						for (int r = 0; r < 2 && causal; r++)
							seen[r] = max_(0, min_(nk, i0 + i + r - k0 + 1));
						grad_rows(ds + i * keys, pair_p + 16 * i, pair_s + 16 * i, sb + i * keys, gb + i * keys,
						          lb + i0 + i, dot + i0 + i, seen, keys, panel, c);
					}
					product_bf16(z.width, keys / 16, step / 2, dvt, keys, ot + i0, rows, pair_p, 1);
					product_bf16(z.width, keys / 16, step / 2, dkt, keys, qt + i0, rows, pair_s, 1);
					product_bf16(step, z.width / 16, keys / 2, dqb + i0 * z.width, z.width, ds, keys, kr, 1);
				}
				store_turned((uint16_t *)dk + at_key, z.stride, dkt, keys, nk, d, scale);
				store_turned((uint16_t *)dv + at_key, z.stride, dvt, keys, nk, d, 1);
			}
		}
		release(qb);
		release(lb);
#pragma omp for schedule(static)
		for (long t = 0; t < bh * lq; t++) {
			long h = t / lq, i = t % lq;
			uint16_t *out = (uint16_t *)dq + (h / heads * lq + i) * z.stride + h % heads * d;
			for (long j = 0; j < d; j += 16) {
				__m512 sum = _mm512_setzero_ps();
				for (long s = 0; s < spans; s++)
					sum = _mm512_add_ps(sum, _mm512_loadu_ps(part_q + ((h * spans + s) * rows + i) * z.width + j));
				sum = _mm512_mul_ps(sum, _mm512_set1_ps(scale));
				__mmask16 in = d - j < 16 ? (1 << (d - j)) - 1 : 0xffff;
				_mm256_mask_storeu_epi16(out + j, in, (__m256i)_mm512_cvtneps_pbh(sum));
			}
		}
	}
	release(part_q);
}
