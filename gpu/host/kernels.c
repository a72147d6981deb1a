//go:build cgo && !nodnnl

#include "kernels.h"

#include <stddef.h>
#include <string.h>

extern const struct kernels *const kernels_avx512, *const kernels_avx2, *const kernels_base;

static int runs(const struct kernels *k) {
	if (!k)
		return 0;
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (k == kernels_avx512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
	if (k == kernels_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
	return 1;
}

static const struct kernels *kernels;

__attribute__((constructor)) static void choose(void) {
	kernels = runs(kernels_avx512) ? kernels_avx512
	          : runs(kernels_avx2) ? kernels_avx2
	                                    : kernels_base;
}

const char *kernels_isa(void) { return kernels->isa; }

int kernels_use_isa(const char *name) {
	const struct kernels *all[] = {kernels_avx512, kernels_avx2, kernels_base};
	for (int i = 0; i < 3; i++)
		if (runs(all[i]) && strcmp(all[i]->isa, name) == 0) {
			kernels = all[i];
			return 1;
		}
	return 0;
}

#define CALL(result, name, params, args)                                                                               \
	result kernel_##name params { return kernels->name args; }
KERNELS(CALL)
