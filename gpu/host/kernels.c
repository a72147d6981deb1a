//go:build cgo && !nodnnl

#include "kernels.h"

#include <stddef.h>
#include <string.h>

extern const struct host_kernels *const host_kernels_avx512, *const host_kernels_avx2, *const host_kernels_base;

static int runs(const struct host_kernels *k) {
	if (!k)
		return 0;
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (k == host_kernels_avx512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
	if (k == host_kernels_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
	return 1;
}

static const struct host_kernels *kernels;

__attribute__((constructor)) static void choose(void) {
	kernels = runs(host_kernels_avx512) ? host_kernels_avx512
	          : runs(host_kernels_avx2) ? host_kernels_avx2
	                                    : host_kernels_base;
}

const char *host_isa(void) { return kernels->isa; }

int host_use_isa(const char *name) {
	const struct host_kernels *all[] = {host_kernels_avx512, host_kernels_avx2, host_kernels_base};
	for (int i = 0; i < 3; i++)
		if (runs(all[i]) && strcmp(all[i]->isa, name) == 0) {
			kernels = all[i];
			return 1;
		}
	return 0;
}

#define CALL(result, name, params, args)                                                                               \
	result host_##name params { return kernels->name args; }
HOST_KERNELS(CALL)
