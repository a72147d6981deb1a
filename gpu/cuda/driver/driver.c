//go:build cuda

// The driver's symbols as jumps through a table that is filled from its library
// at run time: the program starts where there is none.
#include "driver.h"

#include <stdlib.h>
#include <string.h>

// find gives a symbol of a library that load opened; both give 0 where there is none.
#ifdef _WIN32
#include <windows.h>

// A name without a folder is looked for where Windows keeps drivers, and not beside
// the program.
static void *load(const char *library) {
	return LoadLibraryExA(library, 0, strpbrk(library, "/\\") ? 0 : LOAD_LIBRARY_SEARCH_SYSTEM32);
}
static void *find(void *lib, const char *name) { return (void *)GetProcAddress(lib, name); }
#define HIDDEN
#define FUNCTION(name) ".def " #name "; .scl 2; .type 32; .endef\n"
#else
#include <dlfcn.h>

static void *load(const char *library) { return dlopen(library, RTLD_NOW | RTLD_LOCAL); }
static void *find(void *lib, const char *name) { return dlsym(lib, name); }
#define HIDDEN visibility("hidden"),
#define FUNCTION(name) ".type " #name ",%function\n"
#endif

static CUresult not_started(void) { return CUDA_ERROR_NOT_INITIALIZED; }
static CUresult not_found(void) { return CUDA_ERROR_NOT_FOUND; }

#define SYMBOL(i, name) +1
enum { symbols = 0
#include "symbols.h"
};
#undef SYMBOL

__attribute__((HIDDEN used)) void *latent_cuda_table[symbols] = {[0 ... symbols - 1] = (void *)not_started};

#define SYMBOL(i, name) #name,
static const char *const names[symbols] = {
#include "symbols.h"
};
#undef SYMBOL

#if defined(__x86_64__)
#define SYMBOL(i, name) \
	asm(".text\n.globl " #name "\n" FUNCTION(name) #name ":\n\tjmp *latent_cuda_table+8*" #i "(%rip)\n");
#elif defined(__aarch64__)
#define SYMBOL(i, name)                                                                                  \
	asm(".text\n.globl " #name "\n" FUNCTION(name) #name ":\n\tadrp x16, latent_cuda_table+8*" #i         \
	    "\n\tldr x16, [x16, :lo12:latent_cuda_table+8*" #i "]\n\tbr x16\n");
#else
#error "no CUDA for this processor: build without -tags cuda"
#endif
#include "symbols.h"
#undef SYMBOL

// cuInit does nothing: gorgonia.org/cu calls it before main and ends the program
// where it fails. driver_start does its work.
CUresult cuInit(unsigned int flags) { return CUDA_SUCCESS; }

int driver_start(const char *library) {
	void *lib = load(library);
	if (!lib) return -1;
	CUresult (*init)(unsigned int) = (CUresult (*)(unsigned int))find(lib, "cuInit");
	if (!init) return -1;
	CUresult r = init(0);
	if (r) return r;
	for (int i = 0; i < symbols; i++) {
		void *p = find(lib, names[i]);
		latent_cuda_table[i] = p ? p : (void *)not_found;
	}
	return 0;
}

int driver_launch(void *context, void *function, const unsigned int dims[7], void *stream, void *args, size_t size) {
	CUresult r = cuCtxSetCurrent(context);
	if (r) return r;
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, args, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
	return cuLaunchKernel(function, dims[0], dims[1], dims[2], dims[3], dims[4], dims[5], dims[6], stream, 0, extra);
}

const char *driver_error(int code) {
	const char *text = 0;
	cuGetErrorString(code, &text);
	return text ? text : "unknown error";
}
