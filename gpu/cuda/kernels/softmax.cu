// Softmax over rows, alone and as a stage of attention over slabs of queries.
#include "base.h"
#include "args.h"

KERNEL(softmax, SoftmaxArgs, 256) {
	const T *x = (const T *)a.x + blockIdx.x * a.n;
	T *y = (T *)a.y + blockIdx.x * a.n;
	float top = -INFINITE, sum = 0;
	for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) top = fmaxf(top, widen(x[i]));
	top = block_max(top);
	for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) sum += expf(widen(x[i]) - top);
	float inv = 1.f / block_sum(sum);
	for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) narrow(y[i], expf(widen(x[i]) - top) * inv);
}

KERNEL(softmax_grad, SoftmaxArgs, 256) { // dx = y·(dy − Σ y·dy); z is dx
	const T *y = (const T *)a.x + blockIdx.x * a.n, *dy = (const T *)a.dy + blockIdx.x * a.n;
	T *dx = (T *)a.z + blockIdx.x * a.n;
	float sum = 0;
	for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) sum += widen(y[i]) * widen(dy[i]);
	sum = block_sum(sum);
	for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) narrow(dx[i], widen(y[i]) * (widen(dy[i]) - sum));
}

// The rows of a slab are [batch·heads, slab]; lse is [batch·heads, lq].
DEVICE i64 seen(const SoftmaxArgs &a, i64 query) { return a.causal && query + 1 < a.n ? query + 1 : a.n; }

// Probabilities of type T from scores in float; x and y may be one.
KERNEL(scores_softmax, SoftmaxArgs, 256) {
	i64 query = a.first + blockIdx.x % a.slab, head = blockIdx.x / a.slab, n = seen(a, query);
	const float *x = (const float *)a.x + blockIdx.x * a.n;
	T *y = (T *)a.y + blockIdx.x * a.n;
	float top = -INFINITE, sum = 0;
	for (i64 i = threadIdx.x; i < n; i += blockDim.x) top = fmaxf(top, a.scale * x[i]);
	top = block_max(top);
	for (i64 i = threadIdx.x; i < n; i += blockDim.x) sum += expf(a.scale * x[i] - top);
	sum = block_sum(sum);
	for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) narrow(y[i], i < n ? expf(a.scale * x[i] - top) / sum : 0.f);
	if (a.lse && threadIdx.x == 0) a.lse[head * a.lq + query] = top + logf(sum);
}

// p = exp(scale·s − lse) and ds = scale·p·(dp − Σ p·dp); x is s, dy is dp.
KERNEL(scores_grad, SoftmaxArgs, 256) {
	i64 query = a.first + blockIdx.x % a.slab, head = blockIdx.x / a.slab, n = seen(a, query);
	const float *s = (const float *)a.x + blockIdx.x * a.n, *dp = (const float *)a.dy + blockIdx.x * a.n;
	T *p = (T *)a.y + blockIdx.x * a.n, *ds = (T *)a.z + blockIdx.x * a.n;
	float lse = a.lse[head * a.lq + query], sum = 0;
	for (i64 i = threadIdx.x; i < n; i += blockDim.x) sum += expf(a.scale * s[i] - lse) * dp[i];
	sum = block_sum(sum);
	for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) {
		float v = i < n ? expf(a.scale * s[i] - lse) : 0.f, d = i < n ? a.scale * v * (dp[i] - sum) : 0.f;
		narrow(p[i], v);
		narrow(ds[i], d);
	}
}
