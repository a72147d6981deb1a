// The elementwise functions and their derivatives, numbered as gpu.Func.
#pragma once

enum { SILU, GELU, QUICK_GELU, EXP, SQUARE, TANH };

DEVICE float sigmoid(float x) { return 1.f / (1.f + expf(-x)); }
DEVICE float silu(float x) { return x * sigmoid(x); }
DEVICE float silu_slope(float x) {
	float s = sigmoid(x);
	return s * (1.f + x * (1.f - s));
}
// Φ, the distribution function of N(0,1).
DEVICE float phi(float x) { return 0.5f * erfcf(-0.70710678118654752f * x); }
DEVICE float gelu(float x) { return x * phi(x); }
DEVICE float gelu_slope(float x) { return phi(x) + x * expf(-0.5f * x * x) * 0.39894228040143268f; }

// What ends as a half-width number needs fewer digits: SiLU, and GELU by formula
// 7.1.26 of Abramowitz & Stegun for erfc, whose error is 1.5·10⁻⁷.
DEVICE float silu_fast(float x) { return x * reciprocal_fast(1.f + exp2_fast(-1.4426950408889634f * x)); }
DEVICE float gelu_fast(float x) {
	float z = 0.70710678118654752f * fabsf(x), t = reciprocal_fast(1.f + 0.3275911f * z);
	float p = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
	p *= 0.5f * exp2_fast(-1.4426950408889634f * z * z); // Φ(−|x|)
	return x * (x < 0.f ? p : 1.f - p);
}

DEVICE float apply(int f, float x) {
	switch (f) {
	case SILU: return silu(x);
	case GELU: return gelu(x);
	case QUICK_GELU: return x * sigmoid(1.702f * x);
	case EXP: return expf(x);
	case SQUARE: return x * x;
	default: return tanhf(x);
	}
}

DEVICE float slope(int f, float x) {
	switch (f) {
	case SILU: return silu_slope(x);
	case GELU: return gelu_slope(x);
	case QUICK_GELU: return silu_slope(1.702f * x);
	case EXP: return expf(x);
	case SQUARE: return 2.f * x;
	default: {
		float t = tanhf(x);
		return 1.f - t * t;
	}
	}
}
