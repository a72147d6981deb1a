#include "base.h"
#include "args.h"
#include "functions.h"
#include "many.h"

// each calls f(i) for i < n. Indices have 32 bits, whose divisions are several
// times as fast; the host sees to it that they suffice.
template <class F> DEVICE void each(i64 n, F f) {
	for (u32 i = (u32)thread_index(); i < (u32)n; i += gridDim.x * blockDim.x) f(i);
}

// map is y = f(x, z), 16 bytes at a time where every pointer allows.

template <class F> DEVICE void map(T *y, const T *x, const T *z, i64 n, F f) {
	const int N = Pack<T>::n;
	if (aligned(y) && aligned(x) && aligned(z) && n % N == 0) {
		each(n / N, [&](u32 i) {
			Pack<T> p = ((const Pack<T> *)x)[i], q = ((const Pack<T> *)z)[i];
			for (int j = 0; j < N; j++) narrow(p.v[j], f(widen(p.v[j]), widen(q.v[j])));
			((Pack<T> *)y)[i] = p;
		});
		return;
	}
	each(n, [&](u32 i) { narrow(y[i], f(widen(x[i]), widen(z[i]))); });
}

KERNEL(unary, Elementwise, 256) {
	map((T *)a.y, (const T *)a.x, (const T *)a.x, a.n, [&](float x, float) { return apply(a.f, x); });
}

KERNEL(unary_grad, Elementwise, 256) {
	map((T *)a.y, (const T *)a.x, (const T *)a.z, a.n, [&](float x, float d) { return d * slope(a.f, x); });
}

KERNEL(mul, Elementwise, 256) {
	map((T *)a.y, (const T *)a.x, (const T *)a.z, a.n, [&](float x, float z) { return x * z; });
}

KERNEL(clamp, Elementwise, 256) {
	map((T *)a.y, (const T *)a.x, (const T *)a.x, a.n, [&](float x, float) { return fminf(fmaxf(x, a.p), a.q); });
}

// x is [a | g] along rows of 2·inner.
KERNEL(geglu, Elementwise, 256) {
	const T *x = (const T *)a.x;
	T *y = (T *)a.y;
	const int N = Pack<T>::n;
	const u32 inner = (u32)a.inner;
	if (aligned(x) && aligned(y) && inner % N == 0) {
		each(a.n / N, [&](u32 i) {
			u32 at = i * N;
			i64 from = (i64)at + (i64)(at / inner) * inner;
			Pack<T> p = *(const Pack<T> *)(x + from), g = *(const Pack<T> *)(x + from + a.inner);
			for (int j = 0; j < N; j++) narrow(p.v[j], widen(p.v[j]) * gelu(widen(g.v[j])));
			((Pack<T> *)y)[i] = p;
		});
		return;
	}
	each(a.n, [&](u32 i) {
		i64 from = (i64)i + (i64)(i / inner) * inner;
		narrow(y[i], widen(x[from]) * gelu(widen(x[from + a.inner])));
	});
}

KERNEL(geglu_grad, Elementwise, 256) { // over the elements of dy = z
	const T *x = (const T *)a.x, *dy = (const T *)a.z;
	T *dx = (T *)a.y;
	each(a.n, [&](u32 i) {
		i64 at = (i64)i + (i64)(i / (u32)a.inner) * a.inner;
		float v = widen(x[at]), g = widen(x[at + a.inner]), d = widen(dy[i]);
		narrow(dx[at], d * gelu(g));
		narrow(dx[at + a.inner], d * v * gelu_slope(g));
	});
}

KERNEL(add_channels, Elementwise, 256) { // inner channels, middle positions
	const T *x = (const T *)a.x, *t = (const T *)a.z;
	T *y = (T *)a.y;
	const int N = Pack<T>::n;
	const u32 inner = (u32)a.inner, image = (u32)(a.middle * a.inner);
	if (aligned(x) && aligned(y) && aligned(t) && inner % N == 0) {
		each(a.n / N, [&](u32 i) {
			u32 at = i * N;
			Pack<T> p = ((const Pack<T> *)x)[i], q = *(const Pack<T> *)(t + at / image * inner + at % inner);
			for (int j = 0; j < N; j++) narrow(p.v[j], widen(p.v[j]) + widen(q.v[j]));
			((Pack<T> *)y)[i] = p;
		});
		return;
	}
	each(a.n, [&](u32 i) { narrow(y[i], widen(x[i]) + widen(t[i / image * inner + i % inner])); });
}

KERNEL(combine, CombineArgs, 256) { // all of type T
	const int N = Pack<T>::n;
	bool wide = aligned(a.y) && a.n % N == 0;
	for (int k = 0; k < a.count; k++) wide = wide && aligned(a.x[k]);
	if (wide) {
		each(a.n / N, [&](u32 i) {
			float sum[N] = {};
			for (int k = 0; k < a.count; k++) {
				Pack<T> p = ((const Pack<T> *)a.x[k])[i];
				for (int j = 0; j < N; j++) sum[j] += a.coef[k] * widen(p.v[j]);
			}
			Pack<T> p;
			for (int j = 0; j < N; j++) narrow(p.v[j], sum[j]);
			((Pack<T> *)a.y)[i] = p;
		});
		return;
	}
	each(a.n, [&](u32 i) {
		float sum = 0;
		for (int k = 0; k < a.count; k++) sum += a.coef[k] * widen(((const T *)a.x[k])[i]);
		narrow(((T *)a.y)[i], sum);
	});
}

KERNEL(copy_rows, CopyArgs, 256) {
	const T *src = (const T *)a.src + a.src_off;
	T *dst = (T *)a.dst + a.dst_off;
	const int N = Pack<T>::n;
	if (aligned(src) && aligned(dst) && a.n % N == 0 && a.dst_stride % N == 0 && a.src_stride % N == 0) {
		u32 n = (u32)(a.n / N);
		each(a.rows * n, [&](u32 i) {
			u32 r = i / n, c = i % n * N;
			*(Pack<T> *)(dst + r * a.dst_stride + c) = *(const Pack<T> *)(src + r * a.src_stride + c);
		});
		return;
	}
	each(a.rows * a.n, [&](u32 i) {
		u32 r = i / (u32)a.n, c = i % (u32)a.n;
		dst[r * a.dst_stride + c] = src[r * a.src_stride + c];
	});
}

// quad is where the four fine pixels of coarse element i begin.
DEVICE i64 quad(const ImageArgs &a, u32 i) {
	u32 pixel = i / a.c, ch = i - pixel * a.c, line = pixel / a.w, col = pixel - line * a.w;
	return (i64)(4 * line * a.w + 2 * col) * a.c + ch;
}

KERNEL(spread, ImageArgs, 256) {
	each(a.n, [&](u32 i) {
		T *y = (T *)a.y + quad(a, i);
		T v = to<T>(a.scale * widen(((const T *)a.x)[i]));
		y[0] = y[a.c] = y[(i64)2 * a.w * a.c] = y[(i64)(2 * a.w + 1) * a.c] = v;
	});
}

KERNEL(gather, ImageArgs, 256) {
	each(a.n, [&](u32 i) {
		const T *x = (const T *)a.x + quad(a, i);
		float sum = widen(x[0]) + widen(x[a.c]) + widen(x[(i64)2 * a.w * a.c]) + widen(x[(i64)(2 * a.w + 1) * a.c]);
		narrow(((T *)a.y)[i], a.scale * sum);
	});
}

// An id that the table lacks gives NaN: the host does not wait to see it.
KERNEL(embedding, EmbeddingArgs, 256) {
	each(a.count * a.d, [&](u32 i) {
		int id = a.ids[i / (u32)a.d];
		bool there = id >= 0 && id < a.rows;
		((T *)a.y)[i] = there ? ((const T *)a.x)[(i64)id * a.d + i % (u32)a.d] : to<T>(float_from_bits(0x7fc00000));
	});
}

KERNEL(embedding_grad, EmbeddingArgs, 256) { // a block for each row of the table
	for (int c = threadIdx.x; c < a.d; c += blockDim.x) {
		float sum = 0;
		for (i64 i = 0; i < a.count; i++)
			if (a.ids[i] == (int)blockIdx.x) sum += widen(((const T *)a.x)[i * a.d + c]);
		((float *)a.y)[(i64)blockIdx.x * a.d + c] = sum;
	}
}

KERNEL(gaussian_sample, Elementwise, 256) { // z over n; x moments, z noise
	each(a.n, [&](u32 i) {
		i64 at = (i64)i + (i64)(i / (u32)a.inner) * a.inner;
		float mean = widen(((const T *)a.x)[at]), lv = widen(((const T *)a.x)[at + a.inner]);
		lv = fminf(fmaxf(lv, -30.f), 20.f);
		narrow(((T *)a.y)[i], mean + expf(0.5f * lv) * widen(((const T *)a.z)[i]));
	});
}

KERNEL(gaussian_sample_grad, Elementwise, 256) { // y dmoments, x moments, z noise, w dz
	each(a.n, [&](u32 i) {
		i64 at = (i64)i + (i64)(i / (u32)a.inner) * a.inner;
		float lv = widen(((const T *)a.x)[at + a.inner]), d = widen(((const T *)a.w)[i]);
		bool in = lv >= -30.f && lv <= 20.f;
		narrow(((T *)a.y)[at], d);
		narrow(((T *)a.y)[at + a.inner], in ? 0.5f * expf(0.5f * lv) * widen(((const T *)a.z)[i]) * d : 0.f);
	});
}

#ifdef DTYPE_f32 // of any dtype

KERNEL(combine_any, CombineArgs, 256) {
	each(a.n, [&](u32 i) {
		float sum = 0;
		for (int k = 0; k < a.count; k++) sum += a.coef[k] * load_any(a.x[k], a.dtype[k], i);
		store_any(a.y, a.ydtype, i, sum);
	});
}

KERNEL(cast, Elementwise, 256) {
	each(a.n, [&](u32 i) { store_any(a.y, a.ydtype, i, load_any(a.x, a.dtype, i)); });
}

KERNEL(fill, Elementwise, 256) {
	each(a.n, [&](u32 i) { store_any(a.y, a.ydtype, i, a.p); });
}

// Loshchilov & Hutter 2019, algorithm 2, with the decay scaled by the rate.
DEVICE void adam_element(const AdamArgs &a, i64 i) {
	float g = a.grad_scale * a.grad[i];
	float m = a.beta1 * a.m[i] + (1 - a.beta1) * g;
	float v = a.beta2 * a.v[i] + (1 - a.beta2) * g * g;
	float p = a.master[i] * (1 - a.lr * a.decay);
	p -= a.lr * (m / a.bias1) / (sqrtf(v / a.bias2) + a.eps);
	a.m[i] = m;
	a.v[i] = v;
	a.master[i] = p;
	store_any(a.param, a.dtype, i, p);
}

KERNEL(adamw, AdamArgs, 256) {
	each(a.n, [&](u32 i) { adam_element(a, i); });
}

KERNEL(adamw_many, ManyArgs, 256) {
	const AdamEntry &e = entry<AdamEntry>(a);
	chunk(a, e.first, e.of.n, [&](i64 i) { adam_element(e.of, i); });
}

#endif
