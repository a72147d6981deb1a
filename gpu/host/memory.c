//go:build cgo && !nodnnl

#include "memory.h"

#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

enum { LINE = 64, HUGE_PAGE = 2 << 20 };

#ifdef _WIN32
#include <malloc.h>
void *host_alloc(size_t bytes) { return _aligned_malloc(bytes, LINE); }
void host_free(void *p) { _aligned_free(p); }
#else
void *host_alloc(size_t bytes) {
    int huge = bytes >= 2 * HUGE_PAGE;
    void *p = NULL;
    if (posix_memalign(&p, huge ? HUGE_PAGE : LINE, bytes)) return NULL;
#ifdef __linux__
    if (huge) madvise(p, bytes, MADV_HUGEPAGE); // advice: no harm where refused
#endif
    return p;
}
void host_free(void *p) { free(p); }
#endif
