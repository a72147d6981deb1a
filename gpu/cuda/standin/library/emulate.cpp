#include "emulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <vector>
#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <sys/mman.h>
#endif

Dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulate {

Kernel *kernels;

Kernel::Kernel(const char *name, Body body, size_t args, unsigned threads)
    : name(name), body(body), args(args), threads(threads), dynamic(47 << 10), next(kernels) {
	kernels = this;
}

// Fibers.

struct Copy { void *to; const void *from; int bytes; bool there; };

struct Fiber {
	void *sp;
	Dim3 index;
	bool done;
	unsigned waits; // for this number of barriers or warp instructions to be over
	const unsigned *on;
	std::vector<std::vector<Copy>> groups;
	std::vector<Copy> open;
};

struct Warp {
	unsigned met, over; // lanes that have come to the instruction; instructions done
	void *slot[32];
};

static const size_t stack_size = 64 << 10;
static Fiber *fibers, *now;
static Warp *warps;
static unsigned count, block_met, block_over, alive;
static void *scheduler;
static unsigned char *stacks, *shared;
static Body body;
static const void *arguments;
static bool failed;

#if defined(__x86_64__)
// Windows has another convention, whose further registers the caller saves then.
extern "C" __attribute__((sysv_abi)) void emulate_switch(void **save, void *to);
asm(".globl emulate_switch\nemulate_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
static const int saved = 6;
#elif defined(__aarch64__)
extern "C" void emulate_switch(void **save, void *to);
asm(".globl emulate_switch\nemulate_switch:\n"
    "sub sp,sp,#160\n"
    "stp x19,x20,[sp]\nstp x21,x22,[sp,#16]\nstp x23,x24,[sp,#32]\nstp x25,x26,[sp,#48]\nstp x27,x28,[sp,#64]\n"
    "stp x29,x30,[sp,#80]\nstp d8,d9,[sp,#96]\nstp d10,d11,[sp,#112]\nstp d12,d13,[sp,#128]\nstp d14,d15,[sp,#144]\n"
    "mov x9,sp\nstr x9,[x0]\nmov sp,x1\n"
    "ldp x19,x20,[sp]\nldp x21,x22,[sp,#16]\nldp x23,x24,[sp,#32]\nldp x25,x26,[sp,#48]\nldp x27,x28,[sp,#64]\n"
    "ldp x29,x30,[sp,#80]\nldp d8,d9,[sp,#96]\nldp d10,d11,[sp,#112]\nldp d12,d13,[sp,#128]\nldp d14,d15,[sp,#144]\n"
    "add sp,sp,#160\nret\n");
#else
#error "no fibers for this processor"
#endif

#ifdef _WIN32
void *allocate(size_t n) { return _aligned_malloc(n, 256); }
void release(void *p) { _aligned_free(p); }
#else
void *allocate(size_t n) { return aligned_alloc(256, (n + 255) / 256 * 256); }
void release(void *p) { free(p); }
#endif

static void yield() { emulate_switch(&now->sp, scheduler); }

static void run() {
	body(arguments);
	now->done = true;
	alive--;
	yield();
	abort();
}

static void prepare(Fiber &f, unsigned i) {
	void **top = (void **)(stacks + (i + 1) * stack_size);
#if defined(__x86_64__)
	top -= 4; // which the callee may write to on Windows
	*--top = 0; // keeps the stack aligned as after a call
	*--top = (void *)run;
	for (int k = 0; k < saved; k++) *--top = 0;
#else
	top -= 20;
	memset(top, 0, 160);
	top[11] = (void *)run;
#endif
	f.sp = top;
	f.done = false;
	f.on = 0;
	f.groups.clear();
	f.open.clear();
}

static void wait_for(const unsigned *counter, unsigned value) {
	now->on = counter;
	now->waits = value;
	yield();
	now->on = 0;
}

} // namespace emulate

void __syncthreads() {
	using namespace emulate;
	if (++block_met == count) {
		block_met = 0;
		block_over++;
	} else
		wait_for(&block_over, block_over + 1);
}

namespace emulate {

// together lets the last lane to arrive do the instruction for all 32.
template <class F> static void together(void *mine, F f) {
	unsigned i = now - fibers;
	Warp &w = warps[i / 32];
	w.slot[i % 32] = mine;
	if (++w.met == 32) {
		w.met = 0;
		f(w.slot);
		w.over++;
	} else
		wait_for(&w.over, w.over + 1);
}

unsigned char *shared_memory() { return shared; }

void copy_async(void *to, const void *from, int bytes, bool there) {
	if (((uintptr_t)to | (there ? (uintptr_t)from : 0)) & (bytes - 1)) {
		fprintf(stderr, "cp.async of an address that is not a multiple of %d\n", bytes);
		failed = true;
		return;
	}
	if (there && !readable(from, bytes)) {
		fprintf(stderr, "cp.async from outside of every allocation\n");
		failed = true;
		return;
	}
	memset(to, 0xff, bytes);
	now->open.push_back({to, from, bytes, there});
}

void commit_async() {
	now->groups.push_back(now->open);
	now->open.clear();
}

void wait_async(int left) {
	auto &g = now->groups;
	while ((int)g.size() > left) {
		for (Copy &c : g.front()) {
			if (c.there) memcpy(c.to, c.from, c.bytes);
			else memset(c.to, 0, c.bytes);
		}
		g.erase(g.begin());
	}
}

void warp_barrier() { together(0, [](void **) {}); }

float shuffle_xor(float x, int mask) {
	struct { float in, out; } v = {x, 0};
	typedef decltype(v) V;
	together(&v, [mask](void **slot) {
		for (int i = 0; i < 32; i++) ((V *)slot[i])->out = ((V *)slot[i ^ mask])->in;
	});
	return v.out;
}

// Register i of lane l is row l/4 of matrix i, elements 2(l%4) and the next.
void load_matrices(unsigned (&r)[4], const void *row, bool transposed) {
	if ((uintptr_t)row & 15) {
		fprintf(stderr, "ldmatrix of a row that is not at a multiple of 16\n");
		failed = true;
	}
	struct { const uint16_t *row; unsigned *r; } v = {(const uint16_t *)row, r};
	typedef decltype(v) V;
	together(&v, [transposed](void **slot) {
		for (int i = 0; i < 4; i++)
			for (int l = 0; l < 32; l++) {
				unsigned two[2];
				for (int e = 0; e < 2; e++) {
					int at_row = l / 4, at_col = l % 4 * 2 + e;
					if (transposed) {
						int t = at_row;
						at_row = at_col;
						at_col = t;
					}
					two[e] = ((V *)slot[i * 8 + at_row])->row[at_col];
				}
				((V *)slot[l])->r[i] = two[0] | two[1] << 16;
			}
	});
}

// The fragments of m16n8k16: lane 4g+t holds of A rows g, g+8 and columns 2t,
// 2t+1, 2t+8, 2t+9; of B those rows of column g; of D columns 2t, 2t+1.
void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], float (*widen)(uint16_t)) {
	struct { float *d; const unsigned *a, *b; } v = {d, a, b};
	typedef decltype(v) V;
	together(&v, [widen](void **slot) {
		float A[16][16], B[8][16];
		for (int l = 0; l < 32; l++) {
			V *p = (V *)slot[l];
			int g = l / 4, t = l % 4;
			for (int e = 0; e < 2; e++) {
				A[g][2 * t + e] = widen(p->a[0] >> 16 * e);
				A[g + 8][2 * t + e] = widen(p->a[1] >> 16 * e);
				A[g][2 * t + 8 + e] = widen(p->a[2] >> 16 * e);
				A[g + 8][2 * t + 8 + e] = widen(p->a[3] >> 16 * e);
				B[g][2 * t + e] = widen(p->b[0] >> 16 * e);
				B[g][2 * t + 8 + e] = widen(p->b[1] >> 16 * e);
			}
		}
		for (int l = 0; l < 32; l++) {
			V *p = (V *)slot[l];
			for (int i = 0; i < 4; i++) {
				const float *x = A[l / 4 + i / 2 * 8], *y = B[l % 4 * 2 + i % 2];
				float sum = 0;
				for (int k = 0; k < 16; k++) sum += x[k] * y[k];
				p->d[i] += sum;
			}
		}
	});
}

static bool block(unsigned order) {
	block_met = block_over = 0;
	alive = count;
	unsigned nw = count / 32;
	for (unsigned w = 0; w < nw; w++) warps[w].met = warps[w].over = 0;
	for (unsigned i = 0; i < count; i++) prepare(fibers[i], i);
	while (alive && !failed) {
		bool moved = false;
		for (unsigned k = 0; k < nw; k++) {
			unsigned w = order % 2 ? nw - 1 - k : k;
			w = (w + order / 2) % nw;
			for (;;) { // as far as the warp comes alone
				bool step = false;
				for (unsigned i = w * 32; i < w * 32 + 32; i++) {
					Fiber &f = fibers[i];
					if (f.done || (f.on && (int)(*f.on - f.waits) < 0)) continue;
					now = &f;
					threadIdx = f.index;
					emulate_switch(&scheduler, f.sp);
					step = true;
				}
				if (!step) break;
				moved = true;
			}
		}
		if (!moved) {
			fprintf(stderr, "a thread waits for others that never come\n");
			return false;
		}
	}
	return !failed;
}

int launch(Kernel *k, Dim3 grid, Dim3 dim, unsigned bytes, const void *args) {
	const unsigned most = 1024;
	if (!fibers) {
		fibers = new Fiber[most];
		warps = new Warp[most / 32];
#ifdef _WIN32
		stacks = (unsigned char *)VirtualAlloc(0, most * stack_size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
#else
		stacks = (unsigned char *)mmap(0, most * stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
#endif
		shared = (unsigned char *)allocate(256 << 10); // more than any GPU allows
	}
	static unsigned launches;
	unsigned order = launches++;
	count = dim.x * dim.y * dim.z;
	body = k->body;
	arguments = args;
	blockDim = dim;
	gridDim = grid;
	failed = false;
	for (unsigned i = 0; i < count; i++) fibers[i].index = {i % dim.x, i / dim.x % dim.y, i / dim.x / dim.y};
	for (unsigned z = 0; z < grid.z; z++)
		for (unsigned y = 0; y < grid.y; y++)
			for (unsigned x = 0; x < grid.x; x++) {
				blockIdx = {x, y, z};
				memset(shared, 0xff, bytes);
				if (!block(order)) {
					fprintf(stderr, "in %s, block (%u,%u,%u)\n", k->name, x, y, z);
					return 719; // CUDA_ERROR_LAUNCH_FAILED
				}
			}
	return 0;
}

} // namespace emulate
