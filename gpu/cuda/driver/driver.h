#include <cuda.h>

#ifdef _WIN32
#define DRIVER "nvcuda.dll"
#else
#define DRIVER "libcuda.so.1"
#endif

// driver_start opens the library and initialises it: −1 where there is none, or
// what cuInit gives.
int driver_start(const char *library);

// driver_launch runs a kernel whose arguments lie in one block. It makes the
// context current first: the calling goroutine may be on any thread.
int driver_launch(void *context, void *function, const unsigned int dims[7], void *stream, void *args, size_t size);

const char *driver_error(int code);
