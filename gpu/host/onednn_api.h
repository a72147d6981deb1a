// The little that differs between the C APIs of oneDNN 2 and 3, in one shape.
// Descriptors are made by *_new, owned by the caller, and NULL on failure.
#ifndef HOST_ONEDNN_API_H
#define HOST_ONEDNN_API_H

#include "op.h"

#include <dnnl.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t md;
typedef const_dnnl_memory_desc_t const_md;
#else
typedef dnnl_memory_desc_t *md;
typedef const dnnl_memory_desc_t *const_md;
#endif

md md_new(int ndims, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag);
void md_free(md m); // NULL is allowed

// append_sum makes an operation add to what its result's memory holds.
dnnl_status_t append_sum(dnnl_post_ops_t ops);

// The descriptors an operation is made of, in the roles of host_spec. b may be
// NULL. forward_w is w in the type of x: a gradient of weights may have another.
typedef struct {
    md x, w, b, y, forward_w;
} operands;

dnnl_primitive_desc_t conv_desc_new(dnnl_engine_t e, int kind, const operands *m,
                                    const dnnl_dims_t strides, const dnnl_dims_t before,
                                    const dnnl_dims_t after, const_dnnl_primitive_attr_t attr);
dnnl_primitive_desc_t linear_desc_new(dnnl_engine_t e, int kind, const operands *m,
                                      const_dnnl_primitive_attr_t attr);

#endif
