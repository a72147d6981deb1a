//go:build cgo && !nodnnl

#include "onednn_api.h"

#include <stdlib.h>

// The backward kinds need the forward descriptor as a hint; it carries no
// attributes. The gradient of a linear layer's input is an ordinary matrix
// product, dx = dy·w, for which oneDNN's matmul is faster than its
// inner-product backward.

#if DNNL_VERSION_MAJOR >= 3

md md_new(int ndims, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag) {
    md m = NULL;
    return dnnl_memory_desc_create_with_tag(&m, ndims, dims, type, tag) == dnnl_success ? m : NULL;
}

void md_free(md m) {
    if (m) dnnl_memory_desc_destroy(m);
}

dnnl_status_t append_sum(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
}

dnnl_primitive_desc_t conv_desc_new(dnnl_engine_t e, int kind, const operands *m,
                                    const dnnl_dims_t strides, const dnnl_dims_t before,
                                    const dnnl_dims_t after, const_dnnl_primitive_attr_t attr) {
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    const dnnl_dims_t undilated = {0};
    dnnl_primitive_desc_t forward = NULL, pd = NULL;
    int ok = dnnl_convolution_forward_primitive_desc_create(
                 &forward, e, dnnl_forward_training, direct, m->x, m->forward_w, m->b, m->y,
                 strides, undilated, before, after, kind == HOST_FORWARD ? attr : NULL) == dnnl_success;
    if (!ok || kind == HOST_FORWARD) return forward;
    if (kind == HOST_GRAD_INPUT)
        ok = dnnl_convolution_backward_data_primitive_desc_create(
                 &pd, e, direct, m->x, m->w, m->y, strides, undilated, before, after, forward,
                 attr) == dnnl_success;
    else
        ok = dnnl_convolution_backward_weights_primitive_desc_create(
                 &pd, e, direct, m->x, m->w, m->b, m->y, strides, undilated, before, after,
                 forward, attr) == dnnl_success;
    dnnl_primitive_desc_destroy(forward);
    return ok ? pd : NULL;
}

dnnl_primitive_desc_t linear_desc_new(dnnl_engine_t e, int kind, const operands *m,
                                      const_dnnl_primitive_attr_t attr) {
    dnnl_primitive_desc_t forward = NULL, pd = NULL;
    if (kind == HOST_GRAD_INPUT)
        return dnnl_matmul_primitive_desc_create(&pd, e, m->y, m->w, NULL, m->x, attr) ==
                       dnnl_success
                   ? pd
                   : NULL;
    int ok = dnnl_inner_product_forward_primitive_desc_create(
                 &forward, e, dnnl_forward_training, m->x, m->forward_w, m->b, m->y,
                 kind == HOST_FORWARD ? attr : NULL) == dnnl_success;
    if (!ok || kind == HOST_FORWARD) return forward;
    ok = dnnl_inner_product_backward_weights_primitive_desc_create(
             &pd, e, m->x, m->w, m->b, m->y, forward, attr) == dnnl_success;
    dnnl_primitive_desc_destroy(forward);
    return ok ? pd : NULL;
}

#else

md md_new(int ndims, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag) {
    md m = malloc(sizeof *m);
    if (m && dnnl_memory_desc_init_by_tag(m, ndims, dims, type, tag) != dnnl_success) {
        free(m);
        m = NULL;
    }
    return m;
}

void md_free(md m) { free(m); }

dnnl_status_t append_sum(dnnl_post_ops_t ops) { return dnnl_post_ops_append_sum(ops, 1); }

// create describes the forward operation, or the backward one where given.
static dnnl_primitive_desc_t create(dnnl_engine_t e, const_dnnl_op_desc_t forward,
                                    const_dnnl_op_desc_t backward,
                                    const_dnnl_primitive_attr_t attr) {
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    if (dnnl_primitive_desc_create(&hint, forward, backward ? NULL : attr, e, NULL) != dnnl_success)
        return NULL;
    if (!backward) return hint;
    if (dnnl_primitive_desc_create(&pd, backward, attr, e, hint) != dnnl_success) pd = NULL;
    dnnl_primitive_desc_destroy(hint);
    return pd;
}

dnnl_primitive_desc_t conv_desc_new(dnnl_engine_t e, int kind, const operands *m,
                                    const dnnl_dims_t strides, const dnnl_dims_t before,
                                    const dnnl_dims_t after, const_dnnl_primitive_attr_t attr) {
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    dnnl_convolution_desc_t forward, backward;
    if (dnnl_convolution_forward_desc_init(&forward, dnnl_forward_training, direct, m->x,
                                           m->forward_w, m->b, m->y, strides, before, after) != dnnl_success)
        return NULL;
    if (kind == HOST_FORWARD) return create(e, &forward, NULL, attr);
    dnnl_status_t s =
        kind == HOST_GRAD_INPUT
            ? dnnl_convolution_backward_data_desc_init(&backward, direct, m->x, m->w, m->y,
                                                       strides, before, after)
            : dnnl_convolution_backward_weights_desc_init(&backward, direct, m->x, m->w, m->b,
                                                          m->y, strides, before, after);
    return s == dnnl_success ? create(e, &forward, &backward, attr) : NULL;
}

dnnl_primitive_desc_t linear_desc_new(dnnl_engine_t e, int kind, const operands *m,
                                      const_dnnl_primitive_attr_t attr) {
    if (kind == HOST_GRAD_INPUT) {
        dnnl_matmul_desc_t product;
        return dnnl_matmul_desc_init(&product, m->y, m->w, NULL, m->x) == dnnl_success
                   ? create(e, &product, NULL, attr)
                   : NULL;
    }
    dnnl_inner_product_desc_t forward, backward;
    if (dnnl_inner_product_forward_desc_init(&forward, dnnl_forward_training, m->x, m->forward_w,
                                             m->b, m->y) != dnnl_success)
        return NULL;
    if (kind == HOST_FORWARD) return create(e, &forward, NULL, attr);
    return dnnl_inner_product_backward_weights_desc_init(&backward, m->x, m->w, m->b, m->y) ==
                   dnnl_success
               ? create(e, &forward, &backward, attr)
               : NULL;
}

#endif
