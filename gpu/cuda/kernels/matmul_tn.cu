// Gradients of the weights.
#include "matmul.h"

#ifdef DTYPE_f32
KERNEL(matmul_tn_64x64, MatmulArgs, 256) { product<TN>(a); }
#else
MATMUL(tn, TN, 128x128)
MATMUL(tn, TN, 64x64)
MATMUL_ODD(tn, TN, 64x64)
#endif
