// Attention by blocks of queries and keys with a running softmax (Dao et al.
// 2022; Milakov & Gimelshein 2018): scores exist for one block at a time.

enum {
	KEYS = 96,      // keys of a block: 6 vectors of 16
	QUERIES = 64,   // queries of a block
	QUERIES_MAX = 512, // queries of a task: keys are packed once for all of them
};

// A task's queries: fewer where there are too few heads to occupy all threads.
static long queries_of_task(long bh, long lq) {
	long n = QUERIES_MAX;
	while (n > QUERIES && bh * ceil_div(lq, n) < 32)
		n /= 2;
	return n;
}

static void attention(int dt, void *y, float *lse, const void *q, const void *k, const void *v, long b, long lq,
                      long lk, long heads, long d, float scale, int causal) {
	long stride = heads * d, dp = round_up(d, LANES), step = queries_of_task(b * heads, lq), chunks = ceil_div(lq, step);
	long rows = round_up(min_(step, lq), QUERIES), keys = min_(KEYS, round_up(lk, LANES));
#pragma omp parallel if (b * heads * lq * lk * d > 16 * SERIAL)
	{
		float *qb = scratch((2 * rows * dp + 2 * rows + QUERIES * keys + 2 * keys * dp + dp * keys) * sizeof *qb);
		float *ob = qb + rows * dp, *kb = ob + rows * dp, *vb = kb + keys * dp, *kt = vb + keys * dp;
		float *sb = kt + dp * keys, *mb = sb + QUERIES * keys, *lb = mb + rows;
#pragma omp for schedule(dynamic)
		for (long t = 0; t < b * heads * chunks; t++) {
			long bi = t / chunks / heads, h = t / chunks % heads, q0 = t % chunks * step, nq = min_(step, lq - q0);
			pack_rows(qb, dp, round_up(nq, QUERIES), dt, q, bi * lq + q0, nq, stride, h * d, d, scale);
			memset(ob, 0, rows * dp * sizeof *ob);
			for (long i = 0; i < rows; i++) {
				mb[i] = -INFINITY;
				lb[i] = 0;
			}
			long end = causal ? min_(lk, q0 + nq) : lk;
			for (long k0 = 0; k0 < end; k0 += keys) {
				long nk = min_(keys, lk - k0);
				pack_rows(kb, dp, keys, dt, k, bi * lk + k0, nk, stride, h * d, d, 1);
				pack_rows(vb, dp, keys, dt, v, bi * lk + k0, nk, stride, h * d, d, 1);
				transpose(kt, keys, kb, dp, keys, d);
				for (long i0 = 0; i0 < nq; i0 += QUERIES) {
					if (causal && q0 + i0 + QUERIES <= k0)
						continue;
					long ni = min_(QUERIES, nq - i0);
					gemm(ni, nk, d, sb, keys, qb + i0 * dp, dp, 1, kt, keys, 0);
					for (long i = 0; i < ni; i++) {
						long seen = causal ? min_(nk, q0 + i0 + i - k0 + 1) : nk;
						float *s = sb + i * keys, *o = ob + (i0 + i) * dp;
						if (seen <= 0) {
							memset(s, 0, keys * sizeof *s);
							continue;
						}
						float before = mb[i0 + i], sum = softmax_row(s, seen, mb + i0 + i);
						float shrink = exp_(before - mb[i0 + i]);
						lb[i0 + i] = lb[i0 + i] * shrink + sum;
						for (long j = round_up(seen, LANES); j < keys; j++)
							s[j] = 0;
						if (shrink != 1)
#pragma omp simd
							for (long j = 0; j < dp; j++)
								o[j] *= shrink;
					}
					gemm(ni, d, nk, ob + i0 * dp, dp, sb, keys, 1, vb, dp, 1);
				}
			}
			for (long i = 0; i < nq; i++) {
				float *o = ob + i * dp, inv = 1 / lb[i];
#pragma omp simd
				for (long j = 0; j < dp; j++)
					o[j] *= inv;
				store(dt, y, (bi * lq + q0 + i) * stride + h * d, d, o);
				if (lse)
					lse[(bi * heads + h) * lq + q0 + i] = mb[i] + logf(lb[i]);
			}
		}
		release(qb);
	}
}
