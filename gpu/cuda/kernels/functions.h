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
