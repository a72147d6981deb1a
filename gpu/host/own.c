//go:build cgo

// Convolution and matrix product by the own kernels, in float32: for programs without
// oneDNN, and for what it cannot do. All three are one matrix product, the convolutions
// of patches, which are made block by block:
//
//	y [n·p·q, o]     = patches of x  · wᵀ
//	dx [n·h·w, c]    = patches of dy · w
//	dw [o, kh·kw·c]  = dyᵀ · patches of x

#include "kernels.h"
#include "op.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { TERMS = PRODUCT_TERMS, ROWS = 64, VECS = PRODUCT_VECS, MAX_COLUMNS = 16 * VECS };

typedef struct {
    host_op head;
    host_spec s;
    ptrdiff_t rows, terms, results; // of the product of patches and weights
} own_op;

static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

static host_op *make(const host_spec *s) {
    own_op *op = s->dtype == HOST_F32 ? calloc(1, sizeof *op) : NULL;
    if (!op) return NULL;
    op->s = *s;
    const int back = s->kind == HOST_GRAD_INPUT, taps = s->kh ? s->kh * s->kw : 1;
    op->rows = s->kh ? (ptrdiff_t)s->n * (back ? s->h * s->w : s->p * s->q) : s->n;
    op->terms = (ptrdiff_t)taps * (back ? s->o : s->c);
    op->results = back ? s->c : s->o;
    if (s->kind == HOST_GRAD_WEIGHT) {
        if (s->kh) op->head.scratch_bytes = TERMS * op->terms * sizeof(float);
    } else {
        const long lanes = kernel_product_lanes();
        op->head.packed_bytes = (op->results + lanes - 1) / lanes * lanes * op->terms * sizeof(float);
    }
    return &op->head;
}

static void release(host_op *op) { free(op); }

static int same_packing(const host_op *a, const host_op *b) {
    const host_spec *s = &((const own_op *)a)->s, *t = &((const own_op *)b)->s;
    return s->kind == t->kind && s->c == t->c && s->o == t->o && s->kh == t->kh && s->kw == t->kw;
}

// order copies weights into panels, or back. The panels stand one behind the other,
// [terms][columns]; the last is as narrow as whole vectors allow.
static int order(const own_op *op, float *plain, float *packed, int back) {
    const host_spec *s = &op->s;
    const ptrdiff_t lanes = kernel_product_lanes(), columns = VECS * lanes, terms = op->terms;
    const ptrdiff_t taps = s->kh ? s->kh * s->kw : 1;
#pragma omp parallel for schedule(static)
    for (ptrdiff_t from = 0; from < op->results; from += columns) {
        const ptrdiff_t n = least(columns, op->results - from), width = (n + lanes - 1) / lanes * lanes;
        for (ptrdiff_t k = 0; k < terms; k++) {
            // Where term k of the panel's first column lies, and how far the next one.
            float *w = plain + from * terms + k;
            ptrdiff_t next = terms;
            if (s->kind == HOST_GRAD_INPUT)
                w = plain + (k % s->o * taps + k / s->o) * s->c + from, next = 1;
            float *to = packed + from * terms + k * width;
            for (ptrdiff_t l = 0; l < n; l++)
                if (back) w[l * next] = to[l];
                else to[l] = w[l * next];
            if (!back) memset(to + n, 0, (width - n) * sizeof *to);
        }
    }
    return 0;
}

static int pack(host_op *op, void *plain, void *packed) { return order((own_op *)op, plain, packed, 0); }

static int restore(host_op *op, void *packed, void *plain) { return order((own_op *)op, plain, packed, 1); }

// patch writes the terms [from, from+k) that one result is made of: of each tap all
// channels, zeros outside the picture and, going back, between the steps of a stride.
static void patch(float *to, const own_op *op, const float *x, ptrdiff_t row, ptrdiff_t from, ptrdiff_t k) {
    const host_spec *s = &op->s;
    const int back = s->kind == HOST_GRAD_INPUT;
    const ptrdiff_t c = back ? s->o : s->c, h = back ? s->p : s->h, w = back ? s->q : s->w; // of x
    const ptrdiff_t p = back ? s->h : s->p, q = back ? s->w : s->q;                         // of results
    const ptrdiff_t image = row / (p * q), i = row / q % p, j = row % q;
    while (k > 0) {
        const ptrdiff_t tap = from / c, channel = from % c, n = least(c - channel, k);
        ptrdiff_t y, z;
        int in = 1;
        if (back) {
            y = i + s->top - tap / s->kw, z = j + s->left - tap % s->kw;
            in = y % s->stride == 0 && z % s->stride == 0;
            y /= s->stride, z /= s->stride;
        } else {
            y = i * s->stride + tap / s->kw - s->top, z = j * s->stride + tap % s->kw - s->left;
        }
        if (in && y >= 0 && y < h && z >= 0 && z < w)
            memcpy(to, x + ((image * h + y) * w + z) * c + channel, n * sizeof *to);
        else
            memset(to, 0, n * sizeof *to);
        to += n, from += n, k -= n;
    }
}

// multiply is out[rows,results] (+)= patches of x · packed + bias.
static void multiply(const own_op *op, const float *x, const float *packed, const float *bias, float *out) {
    const ptrdiff_t rows = op->rows, terms = op->terms, results = op->results;
    const ptrdiff_t columns = VECS * kernel_product_lanes();
    const ptrdiff_t blocks = (rows + ROWS - 1) / ROWS, panels = (results + columns - 1) / columns;
    // Few rows are shared out by their columns.
    const ptrdiff_t tasks = 4 * omp_get_max_threads();
    const ptrdiff_t groups = blocks < tasks ? least(panels, (tasks + blocks - 1) / blocks) : 1;
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (ptrdiff_t block = 0; block < blocks; block++)
        for (ptrdiff_t group = 0; group < groups; group++) {
            float patches[ROWS * TERMS];
            const ptrdiff_t row = block * ROWS, m = least(ROWS, rows - row);
            const ptrdiff_t first = group * panels / groups * columns;
            const ptrdiff_t n = least((group + 1) * panels / groups * columns, results) - first;
            float *y = out + row * results + first;
            for (ptrdiff_t i = 0; i < m; i++)
                for (ptrdiff_t j = 0; j < n; j++)
                    y[i * results + j] = (op->s.residual ? y[i * results + j] : 0) + (bias ? bias[first + j] : 0);
            for (ptrdiff_t from = 0; from < terms; from += TERMS) {
                const ptrdiff_t k = least(TERMS, terms - from);
                const float *a = x + row * terms + from;
                ptrdiff_t line = terms;
                if (op->s.kh) {
                    for (ptrdiff_t i = 0; i < m; i++) patch(patches + i * TERMS, op, x, row + i, from, k);
                    a = patches, line = TERMS;
                }
                kernel_product(y, results, a, line, 1, packed + first * terms, terms, from, m, n, k);
            }
        }
}

// multiply_back is dw[o,terms] = dyᵀ · patches of x, a block of rows after the other.
static void multiply_back(const own_op *op, const float *x, float *dw, float *db, const float *dy, float *patches) {
    const ptrdiff_t rows = op->rows, terms = op->terms, o = op->results;
    const ptrdiff_t lanes = kernel_product_lanes(), columns = VECS * lanes, panels = (terms + columns - 1) / columns;
    enum { BLOCK = 4 * ROWS }; // of o
    memset(dw, 0, o * terms * sizeof *dw);
    for (ptrdiff_t row = 0; row < rows; row += TERMS) {
        const ptrdiff_t k = least(TERMS, rows - row);
        const float *b = x + row * terms;
        if (op->s.kh) {
#pragma omp parallel for schedule(static)
            for (ptrdiff_t i = 0; i < k; i++) patch(patches + i * terms, op, x, row + i, 0, terms);
            b = patches;
        }
#pragma omp parallel for collapse(2) schedule(dynamic)
        for (ptrdiff_t i = 0; i < o; i += BLOCK)
            for (ptrdiff_t p = 0; p < panels; p++) {
                float panel[TERMS * MAX_COLUMNS];
                const ptrdiff_t first = p * columns, n = least(columns, terms - first);
                const ptrdiff_t width = (n + lanes - 1) / lanes * lanes;
                for (ptrdiff_t j = 0; j < k; j++) {
                    memcpy(panel + j * width, b + j * terms + first, n * sizeof *panel);
                    memset(panel + j * width + n, 0, (width - n) * sizeof *panel);
                }
                kernel_product(dw + i * terms + first, terms, dy + row * o + i, 1, o, panel, k, 0, least(BLOCK, o - i), n, k);
            }
    }
    if (db) kernel_sum_middle(F32, db, dy, 1, rows, o);
}

static int run(host_op *head, void *x, void *w, void *b, void *y, void *scratch) {
    const own_op *op = (own_op *)head;
    switch (op->s.kind) {
    case HOST_FORWARD: multiply(op, x, w, b, y); break;
    case HOST_GRAD_INPUT: multiply(op, y, w, NULL, x); break;
    case HOST_GRAD_WEIGHT: multiply_back(op, x, w, b, y, scratch); break;
    }
    return 0;
}

// A gradient by the weights is plain: there is nothing to unpack.
const host_library host_own = {make, release, same_packing, run, pack, NULL, restore};
