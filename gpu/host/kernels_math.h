// Elementary functions without branches, so that loops over them become vector
// code. The coefficients are minimax fits (Lawson's algorithm) in relative
// error, rounded to float.

// Adding rounder to a small number rounds it to an integer, which then stands
// in the last bits.
static const float rounder = 0x1.8p23f;
enum { ROUNDER_BITS = 0x4b400000 };

// rest is x − n·ln 2, with ln 2 in two parts; the first product is exact.
INLINE float rest(float x, float n) { return (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f; }

// exp_ is eˣ to 2 ulp. Where eˣ is subnormal (x < −87) it gives 0. With
// x = n·ln 2 + r it is 2ⁿ·eʳ. The limits of n are set on integers and the zero by
// a mask: both are one instruction, a comparison of floats would be a branch.
INLINE float exp_(float x) {
	int32_t i = (int32_t)(bits_of(x * 0x1.715476p+0f + rounder) - ROUNDER_BITS);
	i = i < -126 ? -126 : i;
	i = i > 128 ? 128 : i;
	float r = rest(x, (float)i);
	float p = 0.0013843559f;
	p = p * r + 0.0083742356f;
	p = p * r + 0.041668009f;
	p = p * r + 0.1666643f;
	p = p * r + 0.49999994f;
	p = p * r + 1;
	p = p * r + 1;
	float e = p * float_of((uint32_t)(i + 126) << 23) * 2; // i may be 128
	return float_of(bits_of(e) & (x < -87 ? 0 : ~0u));
}

INLINE float sigmoid(float x) { return 1 / (1 + exp_(-x)); }

// tanh x = (e²ˣ−1)/(e²ˣ+1), with e²ˣ−1 formed without cancellation.
INLINE float tanh_(float x) {
	float c = 2 * (x > 10 ? 10 : x < -10 ? -10 : x);
	float n = (c * 0x1.715476p+0f + rounder) - rounder, r = rest(c, n);
	float p = 0.0013946554f;
	p = p * r + 0.0083666444f;
	p = p * r + 0.04166628f;
	p = p * r + 0.16666542f;
	p = p * r + 0.5f;
	p = p * r * r + r; // e^r − 1
	float s = float_of((uint32_t)((int32_t)n + 127) << 23), m = p * s + (s - 1);
	return m / (m + 2);
}

// normal_cdf is Φ(x) = ½·erfc(−x/√2), with *phi the density φ(x).
// For z = |x|/√2, e^(z²)·erfc(z) is t·P(t) with t = 1/(1+0.4·z).
INLINE float normal_cdf(float x, float *phi) {
	float a = x < 0 ? -x : x, sq = 0.5f * x * x;
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
