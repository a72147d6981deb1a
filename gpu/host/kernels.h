// The C kernels of the host device. Every kernel is compiled once per
// instruction set (kernels_avx512.c, kernels_avx2.c, kernels_base.c) from the
// same text, and kernels.c calls the best one that the processor runs.
//
// bf16 attention has its own text for processors that multiply pairs of bf16
// (kernels_bf16.c) or have a matrix unit (kernels_amx.c).
//
// A tensor is a pointer and its dtype, numbered as gpu.DType. Sizes count
// elements. Sums are made over blocks that depend on the shape alone and are
// added in order, so a result does not depend on the number of threads.
#ifndef KERNELS_H
#define KERNELS_H

// The files of one instruction set are for gcc. On Windows that keeps wide vectors on a
// stack aligned to 16 bytes only and moves them as if they were aligned: there the
// assembler must make unaligned moves of these (-Wa,-muse-unaligned-vector-move), and
// UNALIGNED_MOVES says that it does.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && (!defined(_WIN32) || defined(UNALIGNED_MOVES))
#define KERNELS_X86
#endif

enum { F32, BF16, F16, I32 };                              // gpu.DType
enum { PRODUCT_TERMS = 256, PRODUCT_VECS = 3 };            // of product: most terms, vectors of a panel
enum { SILU, GELU, QUICK_GELU, EXP, SQUARE, TANH };        // gpu.Func

// K(result, name, parameters, arguments)
#define KERNELS(K)                                                                                                \
	K(void, unary, (int dt, void *y, const void *x, long n, int f), (dt, y, x, n, f))                                  \
	K(void, unary_grad, (int dt, void *dx, const void *dy, const void *x, long n, int f), (dt, dx, dy, x, n, f))       \
	K(void, geglu, (int dt, void *y, const void *x, long rows, long c), (dt, y, x, rows, c))                           \
	K(void, geglu_grad, (int dt, void *dx, const void *dy, const void *x, long rows, long c),                          \
	  (dt, dx, dy, x, rows, c))                                                                                        \
	K(void, mul, (int dt, void *y, const void *a, const void *b, long n), (dt, y, a, b, n))                            \
	K(void, clamp, (int dt, void *y, const void *x, long n, float lo, float hi), (dt, y, x, n, lo, hi))                \
	K(void, combine,                                                                                                   \
	  (int dt, void *y, int count, const float *coef, const int *dts, void *const *xs, long n),                        \
	  (dt, y, count, coef, dts, xs, n))                                                                                \
	K(void, cast, (int ydt, void *y, int xdt, const void *x, long n), (ydt, y, xdt, x, n))                             \
	K(void, fill, (int dt, void *y, float v, long n), (dt, y, v, n))                                                   \
	K(void, add_channels, (int dt, void *y, const void *x, const void *t, long n, long p, long c),                     \
	  (dt, y, x, t, n, p, c))                                                                                          \
	K(void, sum_middle, (int dt, void *y, const void *x, long n, long p, long c), (dt, y, x, n, p, c))                 \
	K(void, group_norm,                                                                                                \
	  (int dt, void *y, float *stats, const void *x, const float *gamma, const float *beta, long n, long p, long c,    \
	   long groups, float eps, int silu),                                                                              \
	  (dt, y, stats, x, gamma, beta, n, p, c, groups, eps, silu))                                                      \
	K(void, group_norm_grad,                                                                                           \
	  (int dt, void *dx, float *dgamma, float *dbeta, const void *dy, const void *x, const float *stats,               \
	   const float *gamma, const float *beta, long n, long p, long c, long groups, int silu),                          \
	  (dt, dx, dgamma, dbeta, dy, x, stats, gamma, beta, n, p, c, groups, silu))                                       \
	K(void, layer_norm,                                                                                                \
	  (int dt, void *y, float *stats, const void *x, const float *gamma, const float *beta, long rows, long c,         \
	   float eps),                                                                                                     \
	  (dt, y, stats, x, gamma, beta, rows, c, eps))                                                                    \
	K(void, layer_norm_grad,                                                                                           \
	  (int dt, void *dx, float *dgamma, float *dbeta, const void *dy, const void *x, const float *stats,               \
	   const float *gamma, long rows, long c),                                                                         \
	  (dt, dx, dgamma, dbeta, dy, x, stats, gamma, rows, c))                                                           \
	K(void, softmax, (int dt, void *y, const void *x, long rows, long n), (dt, y, x, rows, n))                         \
	K(void, softmax_grad, (int dt, void *dx, const void *dy, const void *y, long rows, long n),                        \
	  (dt, dx, dy, y, rows, n))                                                                                        \
	K(void, embedding, (int ydt, void *y, int tdt, const void *table, const int *ids, long n, long c),                 \
	  (ydt, y, tdt, table, ids, n, c))                                                                                 \
	K(void, embedding_grad, (float *dtable, int dt, const void *dy, const int *ids, long n, long c, long vocab),       \
	  (dtable, dt, dy, ids, n, c, vocab))                                                                              \
	K(void, copy_rows,                                                                                                 \
	  (int size, void *dst, const void *src, long rows, long n, long dst_stride, long dst_off, long src_stride,        \
	   long src_off),                                                                                                  \
	  (size, dst, src, rows, n, dst_stride, dst_off, src_stride, src_off))                                             \
	K(void, upsample, (int size, void *y, const void *x, long n, long h, long w, long c), (size, y, x, n, h, w, c))    \
	K(void, pool, (int dt, void *y, const void *x, long n, long h, long w, long c, float scale),                       \
	  (dt, y, x, n, h, w, c, scale))                                                                                   \
	K(void, pool_grad, (int dt, void *dx, const void *dy, long n, long h, long w, long c, float scale),                \
	  (dt, dx, dy, n, h, w, c, scale))                                                                                 \
	K(double, squared_error, (int dt, const void *a, const void *b, const float *weight, long n, long p),              \
	  (dt, a, b, weight, n, p))                                                                                        \
	K(void, squared_error_grad,                                                                                        \
	  (int dt, void *da, const void *a, const void *b, const float *weight, long n, long p, float scale),              \
	  (dt, da, a, b, weight, n, p, scale))                                                                             \
	K(double, absolute_error, (int dt, const void *a, const void *b, long n), (dt, a, b, n))                           \
	K(void, absolute_error_grad, (int dt, void *da, const void *a, const void *b, long n, float scale),                \
	  (dt, da, a, b, n, scale))                                                                                        \
	K(void, gaussian_sample, (int dt, void *z, const void *moments, const void *noise, long rows, long c),             \
	  (dt, z, moments, noise, rows, c))                                                                                \
	K(void, gaussian_sample_grad,                                                                                      \
	  (int dt, void *dmoments, const void *dz, const void *moments, const void *noise, long rows, long c),             \
	  (dt, dmoments, dz, moments, noise, rows, c))                                                                     \
	K(double, gaussian_kl, (int dt, const void *moments, long rows, long c), (dt, moments, rows, c))                   \
	K(void, gaussian_kl_grad, (int dt, void *dmoments, const void *moments, long rows, long c, float scale),           \
	  (dt, dmoments, moments, rows, c, scale))                                                                         \
	K(double, sum_squares, (int dt, const void *x, long n), (dt, x, n))                                                \
	K(int, all_finite, (int dt, const void *x, long n), (dt, x, n))                                                        \
	K(void, adamw,                                                                                                     \
	  (int dt, void *param, float *master, float *m, float *v, const float *grad, long n, float lr, float beta1,       \
	   float beta2, float eps, float decay, float grad_scale, int step),                                               \
	  (dt, param, master, m, v, grad, n, lr, beta1, beta2, eps, decay, grad_scale, step))                              \
	K(void, winograd_pack, (int dt, void *packed, const void *w, long o, long c, int turned),                           \
	  (dt, packed, w, o, c, turned))                                                                                   \
	K(void, winograd,                                                                                                  \
	  (int dt, void *y, const void *x, const void *packed, const float *bias, int add, long n, long h, long w, long c, \
	   long o),                                                                                                        \
	  (dt, y, x, packed, bias, add, n, h, w, c, o))                                                                    \
	K(long, product_lanes, (void), ())                                                                                 \
	K(void, product,                                                                                                   \
	  (float *c, long ldc, const float *a, long ras, long cas, const float *b, long terms, long from, long m, long n,  \
	   long k),                                                                                                        \
	  (c, ldc, a, ras, cas, b, terms, from, m, n, k))                                                                  \
	K(void, attention,                                                                                                 \
	  (int dt, void *y, float *lse, const void *q, const void *k, const void *v, long b, long lq, long lk, long heads, \
	   long d, float scale, int causal),                                                                               \
	  (dt, y, lse, q, k, v, b, lq, lk, heads, d, scale, causal))                                                       \
	K(void, attention_grad,                                                                                            \
	  (int dt, void *dq, void *dk, void *dv, const void *dy, const void *y, const float *lse, const void *q,           \
	   const void *k, const void *v, long b, long lq, long lk, long heads, long d, float scale, int causal),           \
	  (dt, dq, dk, dv, dy, y, lse, q, k, v, b, lq, lk, heads, d, scale, causal))

#define KERNEL_DECLARE(result, name, params, args) result kernel_##name params;
KERNELS(KERNEL_DECLARE)

// kernels_isa names the instruction set in use.
const char *kernels_isa(void);

// kernels_use_isa selects "amx", "avx512bf16", "avx512", "avx2" or "base", or the best for
// NULL; 0 where the processor or the compiler lacks it.
int kernels_use_isa(const char *name);

struct kernels {
	const char *isa;
#define KERNEL_POINTER(result, name, params, args) result(*name) params;
	KERNELS(KERNEL_POINTER)
};

#endif
