// Linear layers and convolutions, forward.
#include "matmul.h"

#ifdef DTYPE_f32
KERNEL(matmul_nt_64x64, MatmulArgs, 256) { product<NT>(a); }
#else
MATMUL(nt, NT, 128x160)
MATMUL(nt, NT, 128x128)
MATMUL(nt, NT, 128x64)
MATMUL(nt, NT, 64x160)
MATMUL(nt, NT, 64x64)
MATMUL_ODD(nt, NT, 64x64)
MATMUL_GATED(nt, NT, 128x160)
MATMUL_GATED(nt, NT, 128x128)
MATMUL_GATED(nt, NT, 128x64)
#endif

// Joins the parts of a product whose k was split, in order.
KERNEL(matmul_join, MatmulArgs, 256) {
	const u32 i = (u32)thread_index();
	if (i >= (u32)(a.m * a.n)) return;
	float sum = 0;
	for (int s = 0; s < a.splits; s++) sum += a.partial[(i64)s * a.m * a.n + i];
	Operands o = {};
	o.to = a.c;
	o.bias = a.bias;
	finish(a, o, (int)(i / (u32)a.n), (int)(i % (u32)a.n), sum);
}
