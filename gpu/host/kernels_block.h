// Blocks: kernels compute in float on blocks that stay in the first-level
// cache; load and store convert from and to the tensor's dtype on the way.

#include "memory.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

enum {
	BLOCK = 1024,         // elements of a block
	SERIAL = 16384,       // below so many elements threads cost more than they gain
	REDUCE_BLOCK = 16384, // elements of one partial sum
};

INLINE long min_(long a, long b) { return a < b ? a : b; }
INLINE long max_(long a, long b) { return a > b ? a : b; }
INLINE long ceil_div(long a, long b) { return (a + b - 1) / b; }
INLINE long round_up(long a, long b) { return ceil_div(a, b) * b; }

INLINE int dtype_size(int dt) { return dt == BF16 || dt == F16 ? 2 : 4; }
// In bytes a tensor may be larger than a long, which Windows has of 32 bits.
INLINE const void *at(int dt, const void *p, long i) { return (const char *)p + (ptrdiff_t)i * dtype_size(dt); }
INLINE void *at_out(int dt, void *p, long i) { return (char *)p + (ptrdiff_t)i * dtype_size(dt); }

// scratch is uninitialised memory aligned for vectors, until release. A system that
// cannot give these few megabytes ends the program, as Go's own allocator would.
static inline void *scratch(size_t bytes) {
	void *p = host_alloc(bytes ? bytes : 64);
	if (!p)
		abort();
	return p;
}

static inline void release(void *p) { host_free(p); }

INLINE float float_of(uint32_t u) {
	float f;
	memcpy(&f, &u, 4);
	return f;
}

INLINE uint32_t bits_of(float f) {
	uint32_t u;
	memcpy(&u, &f, 4);
	return u;
}

INLINE uint16_t bf16_of(float f) {
	uint32_t u = bits_of(f);
	uint32_t even = (u + 0x7fff + (u >> 16 & 1)) >> 16;
	return (u & 0x7fffffff) > 0x7f800000 ? u >> 16 | 0x40 : even; // a NaN stays one
}

// The arithmetic is explained in latent/gpu/half.
INLINE float float_of_f16(uint16_t h) {
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, u = (uint32_t)(h & 0x7fff) << 13;
	return (h & 0x7c00) == 0x7c00 ? float_of(sign | 0x7f800000 | u) : float_of(sign | bits_of(float_of(u) * 0x1p112f));
}

INLINE uint16_t f16_of(float f) {
	uint32_t u = bits_of(f), sign = u >> 16 & 0x8000;
	u &= 0x7fffffff;
	uint32_t small = bits_of(float_of(u) + 0.5f) - 0x3f000000;
	uint32_t normal = (u + 0xfff + (u >> 13 & 1) - (112u << 23)) >> 13;
	uint32_t h = u > 0x7f800000    ? 0x7e00 | (u >> 13 & 0x3ff)
	             : u >= 0x477ff000 ? 0x7c00
	             : u < 0x38800000  ? small
	                               : normal;
	return sign | h;
}

static inline void widen_f16(float *dst, const uint16_t *src, long n) {
	long i = 0;
#if LANES == 16
	for (; i + 16 <= n; i += 16)
		_mm512_storeu_ps(dst + i, _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(src + i))));
#elif LANES == 8
	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(src + i))));
#endif
	for (; i < n; i++)
		dst[i] = float_of_f16(src[i]);
}

static inline void narrow_f16(uint16_t *dst, const float *src, long n) {
	long i = 0;
#if LANES == 16
	for (; i + 16 <= n; i += 16)
		_mm256_storeu_si256((void *)(dst + i), _mm512_cvtps_ph(_mm512_loadu_ps(src + i), 0));
#elif LANES == 8
	for (; i + 8 <= n; i += 8)
		_mm_storeu_si128((void *)(dst + i), _mm256_cvtps_ph(_mm256_loadu_ps(src + i), 0));
#endif
	for (; i < n; i++)
		dst[i] = f16_of(src[i]);
}

// sqrt_block is dst = √src; a loop over sqrtf would not become vector code, as
// that sets errno.
static inline void sqrt_block(float *dst, const float *src, long n) {
	long i = 0;
#if LANES == 16
	for (; i + 16 <= n; i += 16)
		_mm512_storeu_ps(dst + i, _mm512_sqrt_ps(_mm512_loadu_ps(src + i)));
#elif LANES == 8
	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(dst + i, _mm256_sqrt_ps(_mm256_loadu_ps(src + i)));
#endif
	for (; i < n; i++)
		dst[i] = sqrtf(src[i]);
}

// load gives x[i:i+n] as floats: in place where it is Float32, else in buf.
static inline const float *load(int dt, const void *x, long i, long n, float *buf) {
	const void *p = at(dt, x, i);
	switch (dt) {
	case F32:
		return p;
	case BF16: {
		const uint16_t *h = p;
#pragma omp simd
		for (long j = 0; j < n; j++)
			buf[j] = float_of((uint32_t)h[j] << 16);
		break;
	}
	case F16:
		widen_f16(buf, p, n);
		break;
	case I32: {
		const int32_t *s = p;
#pragma omp simd
		for (long j = 0; j < n; j++)
			buf[j] = s[j];
		break;
	}
	}
	return buf;
}

// target is where the floats for y[i:…] are best computed: in place where y is
// Float32, else in buf. store then finishes the work.
INLINE float *target(int dt, void *y, long i, float *buf) { return dt == F32 ? (float *)y + i : buf; }

static inline void store(int dt, void *y, long i, long n, const float *buf) {
	void *p = at_out(dt, y, i);
	switch (dt) {
	case F32:
		if (p != buf)
			memcpy(p, buf, n * sizeof(float));
		break;
	case BF16: {
		uint16_t *h = p;
#pragma omp simd
		for (long j = 0; j < n; j++)
			h[j] = bf16_of(buf[j]);
		break;
	}
	case F16:
		narrow_f16(p, buf, n);
		break;
	case I32: {
		int32_t *s = p;
#pragma omp simd
		for (long j = 0; j < n; j++)
			s[j] = (int32_t)buf[j];
		break;
	}
	}
}
