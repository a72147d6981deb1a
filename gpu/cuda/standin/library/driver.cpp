// A driver's library without a GPU: what package cuda calls of the driver, with host
// memory for the device's and the emulated kernels. Faults can be ordered by the
// environment, to see what the program makes of them; standin.go lists them.
extern "C" {
#include "../../include/cuda.h"
}
#include "emulate.h"

#include <mutex>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <map>
#include <vector>

using namespace emulate;

static std::mutex lock;
static std::map<CUdeviceptr, size_t> memory;
static CUdeviceptr last_from, last_to; // of the allocation that was read last
static size_t used;
static int lost; // a sticky error, as after an illegal address

static long long setting(const char *name, long long otherwise) {
	const char *v = getenv(name);
	return v && *v ? atoll(v) : otherwise;
}
// A block may have all but a KiB of a multiprocessor's shared memory.
static int shared_limit() { return (int)(setting("STANDIN_SHARED", 100) - 1) << 10; }
static size_t total() { return (size_t)setting("STANDIN_MEMORY", 1ll << 32); }

// A graph is the list of the launches and copies that were captured.
struct Work { Kernel *k; Dim3 grid, block; unsigned shared; std::vector<char> args; void *to; const void *from; size_t n; };
struct CUgraph_st { std::vector<Work> work; };
struct CUgraphExec_st { std::vector<Work> work; };
struct CUstream_st { CUgraph_st *capture; };
struct CUctx_st { int device; };
struct CUmod_st { std::string text; };
struct CUevent_st { int unused; };
static CUctx_st contexts[2] = {{0}, {1}};
static thread_local CUcontext current;

static CUresult perform(const Work &w) {
	if (w.k) {
		static long launches;
		long fail_at = setting("STANDIN_FAIL_LAUNCH", 0);
		if (fail_at && ++launches >= fail_at) lost = 719;
		if (lost) return (CUresult)lost;
		int e = launch(w.k, w.grid, w.block, w.shared, w.args.data());
		if (e) lost = e;
		return (CUresult)e;
	}
	memcpy(w.to, w.from, w.n);
	return CUDA_SUCCESS;
}

static CUresult submit(CUstream s, const Work &w) {
	std::lock_guard<std::mutex> g(lock);
	if (lost) return (CUresult)lost;
	if (s && s->capture) {
		s->capture->work.push_back(w);
		return CUDA_SUCCESS;
	}
	return perform(w);
}

// inside tells whether n bytes at p lie in one allocation.
static bool inside(CUdeviceptr p, size_t n) {
	auto it = memory.upper_bound(p);
	if (it == memory.begin()) return false;
	--it;
	return p + n <= it->first + it->second;
}

bool emulate::readable(const void *p, size_t n) {
	CUdeviceptr at = (CUdeviceptr)p;
	if (at >= last_from && at + n <= last_to) return true;
	if (!inside(at, n)) return false;
	auto it = --memory.upper_bound(at);
	last_from = it->first;
	last_to = last_from + it->second;
	return true;
}

extern "C" {

CUresult cuInit(unsigned) { return (CUresult)setting("STANDIN_INIT", 0); }
CUresult cuDriverGetVersion(int *v) { return *v = 13000, CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int *n) { return *n = 2, CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice *d, int i) {
	if (i < 0 || i > 1) return CUDA_ERROR_INVALID_DEVICE;
	return *d = i, CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char *name, int n, CUdevice) { return snprintf(name, n, "Stand-in"), CUDA_SUCCESS; }
CUresult cuDeviceTotalMem(size_t *n, CUdevice) { return *n = total(), CUDA_SUCCESS; }
CUresult cuDeviceGetAttribute(int *v, CUdevice_attribute a, CUdevice) {
	switch (a) {
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *v = setting("STANDIN_CAPABILITY", 86) / 10; break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *v = setting("STANDIN_CAPABILITY", 86) % 10; break;
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *v = (int)setting("STANDIN_PROCESSORS", 4); break;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *v = shared_limit(); break;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: *v = (int)setting("STANDIN_SHARED", 100) << 10; break;
	case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *v = 1 << 20; break;
	default: *v = 0;
	}
	return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) { return *c = &contexts[d], CUDA_SUCCESS; }
CUresult cuDevicePrimaryCtxRelease(CUdevice) { return CUDA_SUCCESS; }
CUresult cuCtxSetCurrent(CUcontext c) { return current = c, CUDA_SUCCESS; }
CUresult cuCtxGetCurrent(CUcontext *c) { return *c = current, CUDA_SUCCESS; }
CUresult cuCtxSynchronize(void) { return (CUresult)lost; }

CUresult cuMemGetInfo(size_t *free, size_t *all) { return *all = total(), *free = total() - used, CUDA_SUCCESS; }
CUresult cuMemAlloc(CUdeviceptr *p, size_t n) {
	std::lock_guard<std::mutex> g(lock);
	if (!current) return CUDA_ERROR_INVALID_CONTEXT;
	if (lost) return (CUresult)lost;
	if (used + n > total()) return CUDA_ERROR_OUT_OF_MEMORY;
	void *m = allocate(n);
	memset(m, 0xff, n);
	used += n;
	*p = (CUdeviceptr)m;
	memory[*p] = n;
	return CUDA_SUCCESS;
}
CUresult cuMemFree(CUdeviceptr p) {
	std::lock_guard<std::mutex> g(lock);
	auto it = memory.find(p);
	if (it == memory.end()) return CUDA_ERROR_INVALID_VALUE;
	used -= it->second;
	last_from = last_to = 0;
	memset((void *)p, 0xff, it->second);
	release((void *)p);
	memory.erase(it);
	return CUDA_SUCCESS;
}
CUresult cuMemHostAlloc(void **p, size_t n, unsigned) { return *p = malloc(n), CUDA_SUCCESS; }
CUresult cuMemFreeHost(void *p) { return free(p), CUDA_SUCCESS; }

static CUresult copy(CUstream s, CUdeviceptr device, void *to, const void *from, size_t n) {
	if (!inside(device, n)) return CUDA_ERROR_INVALID_VALUE;
	Work w = {};
	w.to = to;
	w.from = from;
	w.n = n;
	return submit(s, w);
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t n, CUstream s) { return copy(s, to, (void *)to, from, n); }
CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t n, CUstream s) { return copy(s, from, to, (void *)from, n); }
CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) {
	return inside(to, n) ? copy(s, from, (void *)to, (void *)from, n) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuStreamCreate(CUstream *s, unsigned) { return *s = new CUstream_st{0}, CUDA_SUCCESS; }
CUresult cuStreamDestroy(CUstream s) { return delete s, CUDA_SUCCESS; }
CUresult cuStreamSynchronize(CUstream s) {
	if (s && s->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	return (CUresult)lost;
}
CUresult cuEventCreate(CUevent *e, unsigned) { return *e = new CUevent_st{0}, CUDA_SUCCESS; }
CUresult cuEventDestroy(CUevent e) { return delete e, CUDA_SUCCESS; }
CUresult cuEventRecord(CUevent, CUstream) { return (CUresult)lost; }
CUresult cuEventSynchronize(CUevent) { return (CUresult)lost; }
CUresult cuEventElapsedTime(float *ms, CUevent, CUevent) { return *ms = 1, CUDA_SUCCESS; }

// The text of a module must be PTX; its kernels are those of this library.
CUresult cuModuleLoadData(CUmodule *m, const void *image) {
	std::string text((const char *)image);
	if (text.find(".version") == std::string::npos) return CUDA_ERROR_INVALID_PTX;
	*m = new CUmod_st{text};
	return CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule m) { return delete m, CUDA_SUCCESS; }
CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name) {
	if (m->text.find(".entry " + std::string(name) + "(") == std::string::npos) return CUDA_ERROR_NOT_FOUND;
	for (Kernel *k = kernels; k; k = k->next)
		if (!strcmp(k->name, name)) return *f = (CUfunction)k, CUDA_SUCCESS;
	return CUDA_ERROR_NOT_FOUND;
}
CUresult cuFuncGetAttribute(int *v, CUfunction_attribute a, CUfunction f) {
	*v = a == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? (int)((Kernel *)f)->threads : 0;
	return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int v) {
	if (a == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
		if (v > shared_limit()) return CUDA_ERROR_INVALID_VALUE;
		((Kernel *)f)->dynamic = v;
	}
	return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, CUstream s, void **params, void **extra) {
	Kernel *k = (Kernel *)f;
	if (!current) return CUDA_ERROR_INVALID_CONTEXT;
	if (params || !extra || extra[0] != CU_LAUNCH_PARAM_BUFFER_POINTER || extra[2] != CU_LAUNCH_PARAM_BUFFER_SIZE) return CUDA_ERROR_INVALID_VALUE;
	size_t n = *(size_t *)extra[3];
	if (!gx || !gy || !gz || gy > 65535 || gz > 65535 || bx * by * bz > k->threads || bx * by * bz % 32 || shared > k->dynamic || n != k->args) {
		fprintf(stderr, "%s: grid %u×%u×%u, %u threads of %u, %u bytes of shared memory of %u, %zu bytes of arguments of %zu\n",
		        k->name, gx, gy, gz, bx * by * bz, k->threads, shared, k->dynamic, n, k->args);
		return CUDA_ERROR_INVALID_VALUE;
	}
	Work w = {k, {gx, gy, gz}, {bx, by, bz}, shared, std::vector<char>((char *)extra[1], (char *)extra[1] + n), 0, 0, 0};
	return submit(s, w);
}

CUresult cuStreamBeginCapture(CUstream s, CUstreamCaptureMode) { return s->capture = new CUgraph_st, CUDA_SUCCESS; }
CUresult cuStreamEndCapture(CUstream s, CUgraph *g) { return *g = s->capture, s->capture = 0, CUDA_SUCCESS; }
CUresult cuGraphInstantiateWithFlags(CUgraphExec *e, CUgraph g, unsigned long long) { return *e = new CUgraphExec_st{g->work}, CUDA_SUCCESS; }
CUresult cuGraphDestroy(CUgraph g) { return delete g, CUDA_SUCCESS; }
CUresult cuGraphExecDestroy(CUgraphExec e) { return delete e, CUDA_SUCCESS; }
CUresult cuGraphLaunch(CUgraphExec e, CUstream) {
	std::lock_guard<std::mutex> g(lock);
	for (const Work &w : e->work)
		if (CUresult r = perform(w)) return r;
	return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult e, const char **text) {
	*text = e == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory" : "an error of the stand-in";
	return CUDA_SUCCESS;
}
}
