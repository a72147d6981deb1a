//go:build cgo

#include "im2col.h"

#include <string.h>

static int clamp(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }

void host_im2col(const host_spec *s, const void *x, void *col) {
    const size_t pixel = (size_t)s->c * (s->dtype == HOST_BF16 ? 2 : 4);
    const long rows = (long)s->n * s->p;
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++) {
        const char *image = (const char *)x + r / s->p * s->h * s->w * pixel;
        const int top = (int)(r % s->p) * s->stride - s->top;
        char *to = (char *)col + r * s->q * s->kh * s->kw * pixel;
        for (int q = 0; q < s->q; q++) {
            const int left = q * s->stride - s->left;
            const int from = clamp(left, 0, s->w), until = clamp(left + s->kw, from, s->w);
            // A patch's line lies in one piece: zeros, pixels, zeros.
            const size_t before = clamp(from - left, 0, s->kw) * pixel;
            const size_t inside = (until - from) * pixel;
            for (int k = 0; k < s->kh; k++, to += s->kw * pixel) {
                const int h = top + k;
                if (h < 0 || h >= s->h) {
                    memset(to, 0, s->kw * pixel);
                    continue;
                }
                memset(to, 0, before);
                memcpy(to + before, image + ((size_t)h * s->w + from) * pixel, inside);
                memset(to + before + inside, 0, s->kw * pixel - before - inside);
            }
        }
    }
}
