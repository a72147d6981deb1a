//go:build cgo && !nodnnl

#include "op.h"

#include "onednn_api.h"

#include <stdlib.h>

enum { X, W, B, Y, SCRATCH, ARGS };

typedef struct {
    host_op head;
    int kind;
    dnnl_primitive_t run;
    dnnl_primitive_t reorder; // of weights; NULL when plain ones are preferred
    dnnl_primitive_t restore; // the way back, made when it is first wanted
    dnnl_memory_t plain, packed;
    dnnl_exec_arg_t args[ARGS]; // memory is NULL where absent
    dnnl_exec_arg_t order[2];
    md plain_md;
    const_md packed_md; // belongs to run
} onednn_op;

static dnnl_engine_t engine;
static dnnl_stream_t stream;

int host_onednn_start(void) {
    dnnl_status_t s = dnnl_engine_create(&engine, dnnl_cpu, 0);
    return s ? s : dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
}

static dnnl_memory_t memory_new(const_md m) {
    dnnl_memory_t mem = NULL;
    return dnnl_memory_create(&mem, m, engine, DNNL_MEMORY_NONE) == dnnl_success ? mem : NULL;
}

static dnnl_primitive_attr_t attr_new(int residual) {
    dnnl_primitive_attr_t attr = NULL;
    if (dnnl_primitive_attr_create(&attr) != dnnl_success) return NULL;
    dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (residual) {
        dnnl_post_ops_t ops = NULL;
        dnnl_post_ops_create(&ops);
        append_sum(ops);
        dnnl_primitive_attr_set_post_ops(attr, ops);
        dnnl_post_ops_destroy(ops);
    }
    return attr;
}

// desc_new describes the operation with packed weights of any layout and
// stores the plain layout of the weights.
static dnnl_primitive_desc_t desc_new(const host_spec *s, md *plain) {
    const dnnl_data_type_t type = s->dtype == HOST_BF16 ? dnnl_bf16 : dnnl_f32;
    const dnnl_data_type_t wtype = s->kind == HOST_GRAD_WEIGHT ? dnnl_f32 : type;
    const int conv = s->kh > 0, dims = conv ? 4 : 2;
    const dnnl_format_tag_t tag = conv ? dnnl_nhwc : dnnl_ab;
    const dnnl_dims_t x = {s->n, s->c, s->h, s->w}, y = {s->n, s->o, s->p, s->q};
    const dnnl_dims_t w = {s->o, s->c, s->kh, s->kw}, b = {s->o};

    // oneDNN's own choice for a linear layer's dw is slower than plain rows.
    const int keep = !conv && s->kind == HOST_GRAD_WEIGHT;

    operands m = {
        .x = md_new(dims, x, type, tag),
        .w = md_new(dims, w, wtype, keep ? tag : dnnl_format_tag_any),
        .b = s->bias ? md_new(1, b, dnnl_f32, dnnl_a) : NULL,
        .y = md_new(dims, y, type, tag),
        .forward_w = md_new(dims, w, type, dnnl_format_tag_any),
    };
    *plain = md_new(dims, w, wtype, conv ? dnnl_ohwi : dnnl_ab);
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = attr_new(s->residual);
    if (m.x && m.w && m.y && m.forward_w && *plain && attr) {
        if (conv) {
            const dnnl_dims_t strides = {s->stride, s->stride};
            const dnnl_dims_t before = {s->top, s->left}, after = {s->bottom, s->right};
            pd = conv_desc_new(engine, s->kind, &m, strides, before, after, attr);
        } else {
            pd = linear_desc_new(engine, s->kind, &m, attr);
        }
    }
    if (attr) dnnl_primitive_attr_destroy(attr);
    md_free(m.x), md_free(m.w), md_free(m.b), md_free(m.y), md_free(m.forward_w);
    return pd;
}

// bind makes the memory objects of the arguments.
static int bind(onednn_op *op, const_dnnl_primitive_desc_t pd, const host_spec *s) {
    static const int ids[][ARGS] = {
        {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD},
        {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, 0, DNNL_ARG_DIFF_DST, DNNL_ARG_SCRATCHPAD},
        {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_DST,
         DNNL_ARG_SCRATCHPAD},
        {DNNL_ARG_DST, DNNL_ARG_WEIGHTS, 0, DNNL_ARG_SRC, DNNL_ARG_SCRATCHPAD},
    };
    const int product = s->kind == HOST_GRAD_INPUT && s->kh == 0;
    const int *id = ids[product ? 3 : s->kind];
    const int present[ARGS] = {1, 1, s->bias, 1, op->head.scratch_bytes > 0};
    for (int i = 0; i < ARGS; i++) {
        if (!present[i]) continue;
        const_md m = dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, id[i]);
        op->args[i].arg = id[i];
        op->args[i].memory = m ? memory_new(m) : NULL;
        if (!op->args[i].memory) return 0;
    }
    return 1;
}

static dnnl_primitive_t reorder_new(const_md from, const_md to) {
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t p = NULL;
    if (dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, NULL) != dnnl_success)
        return NULL;
    if (dnnl_primitive_create(&p, pd) != dnnl_success) p = NULL;
    dnnl_primitive_desc_destroy(pd);
    return p;
}

// bind_reorder prepares packing, or unpacking of a gradient.
static int bind_reorder(onednn_op *op) {
    op->plain = memory_new(op->plain_md);
    op->packed = memory_new(op->packed_md);
    if (!op->plain || !op->packed) return 0;
    int back = op->kind == HOST_GRAD_WEIGHT;
    op->order[0] = (dnnl_exec_arg_t){DNNL_ARG_FROM, back ? op->packed : op->plain};
    op->order[1] = (dnnl_exec_arg_t){DNNL_ARG_TO, back ? op->plain : op->packed};
    op->reorder = back ? reorder_new(op->packed_md, op->plain_md) : reorder_new(op->plain_md, op->packed_md);
    return op->reorder != NULL;
}

static void op_free(host_op *head) {
    onednn_op *op = (onednn_op *)head;
    for (int i = 0; i < ARGS; i++)
        if (op->args[i].memory) dnnl_memory_destroy(op->args[i].memory);
    if (op->plain) dnnl_memory_destroy(op->plain);
    if (op->packed) dnnl_memory_destroy(op->packed);
    if (op->reorder) dnnl_primitive_destroy(op->reorder);
    if (op->restore) dnnl_primitive_destroy(op->restore);
    if (op->run) dnnl_primitive_destroy(op->run);
    md_free(op->plain_md);
    free(op);
}

static host_op *op_new(const host_spec *s) {
    onednn_op *op = calloc(1, sizeof *op);
    if (!op) return NULL;
    op->kind = s->kind;
    dnnl_primitive_desc_t pd = desc_new(s, &op->plain_md);
    if (!pd) goto failed;
    dnnl_status_t status = dnnl_primitive_create(&op->run, pd);
    dnnl_primitive_desc_destroy(pd);
    if (status != dnnl_success) goto failed;

    const_dnnl_primitive_desc_t own = NULL;
    dnnl_primitive_get_primitive_desc(op->run, &own);
    op->packed_md = dnnl_primitive_desc_query_md(
        own, s->kind == HOST_GRAD_WEIGHT ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    op->head.scratch_bytes =
        dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(own, dnnl_query_scratchpad_md, 0));
    if (!bind(op, own, s)) goto failed;
    if (!dnnl_memory_desc_equal(op->packed_md, op->plain_md)) {
        op->head.packed_bytes = dnnl_memory_desc_get_size(op->packed_md);
        if (!bind_reorder(op)) goto failed;
    }
    return &op->head;
failed:
    op_free(&op->head);
    return NULL;
}

static int same_packing(const host_op *a, const host_op *b) {
    return dnnl_memory_desc_equal(((const onednn_op *)a)->packed_md, ((const onednn_op *)b)->packed_md);
}

static int op_run(host_op *head, void *x, void *w, void *b, void *y, void *scratch) {
    onednn_op *op = (onednn_op *)head;
    void *const at[ARGS] = {x, w, b, y, scratch};
    dnnl_exec_arg_t args[ARGS];
    int n = 0;
    for (int i = 0; i < ARGS; i++) {
        if (!op->args[i].memory) continue;
        dnnl_memory_set_data_handle(op->args[i].memory, at[i]);
        args[n++] = op->args[i];
    }
    return dnnl_primitive_execute(op->run, stream, n, args);
}

static int reorder(host_op *head, void *plain, void *packed) {
    onednn_op *op = (onednn_op *)head;
    dnnl_memory_set_data_handle(op->plain, plain);
    dnnl_memory_set_data_handle(op->packed, packed);
    return dnnl_primitive_execute(op->reorder, stream, 2, op->order);
}

static int unpack(host_op *op, void *packed, void *plain) { return reorder(op, plain, packed); }

static int restore(host_op *head, void *packed, void *plain) {
    onednn_op *op = (onednn_op *)head;
    if (!op->restore) op->restore = reorder_new(op->packed_md, op->plain_md);
    if (!op->restore) return dnnl_unimplemented;
    dnnl_memory_set_data_handle(op->plain, plain);
    dnnl_memory_set_data_handle(op->packed, packed);
    const dnnl_exec_arg_t order[] = {{DNNL_ARG_FROM, op->packed}, {DNNL_ARG_TO, op->plain}};
    return dnnl_primitive_execute(op->restore, stream, 2, order);
}

static const host_library library = {op_new, op_free, same_packing, op_run, reorder, unpack, restore};
const host_library *const host_onednn = &library;

int host_isa(void) {
    int isa = dnnl_get_effective_cpu_isa();
    if ((isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16)
        return HOST_ISA_BF16;
    return (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core ? HOST_ISA_AVX512
                                                                        : HOST_ISA_BASE;
}

const char *host_isa_name(void) {
    int isa = dnnl_get_effective_cpu_isa();
    if ((isa & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx) return "AMX";
    static const char *const names[] = {"no AVX-512", "AVX-512", "AVX-512 bf16"};
    return names[host_isa()];
}
