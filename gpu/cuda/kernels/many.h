// One launch over many tensors; base.h and args.h come first.
#pragma once

// entry finds the tensor that this block belongs to.
template <class E> DEVICE const E &entry(const ManyArgs &a) {
	const E *e = (const E *)a.entries;
	int low = 0, high = a.count;
	while (high - low > 1) {
		int middle = (low + high) / 2;
		if (e[middle].first <= (i64)blockIdx.x) low = middle;
		else high = middle;
	}
	return e[low];
}

// chunk visits this block's elements of a tensor of n.
template <class F> DEVICE void chunk(const ManyArgs &a, i64 first, i64 n, F f) {
	i64 from = ((i64)blockIdx.x - first) * a.chunk, end = from + a.chunk < n ? from + a.chunk : n;
	for (i64 i = from + threadIdx.x; i < end; i += blockDim.x) f(i);
}
