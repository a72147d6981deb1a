// Attention in bf16, by the blocks of kernels_attention.h.

// weigh gives p = 2^(c·s−m) in bf16 with m the new running maximum, and
// returns their sum. s has seen scores and is overwritten after them; keys is a
// multiple of 16.
static float weigh(uint16_t *p, float *s, long seen, long keys, float c, float *m) {
	for (long j = seen & -16; j < keys; j += 16) {
		__mmask16 in = j < seen ? (1 << (seen - j)) - 1 : 0;
		_mm512_storeu_ps(s + j, _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), in, _mm512_loadu_ps(s + j)));
	}
	__m512 t1 = _mm512_loadu_ps(s), t2 = t1;
	long j = 16;
	for (; j + 32 <= keys; j += 32) {
		t1 = _mm512_max_ps(t1, _mm512_loadu_ps(s + j));
		t2 = _mm512_max_ps(t2, _mm512_loadu_ps(s + j + 16));
	}
	if (j < keys)
		t1 = _mm512_max_ps(t1, _mm512_loadu_ps(s + j));
	float top = c * _mm512_reduce_max_ps(_mm512_max_ps(t1, t2));
	*m = top = top > *m ? top : *m;
	__m512 scale = _mm512_set1_ps(c), shift = _mm512_set1_ps(top), sum1 = _mm512_setzero_ps(), sum2 = sum1;
	for (j = 0; j + 32 <= keys; j += 32) {
		__m512 lo = exp2_(_mm512_fmsub_ps(_mm512_loadu_ps(s + j), scale, shift));
		__m512 hi = exp2_(_mm512_fmsub_ps(_mm512_loadu_ps(s + j + 16), scale, shift));
		sum1 = _mm512_add_ps(sum1, lo);
		sum2 = _mm512_add_ps(sum2, hi);
		_mm512_storeu_si512(p + j, (__m512i)_mm512_cvtne2ps_pbh(hi, lo));
	}
	if (j < keys) {
		__m512 lo = exp2_(_mm512_fmsub_ps(_mm512_loadu_ps(s + j), scale, shift));
		sum1 = _mm512_add_ps(sum1, lo);
		_mm256_storeu_si256((void *)(p + j), (__m256i)_mm512_cvtneps_pbh(lo));
	}
	return _mm512_reduce_add_ps(_mm512_add_ps(sum1, sum2));
}

// One block of queries against one block of keys: ob, mb and lb are the running
// output, maximum and sum of its rows, which the first block of keys sets.
struct attend_block {
	float *sb, *ob, *mb, *lb;
	uint16_t *pb;
	int first;
};

static void attend(const struct attend_block *w, const struct sizes *z, const uint16_t *q, const uint16_t *k,
                   const uint16_t *v, long rows, long nk, long ahead, float c) {
	long padded = round_up(rows, PANEL_ROWS), keys = round_up(nk, 16);
	product_bf16(padded, keys / 16, z->depth / 2, w->sb, keys, q, z->depth, k, 0);
	for (long i = 0; i < rows; i++) {
		long seen = min_(nk, ahead + i);
		uint16_t *p = w->pb + i * z->keys;
		if (seen <= 0) {
			memset(p, 0, z->keys * sizeof *p);
			continue;
		}
		float *o = w->ob + i * z->width, before = w->mb[i];
		float sum = weigh(p, w->sb + i * keys, seen, keys, c, w->mb + i);
		if (w->first) {
			w->lb[i] = sum;
			continue;
		}
		if (w->mb[i] == before) {
			w->lb[i] += sum;
			continue;
		}
		__m512 shrink = exp2_(_mm512_set1_ps(before - w->mb[i]));
		w->lb[i] = w->lb[i] * _mm512_cvtss_f32(shrink) + sum;
		for (long j = 0; j < z->width; j += 16)
			_mm512_storeu_ps(o + j, _mm512_mul_ps(_mm512_loadu_ps(o + j), shrink));
	}
	product_bf16(padded, z->width / 16, keys / 2, w->ob, z->width, w->pb, z->keys, v, !w->first);
}

static struct sizes sizes_of(long lq, long lk, long heads, long d) {
	struct sizes z = {.stride = heads * d, .depth = round_up(d, 2), .width = round_up(d, 16)};
	z.keys = min_(round_up(lk, 16), z.width <= 192 ? 288 : 192);
	z.blocks = ceil_div(lk, z.keys);
	z.rows = min_(TASK_ROWS, round_up(lq, BLOCK_ROWS));
	return z;
}

static void attention_bf16(int dt, void *y, float *lse, const void *q, const void *k, const void *v, long b, long lq,
                           long lk, long heads, long d, float scale, int causal) {
	if (dt != BF16 || scale <= 0) {
		attention(dt, y, lse, q, k, v, b, lq, lk, heads, d, scale, causal);
		return;
	}
	struct sizes z = sizes_of(lq, lk, heads, d);
	long chunks = ceil_div(lq, z.rows), bh = b * heads;
	float c = scale * (float)M_LOG2E;
	uint16_t *kp = scratch(bh * z.blocks * z.keys * (z.depth + z.width) * sizeof *kp);
	uint16_t *vp = kp + bh * z.blocks * z.keys * z.depth;
#pragma omp parallel if (bh * lq * lk * d > 16 * SERIAL)
	{
		float *ob = scratch((z.rows * (z.width + 2) + BLOCK_ROWS * z.keys) * sizeof *ob);
		float *mb = ob + z.rows * z.width, *lb = mb + z.rows, *sb = lb + z.rows;
		uint16_t *qb = scratch((z.rows * z.depth + BLOCK_ROWS * z.keys) * sizeof *qb), *pb = qb + z.rows * z.depth;
#pragma omp for schedule(static)
		for (long t = 0; t < bh * z.blocks; t++) {
			long h = t / z.blocks, k0 = t % z.blocks * z.keys, n = min_(z.keys, lk - k0);
			long from = (h / heads * lk + k0) * z.stride + h % heads * d;
			pack_columns(kp + t * z.keys * z.depth, (struct rows){(const uint16_t *)k + from, z.stride, n, d},
			             round_up(n, 16), z.depth / 2);
			pack_pairs(vp + t * z.keys * z.width, (struct rows){(const uint16_t *)v + from, z.stride, n, d},
			           round_up(n, 16), z.width);
		}
#pragma omp for schedule(dynamic)
		for (long t = 0; t < bh * chunks; t++) {
			long h = t / chunks, q0 = t % chunks * z.rows, nq = min_(z.rows, lq - q0);
			long from = (h / heads * lq + q0) * z.stride + h % heads * d;
			pack_left(qb, (struct rows){(const uint16_t *)q + from, z.stride, nq, d}, round_up(nq, PANEL_ROWS),
			          z.depth);
			for (long i = 0; i < z.rows; i++)
				mb[i] = -INFINITY;
			long end = causal ? min_(lk, q0 + nq) : lk;
			for (long k0 = 0; k0 < end; k0 += z.keys)
				for (long i = 0; i < nq; i += BLOCK_ROWS) {
					// Row i sees ahead+i keys of this block.
					long ahead = causal ? q0 + i - k0 + 1 : lk, at_key = h * z.blocks * z.keys + k0;
					if (ahead + BLOCK_ROWS - 1 <= 0)
						continue;
					struct attend_block w = {sb, ob + i * z.width, mb + i, lb + i, pb, k0 == 0};
					attend(&w, &z, qb + i * z.depth, kp + at_key * z.depth, vp + at_key * z.width,
					       min_(BLOCK_ROWS, nq - i), min_(z.keys, lk - k0), ahead, c);
				}
			for (long i = 0; i < nq; i++) {
				uint16_t *out = (uint16_t *)y + from + i * z.stride;
				__m512 inv = _mm512_set1_ps(1 / lb[i]);
				for (long j = 0; j < d; j += 16) {
					__m512 o = _mm512_mul_ps(_mm512_loadu_ps(ob + i * z.width + j), inv);
					__mmask16 in = d - j < 16 ? (1 << (d - j)) - 1 : 0xffff;
					_mm256_mask_storeu_epi16(out + j, in, (__m256i)_mm512_cvtneps_pbh(o));
				}
			}
			for (long i = 0; lse && i < nq; i += 16) {
				__m512 l = _mm512_add_ps(_mm512_loadu_ps(mb + i), log2_(_mm512_loadu_ps(lb + i)));
				__mmask16 in = nq - i < 16 ? (1 << (nq - i)) - 1 : 0xffff;
				_mm512_mask_storeu_ps(lse + h * lq + q0 + i, in, _mm512_mul_ps(l, _mm512_set1_ps((float)M_LN2)));
			}
		}
		release(qb);
		release(ob);
	}
	release(kp);
}
