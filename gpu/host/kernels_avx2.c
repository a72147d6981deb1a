//go:build cgo

#include "kernels.h"

#include <stddef.h>

#ifdef KERNELS_X86
#pragma GCC target("avx2,fma,f16c,bmi2")
#define ISA avx2
#define LANES 8
#include "kernels_all.h"
const struct kernels *const kernels_avx2 = &table;
#else
const struct kernels *const kernels_avx2 = NULL;
#endif
