// Losses, norms and the sums of columns. A sum has two stages: each block adds a
// fixed share, then one block adds the shares in order.
#include "base.h"
#include "args.h"
#include "functions.h"
#include "many.h"

enum { MSE_SUM, L1_SUM, KL_SUM, SQUARE_SUM, NOT_FINITE };

DEVICE float term(const ReduceArgs &a, i64 i) {
	const T *x = (const T *)a.a, *z = (const T *)a.b;
	switch (a.f) {
	case MSE_SUM: {
		float d = widen(x[i]) - widen(z[i]);
		return d * d * (a.weight ? a.weight[i / a.size] : 1.f);
	}
	case L1_SUM:
		return fabsf(widen(x[i]) - widen(z[i]));
	case KL_SUM: {
		i64 at = i + i / a.c * a.c;
		float u = widen(x[at]), lv = widen(x[at + a.c]);
		return 0.5f * (u * u + expf(lv) - 1.f - lv);
	}
	case SQUARE_SUM: {
		float v = widen(x[i]);
		return v * v;
	}
	default: {
		float v = widen(x[i]);
		return v - v == 0.f ? 0.f : 1.f; // ∞−∞ and NaN−NaN are NaN
	}
	}
}

KERNEL(reduce, ReduceArgs, 256) {
	float sum = 0;
	for (i64 i = thread_index(); i < a.n; i += (i64)gridDim.x * blockDim.x) sum += term(a, i);
	sum = block_sum(sum);
	if (threadIdx.x == 0) a.partial[blockIdx.x] = sum;
}

KERNEL(mse_grad, ReduceArgs, 256) { // y = da
	float s = a.scale * ((const float *)a.dy)[0];
	for (i64 i = thread_index(); i < a.n; i += (i64)gridDim.x * blockDim.x) {
		float d = widen(((const T *)a.a)[i]) - widen(((const T *)a.b)[i]);
		narrow(((T *)a.y)[i], s * d * (a.weight ? a.weight[i / a.size] : 1.f));
	}
}

KERNEL(l1_grad, ReduceArgs, 256) {
	float s = a.scale * ((const float *)a.dy)[0];
	for (i64 i = thread_index(); i < a.n; i += (i64)gridDim.x * blockDim.x) {
		float d = widen(((const T *)a.a)[i]) - widen(((const T *)a.b)[i]);
		narrow(((T *)a.y)[i], d > 0.f ? s : d < 0.f ? -s : 0.f);
	}
}

KERNEL(kl_grad, ReduceArgs, 256) {
	float s = a.scale * ((const float *)a.dy)[0];
	for (i64 i = thread_index(); i < a.n; i += (i64)gridDim.x * blockDim.x) {
		i64 at = i + i / a.c * a.c;
		narrow(((T *)a.y)[at], s * widen(((const T *)a.a)[at]));
		narrow(((T *)a.y)[at + a.c], 0.5f * s * (expf(widen(((const T *)a.a)[at + a.c])) - 1.f));
	}
}

#ifdef DTYPE_f32

KERNEL(squares_many, ManyArgs, 256) {
	const SumEntry &e = entry<SumEntry>(a);
	float sum = 0;
	chunk(a, e.first, e.n, [&](i64 i) {
		float x = load_any(e.x, (int)e.dtype, i);
		sum += x * x;
	});
	sum = block_sum(sum);
	if (threadIdx.x == 0) a.partial[blockIdx.x] = sum;
}

KERNEL(reduce_finish, ReduceArgs, 32) { // y[1], Float32 or float64 by dtype
	double sum = 0;
	if (threadIdx.x == 0) {
		for (int i = 0; i < a.blocks; i++) sum += (double)a.partial[i];
		if (a.dtype == 1) *(double *)a.y = sum * a.scale;
		else *(float *)a.y = (float)(sum * a.scale);
	}
}

#endif
