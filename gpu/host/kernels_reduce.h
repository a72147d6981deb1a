// Reductions of a block in cache to one number, in an order that n alone sets.

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float vec_at __attribute__((vector_size(4 * LANES), aligned(4))); // unaligned access

INLINE vec at_vec(const float *x) { return *(const vec_at *)x; }

INLINE float vec_sum(vec v) {
#if LANES == 16
	return _mm512_reduce_add_ps((__m512)v);
#else
	float s[LANES];
	memcpy(s, &v, sizeof s);
	for (int w = LANES / 2; w > 0; w /= 2)
		for (int i = 0; i < w; i++)
			s[i] += s[i + w];
	return s[0];
#endif
}

INLINE float vec_max(vec v) {
#if LANES == 16
	return _mm512_reduce_max_ps((__m512)v);
#else
	float s[LANES];
	memcpy(s, &v, sizeof s);
	for (int w = LANES / 2; w > 0; w /= 2)
		for (int i = 0; i < w; i++)
			s[i] = s[i] > s[i + w] ? s[i] : s[i + w];
	return s[0];
#endif
}

// Four running vectors hide the latency of the addition.

static float sum_of(const float *x, long n) {
	vec a[4] = {{0}};
	long i = 0;
	for (; i + 4 * LANES <= n; i += 4 * LANES)
		for (int j = 0; j < 4; j++)
			a[j] += at_vec(x + i + j * LANES);
	for (; i + LANES <= n; i += LANES)
		a[0] += at_vec(x + i);
	float sum = vec_sum((a[0] + a[1]) + (a[2] + a[3]));
	for (; i < n; i++)
		sum += x[i];
	return sum;
}

static float dot_of(const float *x, const float *y, long n) {
	vec a[4] = {{0}};
	long i = 0;
	for (; i + 4 * LANES <= n; i += 4 * LANES)
		for (int j = 0; j < 4; j++)
			a[j] += at_vec(x + i + j * LANES) * at_vec(y + i + j * LANES);
	for (; i + LANES <= n; i += LANES)
		a[0] += at_vec(x + i) * at_vec(y + i);
	float sum = vec_sum((a[0] + a[1]) + (a[2] + a[3]));
	for (; i < n; i++)
		sum += x[i] * y[i];
	return sum;
}

INLINE vec greater(vec a, vec b) {
#if LANES == 16
	return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif LANES == 8
	return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
	for (int i = 0; i < LANES; i++)
		a[i] = a[i] > b[i] ? a[i] : b[i];
	return a;
#endif
}

// max_of takes whole vectors: n is a multiple of LANES.
static float max_of(const float *x, long n) {
	vec a = at_vec(x), b = a;
	long i = LANES;
	for (; i + 2 * LANES <= n; i += 2 * LANES) {
		a = greater(a, at_vec(x + i));
		b = greater(b, at_vec(x + i + LANES));
	}
	if (i < n)
		a = greater(a, at_vec(x + i));
	a = greater(a, b);
	return vec_max(a);
}
