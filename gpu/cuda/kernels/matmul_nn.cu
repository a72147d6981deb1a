// Gradients of the inputs, and products of attention in slabs.
#include "matmul.h"

#ifdef DTYPE_f32
KERNEL(matmul_nn_64x64, MatmulArgs, 256) { product<NN>(a); }
#else
MATMUL(nn, NN, 128x128)
MATMUL(nn, NN, 64x64)
MATMUL_ODD(nn, NN, 64x64)
#endif
