// Elementary functions without branches, so that loops over them become vector
// code. The coefficients are minimax fits (Lawson's algorithm) in relative
// error, rounded to float.

// exp_parts writes x = n·ln 2 + r with |r| ≤ ½·ln 2.
INLINE float exp_parts(float x, float *r) {
	const float shift = 0x1.8p23f; // adding it rounds to an integer
	float n = x * 0x1.715476p+0f + shift - shift;
	*r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f; // ln 2 in two parts; the first product is exact
	return n;
}

// exp2_int is 2ⁿ for an integer n in [−126, 127].
INLINE float exp2_int(float n) { return float_of((uint32_t)((int32_t)n + 127) << 23); }

// exp_ is eˣ to 2 ulp. Where eˣ is subnormal (x < −87) it gives 0.
INLINE float exp_(float x) {
	float r, c = x > 89 ? 89 : x < -87 ? -87 : x;
	float n = exp_parts(c, &r);
	float p = 0.0013843559f;
	p = p * r + 0.0083742356f;
	p = p * r + 0.041668009f;
	p = p * r + 0.1666643f;
	p = p * r + 0.49999994f;
	p = p * r + 1;
	p = p * r + 1;
	float e = p * exp2_int(n - 1) * 2; // n may be 128
	return x < -87 ? 0 : e;
}

INLINE float sigmoid(float x) { return 1 / (1 + exp_(-x)); }

// tanh x = (e²ˣ−1)/(e²ˣ+1), with e²ˣ−1 formed without cancellation.
INLINE float tanh_(float x) {
	float r, c = x > 10 ? 10 : x < -10 ? -10 : x;
	float n = exp_parts(2 * c, &r);
	float p = 0.0013946554f;
	p = p * r + 0.0083666444f;
	p = p * r + 0.04166628f;
	p = p * r + 0.16666542f;
	p = p * r + 0.5f;
	p = p * r * r + r; // e^r − 1
	float s = exp2_int(n), m = p * s + (s - 1);
	return m / (m + 2);
}

// normal_cdf is Φ(x) = ½·erfc(−x/√2), with *phi the density φ(x).
// For z = |x|/√2, e^(z²)·erfc(z) is t·P(t) with t = 1/(1+0.4·z).
INLINE float normal_cdf(float x, float *phi) {
	float a = x < 0 ? -x : x, sq = 0.5f * x * x;
	a = a > 15 ? 15 : a;
	float e = exp_(-sq);
	float t = 1 / (1 + 0.28284271f * a);
	float p = -0.030595161f;
	p = p * t + 0.20347422f;
	p = p * t - 0.51172084f;
	p = p * t + 0.56475335f;
	p = p * t - 0.29886642f;
	p = p * t + 0.27990788f;
	p = p * t + 0.1269457f;
	p = p * t + 0.21551055f;
	p = p * t + 0.22488008f;
	p = p * t + 0.22571066f;
	float tail = 0.5f * t * p * e;
	*phi = 0.3989422804f * e;
	return x < 0 ? tail : 1 - tail;
}

INLINE float silu(float x) { return x * sigmoid(x); }

INLINE float silu_slope(float x) {
	float s = sigmoid(x);
	return s * (1 + x * (1 - s));
}

INLINE float gelu(float x) {
	float phi;
	return x * normal_cdf(x, &phi);
}

INLINE float gelu_slope(float x) {
	float phi, cdf = normal_cdf(x, &phi);
	return cdf + x * phi;
}
