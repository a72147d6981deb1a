#ifndef HOST_IM2COL_H
#define HOST_IM2COL_H

#include "op.h"

// host_im2col writes to each row of col [n·p·q, kh·kw·c] the patch of
// x [n,h,w,c] under one output pixel, zeros outside of x. Then the gradient of
// the weights is one matrix product, dw = dyᵀ·col
// (Chellapilla, Puri, Simard 2006).
void host_im2col(const host_spec *s, const void *x, void *col);

#endif
