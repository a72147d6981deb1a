//go:build cgo

#include "parts.h"

#include <omp.h>
#include <stdlib.h>

struct host_parts {
    int parts, bias;
    size_t x_bytes, y_bytes;        // of one image
    size_t weights, outputs;        // elements of a packed dw, of db
    size_t at_db, at_scratch, work; // offsets in a part's memory, and its size
    struct {
        host_op *op;
        int image; // the first
    } part[];
};

static size_t lines(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

host_parts *host_parts_new(const host_spec *s, int parts) {
    host_parts *p = calloc(1, sizeof *p + parts * sizeof p->part[0]);
    if (!p) return NULL;
    p->parts = parts;
    p->bias = s->bias;
    // oneDNN plans for the threads it finds now.
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    int ok = 1;
    size_t scratch = 0;
    for (int i = 0; i < parts && ok; i++) {
        const int from = (int)((long)s->n * i / parts), until = (int)((long)s->n * (i + 1) / parts);
        host_spec one = *s;
        one.n = until - from;
        p->part[i].image = from;
        p->part[i].op = host_op_new(&one);
        ok = p->part[i].op && host_same_packing(p->part[i].op, p->part[0].op);
        if (ok && host_scratch_bytes(p->part[i].op) > scratch)
            scratch = host_scratch_bytes(p->part[i].op);
    }
    omp_set_num_threads(threads);
    if (!ok) {
        host_parts_free(p);
        return NULL;
    }
    const size_t element = s->dtype == HOST_BF16 ? 2 : 4;
    p->x_bytes = element * s->h * s->w * s->c;
    p->y_bytes = element * s->p * s->q * s->o;
    p->outputs = s->o;
    const size_t packed = host_packed_bytes(p->part[0].op);
    p->weights = packed ? packed / sizeof(float) : (size_t)s->o * s->kh * s->kw * s->c;
    p->at_db = lines(p->weights * sizeof(float));
    p->at_scratch = p->at_db + lines(p->outputs * sizeof(float));
    p->work = p->at_scratch + lines(scratch);
    return p;
}

void host_parts_free(host_parts *p) {
    if (!p) return;
    for (int i = 0; i < p->parts; i++) host_op_free(p->part[i].op);
    free(p);
}

size_t host_parts_work(const host_parts *p) { return p->parts * p->work; }

// sum adds the parts' vectors of n numbers, in order, into out, which may be
// the first of them.
static void sum(const host_parts *p, float *out, const char *first, size_t n) {
    enum { BLOCK = 1024 };
#pragma omp parallel for schedule(static) if (n > 16 * BLOCK)
    for (size_t from = 0; from < n; from += BLOCK) {
        const size_t until = from + BLOCK < n ? from + BLOCK : n;
        const float *a = (const float *)first;
        for (size_t i = from; i < until; i++) out[i] = a[i];
        for (int k = 1; k < p->parts; k++) {
            const float *b = (const float *)(first + k * p->work);
            for (size_t i = from; i < until; i++) out[i] += b[i];
        }
    }
}

int host_parts_run(host_parts *p, void *dw, void *db, void *x, void *dy, void *work) {
    int status = 0;
#pragma omp parallel for schedule(static, 1) num_threads(p->parts) reduction(| : status)
    for (int i = 0; i < p->parts; i++) {
        char *at = (char *)work + i * p->work;
        const size_t image = p->part[i].image;
        status |= host_op_run(p->part[i].op, (char *)x + image * p->x_bytes, at,
                              p->bias ? at + p->at_db : NULL, (char *)dy + image * p->y_bytes,
                              at + p->at_scratch);
    }
    if (status) return status;
    host_op *first = p->part[0].op;
    if (p->bias) sum(p, db, (char *)work + p->at_db, p->outputs);
    if (!host_packed_bytes(first)) {
        sum(p, dw, work, p->weights);
        return 0;
    }
    sum(p, work, work, p->weights);
    return host_unpack(first, work, dw);
}
