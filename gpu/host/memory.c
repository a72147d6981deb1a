//go:build cgo

#include "memory.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef __linux__
#include <sys/mman.h>
#endif

enum { LINE = 64, HUGE_PAGE = 2 << 20 };

// Left alone, glibc takes blocks of up to 32 MiB out of its heap once some that size
// were freed, and keeps what is freed between others: a trimmed device would hold
// its memory still.
void host_memory_start(void) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 2 * HUGE_PAGE);
#endif
}

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
