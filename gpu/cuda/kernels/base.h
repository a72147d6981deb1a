// The ground of every kernel: element types, and each machine instruction that
// C++ has no word for as one small function. Built by a CUDA compiler they are
// the PTX instructions; built by a C++ compiler, for the stand-in driver of the
// tests, their twins in standin/library/emulate.h act as the PTX ISA describes them.
//
// Every file is compiled once for each storage type: T is float, bf16 or f16.
#pragma once

#ifdef __CUDACC__
#define DEVICE __device__ __forceinline__
#define METHOD DEVICE
#define KERNEL_(name, A, threads) extern "C" __global__ void __launch_bounds__(threads) name(const A a)
#else
#include "../standin/library/emulate.h"
#endif

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

struct bf16 { u16 bits; };
struct f16 { u16 bits; };

#if defined(DTYPE_f32)
typedef float T;
#define NAME(x) x##_f32
#elif defined(DTYPE_bf16)
typedef bf16 T;
#define NAME(x) x##_bf16
#elif defined(DTYPE_f16)
typedef f16 T;
#define NAME(x) x##_f16
#endif

// KERNEL(name, Args, threads) { … a.field … } is a kernel name_f32, name_bf16 or
// name_f16 with its arguments in one struct of args.h.
#define KERNEL(name, A, threads) KERNEL_EXPANDED(NAME(name), A, threads)
#define KERNEL_EXPANDED(name, A, threads) KERNEL_(name, A, threads)

template <class X> struct is_half { static const bool value = true; };
template <> struct is_half<float> { static const bool value = false; };

#ifdef __CUDACC__

DEVICE float widen(f16 x) {
	float y;
	asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
	return y;
}
DEVICE void narrow(f16 &y, float x) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x)); }
DEVICE float widen(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
DEVICE void narrow(bf16 &y, float x) { asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x)); }

DEVICE float float_from_bits(u32 x) { return __uint_as_float(x); }

// 2ˣ, with an error of two units in the last place.
DEVICE float exp2_fast(float x) {
	float y;
	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

// 1/x, with an error of one unit in the last place.
DEVICE float reciprocal_fast(float x) {
	float y;
	asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

// Shared is an address in shared memory, counted in bytes.
typedef u32 Shared;
DEVICE Shared shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

// copy_async moves 16 bytes to shared memory, or zeros where there is nothing to
// read, once the group it is committed to was waited for. copy_async_near keeps
// what it read in the L1 cache too.
DEVICE void copy_async(Shared shared, const void *global, bool there) {
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(there ? 16 : 0));
}
DEVICE void copy_async_near(Shared shared, const void *global, bool there) {
	asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(there ? 16 : 0));
}
// copy_async_few moves 4 or 8 bytes.
template <int bytes> DEVICE void copy_async_few(Shared shared, const void *global) {
	asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(shared), "l"(global), "n"(bytes));
}
DEVICE void commit_async() { asm volatile("cp.async.commit_group;"); }
template <int left> DEVICE void wait_async() { asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory"); }

// load_matrices gives each lane its part of four 8×8 matrices of half-width
// numbers; lane 8i+r points at row r of matrix i.
DEVICE void load_matrices(u32 (&r)[4], Shared row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
	             : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}
DEVICE void load_matrices_transposed(u32 (&r)[4], Shared row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
	             : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}

// multiply is d[16×8] += a[16×16]·b[16×8] by the 32 lanes of a warp.
DEVICE void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], bf16) {
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
	             : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], f16) {
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
	             : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// pair packs two numbers as matrix instructions take them, the first below.
DEVICE u32 pair(float x, float y, bf16) {
	u32 two;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(two) : "f"(y), "f"(x));
	return two;
}
DEVICE u32 pair(float x, float y, f16) {
	u32 two;
	asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(two) : "f"(y), "f"(x));
	return two;
}

DEVICE void warp_barrier() { __syncwarp(); }

DEVICE float shuffle_xor(float x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }

DEVICE unsigned char *shared_memory() {
	extern __shared__ __align__(128) unsigned char memory[];
	return memory;
}

#else

DEVICE float widen(f16 x) { return emulate::from_f16(x.bits); }
DEVICE void narrow(f16 &y, float x) { y.bits = emulate::to_f16(x); }
DEVICE float widen(bf16 x) { return emulate::from_bf16(x.bits); }
DEVICE void narrow(bf16 &y, float x) { y.bits = emulate::to_bf16(x); }
DEVICE float float_from_bits(u32 x) { return emulate::from_bits(x); }
DEVICE float exp2_fast(float x) { return exp2f(x); }
DEVICE float reciprocal_fast(float x) { return 1.f / x; }
typedef unsigned char *Shared;
DEVICE Shared shared_address(const void *p) { return (Shared)p; }
DEVICE void copy_async(Shared shared, const void *global, bool there) { emulate::copy_async(shared, global, 16, there); }
DEVICE void copy_async_near(Shared shared, const void *global, bool there) { emulate::copy_async(shared, global, 16, there); }
template <int bytes> DEVICE void copy_async_few(Shared shared, const void *global) { emulate::copy_async(shared, global, bytes, true); }
DEVICE void commit_async() { emulate::commit_async(); }
template <int left> DEVICE void wait_async() { emulate::wait_async(left); }
DEVICE void load_matrices(u32 (&r)[4], Shared row) { emulate::load_matrices(r, row, false); }
DEVICE void load_matrices_transposed(u32 (&r)[4], Shared row) { emulate::load_matrices(r, row, true); }
DEVICE void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], bf16) { emulate::multiply(d, a, b, emulate::from_bf16); }
DEVICE void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], f16) { emulate::multiply(d, a, b, emulate::from_f16); }
DEVICE u32 pair(float x, float y, bf16) { return emulate::to_bf16(x) | (u32)emulate::to_bf16(y) << 16; }
DEVICE u32 pair(float x, float y, f16) { return emulate::to_f16(x) | (u32)emulate::to_f16(y) << 16; }
DEVICE void warp_barrier() { emulate::warp_barrier(); }
DEVICE float shuffle_xor(float x, int mask) { return emulate::shuffle_xor(x, mask); }
DEVICE unsigned char *shared_memory() { return emulate::shared_memory(); }

#endif

DEVICE float widen(float x) { return x; }
DEVICE void narrow(float &y, float x) { y = x; }
template <class X> DEVICE X to(float x) {
	X y;
	narrow(y, x);
	return y;
}

// Any element of a tensor whose dtype is known at run time only, numbered as
// gpu.DType.
enum { F32, BF16, F16 };
DEVICE float load_any(const void *p, int dtype, i64 i) {
	if (dtype == F32) return ((const float *)p)[i];
	if (dtype == BF16) return widen(((const bf16 *)p)[i]);
	return widen(((const f16 *)p)[i]);
}
DEVICE void store_any(void *p, int dtype, i64 i, float x) {
	if (dtype == F32) ((float *)p)[i] = x;
	else if (dtype == BF16) narrow(((bf16 *)p)[i], x);
	else narrow(((f16 *)p)[i], x);
}

// Sixteen bytes of elements, moved by one instruction.
template <class X> struct alignas(16) Pack {
	static const int n = 16 / sizeof(X);
	X v[n];
};

// store_pack narrows eight numbers.
template <class X> DEVICE void store_pack(X *to, const float (&x)[8]) {
	struct alignas(16) { u32 v[4]; } p;
	for (int i = 0; i < 4; i++) p.v[i] = pair(x[2 * i], x[2 * i + 1], X());
	*(decltype(p) *)to = p;
}

DEVICE bool aligned(const void *p) { return ((u64)p & 15) == 0; }

DEVICE i64 thread_index() { return (i64)blockIdx.x * blockDim.x + threadIdx.x; }

#define INFINITE float_from_bits(0x7f800000)

// Sums over a warp and over a block: every thread gets the result, and the order
// of the additions is fixed.
DEVICE float warp_sum(float x) {
	for (int m = 16; m > 0; m /= 2) x += shuffle_xor(x, m);
	return x;
}
DEVICE float warp_max(float x) {
	for (int m = 16; m > 0; m /= 2) x = fmaxf(x, shuffle_xor(x, m));
	return x;
}

// block_sum wants all threads of a block.
DEVICE float block_sum(float x) {
	__shared__ float part[32];
	x = warp_sum(x);
	__syncthreads(); // part may still be read by an earlier call
	if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
	__syncthreads();
	float sum = 0;
	for (u32 w = 0; w < blockDim.x / 32; w++) sum += part[w];
	return sum;
}
DEVICE float block_max(float x) {
	__shared__ float part[8];
	x = warp_max(x);
	__syncthreads();
	if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
	__syncthreads();
	float top = part[0];
	for (u32 w = 1; w < blockDim.x / 32; w++) top = fmaxf(top, part[w]);
	return top;
}
