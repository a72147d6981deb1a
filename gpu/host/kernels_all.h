// All kernels for one instruction set: ISA is its name and LANES the number of
// floats in its vectors. No include guard is wanted, as each of the files
// that include this is compiled on its own.

#include "kernels_block.h"
#include "kernels_math.h"
#include "kernels_reduce.h"

#include "kernels_elementwise.h"
#include "kernels_loss.h"
#include "kernels_norm.h"
#include "kernels_norm_grad.h"
#include "kernels_optim.h"
#include "kernels_shape.h"
#include "kernels_softmax.h"

#include "kernels_gemm.h"

#include "kernels_attention.h"
#include "kernels_attention_grad.h"

#include "kernels_winograd.h"

#include "kernels_product.h"

#define STRING_(s) #s
#define STRING(s) STRING_(s)

static const struct kernels table = {
    .isa = STRING(ISA),
#define ENTRY(result, name, params, args) .name = name,
    KERNELS(ENTRY)
#undef ENTRY
};
