// CUDA C++ as ordinary C++, so that the kernels run where there is no GPU: each
// thread of a block is a fiber, a barrier or an instruction of a whole warp lets
// the others run first. Shared memory and what cp.async has not delivered yet
// hold NaN; the warps of a block run in another order at every launch.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// static: the files of the dtypes have functions of the same names.
#define DEVICE static inline
#define METHOD inline
#define __shared__ static

struct Dim3 { unsigned x, y, z; };
extern Dim3 threadIdx, blockIdx, blockDim, gridDim;
void __syncthreads();

namespace emulate {

typedef void (*Body)(const void *args);

// Kernel is an entry of the list that cuModuleGetFunction searches.
struct Kernel {
	const char *name;
	Body body;
	size_t args;
	unsigned threads;
	unsigned dynamic; // bytes of shared memory that cuFuncSetAttribute allowed; at first 48 KiB less what variables may take
	Kernel *next;
	Kernel(const char *name, Body body, size_t args, unsigned threads);
};
extern Kernel *kernels;

// launch runs a grid and returns 0, or a CUresult.
int launch(Kernel *k, Dim3 grid, Dim3 block, unsigned shared, const void *args);

// allocate gives memory as the driver aligns it, to 256 bytes.
void *allocate(size_t n);
void release(void *p);

// readable tells whether n bytes at p lie in one allocation; it is the driver's.
bool readable(const void *p, size_t n);

unsigned char *shared_memory();
void copy_async(void *shared, const void *global, int bytes, bool there);
void commit_async();
void wait_async(int left);
void warp_barrier();
float shuffle_xor(float x, int mask);
void load_matrices(unsigned (&r)[4], const void *row, bool transposed);
void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], float (*widen)(uint16_t));

inline float from_bits(uint32_t u) {
	float f;
	memcpy(&f, &u, 4);
	return f;
}
inline uint32_t to_bits(float f) {
	uint32_t u;
	memcpy(&u, &f, 4);
	return u;
}
inline float from_bf16(uint16_t x) { return from_bits((uint32_t)x << 16); }
inline uint16_t to_bf16(float f) {
	uint32_t u = to_bits(f);
	if (f != f) return 0x7fff;
	return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
inline float from_f16(uint16_t h) {
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;
	if (e == 31) return from_bits(sign | 0x7f800000 | m << 13);
	if (e) return from_bits(sign | (e + 112) << 23 | m << 13);
	float tiny = m * 5.9604644775390625e-8f; // 2⁻²⁴
	return sign ? -tiny : tiny;
}
inline uint16_t to_f16(float f) {
	uint32_t u = to_bits(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
	if (a > 0x7f800000) return 0x7fff;
	if (a >= 0x477ff000) return sign | 0x7c00;
	if (a < 0x38800000) return sign | (uint16_t)nearbyintf(from_bits(a) * 16777216.f);
	a += 0xfff + (a >> 13 & 1);
	return sign | ((a - 0x38000000) >> 13);
}

} // namespace emulate


#define KERNEL_(name, A, threads)                                                          \
	static void name(const A a);                                                       \
	static void name##_body(const void *args) { name(*(const A *)args); }              \
	static emulate::Kernel name##_kernel(#name, name##_body, sizeof(A), threads);      \
	static void name(const A a)
