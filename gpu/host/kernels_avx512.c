//go:build cgo

#include "kernels.h"

#include <stddef.h>

#ifdef KERNELS_X86
#pragma GCC target("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")
#define ISA avx512
#define LANES 16
#include "kernels_all.h"
const struct kernels *const kernels_avx512 = &table;
#else
const struct kernels *const kernels_avx512 = NULL;
#endif
