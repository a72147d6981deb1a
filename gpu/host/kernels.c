//go:build cgo

#include "kernels.h"

#include <stddef.h>
#include <string.h>

extern const struct kernels *const kernels_avx512, *const kernels_avx2, *const kernels_base;
const struct kernels *kernels_amx(void);  // NULL where the processor has no matrix unit
const struct kernels *kernels_bf16(void); // NULL where it has no products of bf16

static const struct kernels *kernels;

int kernels_use_isa(const char *name) {
	const struct kernels *all[5] = {NULL, NULL, NULL, NULL, kernels_base}; // best first
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (kernels_avx512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
		all[0] = kernels_amx();
		all[1] = kernels_bf16();
		all[2] = kernels_avx512;
	}
	if (kernels_avx2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		all[3] = kernels_avx2;
#endif
	for (int i = 0; i < 5; i++)
		if (all[i] && (!name || strcmp(all[i]->isa, name) == 0)) {
			kernels = all[i];
			return 1;
		}
	return 0;
}

__attribute__((constructor)) static void choose(void) { kernels_use_isa(NULL); }

const char *kernels_isa(void) { return kernels->isa; }

#define CALL(result, name, params, args)                                                                               \
	result kernel_##name params { return kernels->name args; }
KERNELS(CALL)
