//go:build cgo

#include "op.h"

host_op *host_op_new(const host_spec *spec) {
    host_op *op = NULL;
    const host_library *by = host_onednn;
    if (by && !spec->own) op = by->make(spec);
    if (!op) op = (by = &host_own)->make(spec);
    if (op) op->by = by;
    return op;
}

void host_op_free(host_op *op) {
    if (op) op->by->free(op);
}

size_t host_scratch_bytes(const host_op *op) { return op->scratch_bytes; }

size_t host_packed_bytes(const host_op *op) { return op->packed_bytes; }

int host_same_packing(const host_op *a, const host_op *b) {
    return a->by == b->by && a->by->same_packing(a, b);
}

int host_op_run(host_op *op, void *x, void *w, void *b, void *y, void *scratch) {
    return op->by->run(op, x, w, b, y, scratch);
}

int host_pack(host_op *op, void *plain, void *packed) { return op->by->pack(op, plain, packed); }

int host_unpack(host_op *op, void *packed, void *plain) { return op->by->unpack(op, packed, plain); }

int host_restore(host_op *op, void *packed, void *plain) { return op->by->restore(op, packed, plain); }
