// Convolution and matrix product by oneDNN. An operation is made once for its
// shape and run many times on other memory. Activations are plain channels
// last; weights [O,KH,KW,C] are turned into the layout the operation prefers
// ("packed") by host_pack, weight gradients back by host_unpack.
#ifndef HOST_ONEDNN_H
#define HOST_ONEDNN_H

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
} host_spec;

typedef struct host_op host_op;

// host_onednn_start must come first, once; it returns 0 or oneDNN's status.
int host_onednn_start(void);

// host_op_new returns NULL where oneDNN has no such operation.
host_op *host_op_new(const host_spec *spec);
void host_op_free(host_op *op);

size_t host_scratch_bytes(const host_op *op);
size_t host_packed_bytes(const host_op *op); // 0: plain weights are preferred
int host_same_packing(const host_op *a, const host_op *b);
const char *host_op_detail(const host_op *op); // name of the implementation

// All return 0, or oneDNN's status. w is packed; b is NULL where the spec has
// none. With a residual the result is added to what y holds: oneDNN's kernels
// do that at full speed, and read a third tensor at half of it.
// scratch holds host_scratch_bytes.
int host_op_run(host_op *op, void *x, void *w, void *b, void *y, void *scratch);
int host_pack(host_op *op, void *plain, void *packed);
int host_unpack(host_op *op, void *packed, void *plain);
int host_restore(host_op *op, void *packed, void *plain); // undoes host_pack

// host_isa is the level oneDNN runs at: no bf16 at all, bf16 emulated, or native.
enum { HOST_ISA_BASE, HOST_ISA_AVX512, HOST_ISA_BF16 };
int host_isa(void);
const char *host_isa_name(void);

#endif
