#ifndef HOST_MEMORY_H
#define HOST_MEMORY_H

#include <stddef.h>

// host_memory_start is called once, before the first block.
void host_memory_start(void);

// host_alloc gives memory aligned to a cache line, big blocks to a huge page
// and backed by such pages where the system has them; NULL when there is none.
void *host_alloc(size_t bytes);
void host_free(void *p);

#endif
