//go:build cgo

#include "kernels.h"

#include <stddef.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2,fma,f16c,bmi2")
#define ISA avx2
#define LANES 8
#include "kernels_all.h"
const struct kernels *const kernels_avx2 = &table;
#else
const struct kernels *const kernels_avx2 = NULL;
#endif
