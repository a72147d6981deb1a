// Convolution and matrix product, by oneDNN or by the own kernels. An operation is made
// once for its shape and run many times on other memory. Activations are plain channels
// last; weights [O,KH,KW,C] are turned into the layout the operation prefers
// ("packed") by host_pack, weight gradients back by host_unpack.
#ifndef HOST_OP_H
#define HOST_OP_H

#include <stddef.h>
#include <stdint.h>

enum { HOST_FORWARD, HOST_GRAD_INPUT, HOST_GRAD_WEIGHT };
enum { HOST_F32, HOST_BF16 };

// A shape in the names of gpu.Backend: x [n,h,w,c], weight [o,kh,kw,c],
// y [n,p,q,o]. A linear layer has kh = 0 and uses n, c and o alone. The
// gradients have the same roles: dx stands for x, dw for w, dy for y.
typedef struct {
    int32_t kind, dtype;
    int32_t bias, residual; // 1 where present
    int32_t n, h, w, c, o, kh, kw, p, q;
    int32_t stride, top, bottom, left, right;
    int32_t own; // 1: by the own kernels, whatever oneDNN can do
} host_spec;

typedef struct host_op host_op;

// host_onednn_start must come first, once; it returns 0 or oneDNN's status.
int host_onednn_start(void);

// host_op_new returns NULL where there is no such operation.
host_op *host_op_new(const host_spec *spec);
void host_op_free(host_op *op);

size_t host_scratch_bytes(const host_op *op);
size_t host_packed_bytes(const host_op *op); // 0: plain weights are preferred
int host_same_packing(const host_op *a, const host_op *b);

// All return 0, or oneDNN's status. w is packed; b is NULL where the spec has
// none. With a residual the result is added to what y holds: oneDNN's kernels
// do that at full speed, and read a third tensor at half of it. Of a gradient by
// the input x is written and y read, of one by the weights w and b are written.
// scratch holds host_scratch_bytes.
int host_op_run(host_op *op, void *x, void *w, void *b, void *y, void *scratch);
int host_pack(host_op *op, void *plain, void *packed);
int host_unpack(host_op *op, void *packed, void *plain);
int host_restore(host_op *op, void *packed, void *plain); // undoes host_pack

// What computes operations. Each starts its own kind of host_op with the common one.
typedef struct {
    host_op *(*make)(const host_spec *spec); // NULL where it cannot
    void (*free)(host_op *op);
    int (*same_packing)(const host_op *a, const host_op *b);
    int (*run)(host_op *op, void *x, void *w, void *b, void *y, void *scratch);
    int (*pack)(host_op *op, void *plain, void *packed);
    int (*unpack)(host_op *op, void *packed, void *plain);
    int (*restore)(host_op *op, void *packed, void *plain);
} host_library;

struct host_op {
    const host_library *by;
    size_t scratch_bytes, packed_bytes;
};

extern const host_library host_own;
extern const host_library *const host_onednn; // NULL in a program without it

// host_isa is the level oneDNN runs at: no bf16 at all, bf16 emulated, or native.
enum { HOST_ISA_BASE, HOST_ISA_AVX512, HOST_ISA_BF16 };
int host_isa(void);
const char *host_isa_name(void);

#endif
