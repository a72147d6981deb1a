// The two operands of a matrix product whose elements lie in an image. Three
// products serve convolution and linear layers, forward and backward; a linear
// layer is the case of one tap.
//
//	NT  y[m,n]  = Σₖ x[m,k]·w[n,k]    m output pixel, n output channel, k tap and channel
//	NN  dx[m,n] = Σₖ dy[m,k]·w[k,n]   m input pixel, n input channel, k tap and output channel
//	TN  dw[m,n] = Σₖ dy[k,m]·x[k,n]   m output channel, n tap and channel, k output pixel
#pragma once

enum { NT, NN, TN };

// A pixel of the [·,p,q] side, and where the kernel's first tap meets the gathered
// image: forward at (h,w) = (p·stride − top, q·stride − left).
struct Pixel {
	i64 image;  // index of the image's first pixel
	int h, w;
	bool there;
};

DEVICE Pixel pixel(const MatmulArgs &a, int m, int limit, bool back) {
	Pixel x;
	x.there = m < limit;
	if (!a.gather) {
		x.image = m;
		x.h = x.w = 0;
		return x;
	}
	int n = m / (a.p * a.q), rest = m - n * (a.p * a.q), p = rest / a.q, q = rest - p * a.q;
	x.image = (i64)n * a.h * a.w;
	x.h = back ? p + a.top : p * a.stride - a.top;
	x.w = back ? q + a.left : q * a.stride - a.left;
	return x;
}

// meet gives the index of the gathered pixel under tap (i,j), or −1 where there is
// none: in the padding, or (back) between the strides.
DEVICE i64 meet(const MatmulArgs &a, const Pixel &x, int i, int j, bool back) {
	int h, w;
	if (!x.there) return -1;
	if (back) {
		h = x.h - i;
		w = x.w - j;
		if (h < 0 || w < 0) return -1;
		if (a.stride > 1) {
			if (h % a.stride != 0 || w % a.stride != 0) return -1;
			h /= a.stride;
			w /= a.stride;
		}
	} else {
		h = x.h + i;
		w = x.w + j;
		if (h < 0 || w < 0) return -1;
	}
	if (h >= a.h || w >= a.w) return -1;
	return x.image + (i64)h * a.w + w;
}

DEVICE i64 meet(const MatmulArgs &a, const Pixel &x, int tap, bool back) {
	if (!a.gather) return x.there ? x.image : -1;
	return meet(a, x, tap / a.kw, tap % a.kw, back);
}

// Row is a row of the gathered operand: where its element under the first tap would
// lie, were the image without end, and a bit for each tap that meets the image.
struct Row {
	const T *at;
	u32 taps;
};

DEVICE Row row(const MatmulArgs &a, const T *image, int m, bool back) {
	Row r = {image + (i64)m * a.lda, m < a.m};
	if (!a.gather) return r;
	Pixel x = pixel(a, m, a.m, back);
	int h = back ? x.h / a.stride : x.h, w = back ? x.w / a.stride : x.w;
	r.at = image + (x.image + (i64)h * a.w + w) * a.lda;
	r.taps = 0;
	u32 bit = 1;
	for (int i = 0; i < a.taps / a.kw; i++)
		for (int j = 0; j < a.kw; j++, bit *= 2)
			if (meet(a, x, i, j, back) >= 0) r.taps |= bit;
	return r;
}

// tap_offset leads from there to the element under tap (i,j).
DEVICE int tap_offset(const MatmulArgs &a, int i, int j, bool back) {
	return back ? -((i / a.stride) * a.w + j / a.stride) * a.lda : (i * a.w + j) * a.lda;
}

// Batches of products lie at strides along batch and head.
struct Operands {
	const T *a, *b;
	void *to;
	const float *bias;
	i64 c; // where the product begins in to
	int from, end; // of k
	float *partial;
};

DEVICE Operands operands(const MatmulArgs &a) {
	Operands o;
	int split = blockIdx.z % a.splits, z = blockIdx.z / a.splits, batch = z / a.heads, head = z % a.heads;
	o.to = a.c;
	o.bias = a.bias;
	o.a = (const T *)a.a + batch * a.a_batch + head * a.a_head;
	o.b = (const T *)a.b + batch * a.b_batch + head * a.b_head;
	o.c = batch * a.c_batch + head * a.c_head;
	if (a.many && head > 0) { // without an index, which would move the arguments to local memory
		o.b = (const T *)(head == 1 ? a.b_many[0] : a.b_many[1]);
		o.to = head == 1 ? a.c_many[0] : a.c_many[1];
		o.bias = head == 1 ? a.bias_many[0] : a.bias_many[1];
	}
	o.from = split * a.k_split;
	o.end = o.from + a.k_split < a.k ? o.from + a.k_split : a.k;
	o.partial = a.splits > 1 ? a.partial + (i64)split * a.m * a.n : 0;
	return o;
}

// a_element and b_element are the definition; the kernels below find 16 bytes at
// a time the same way where the shape allows.
template <int op> DEVICE const T *a_element(const MatmulArgs &a, const Operands &o, int m, int k) {
	if (m >= a.m || k >= o.end) return 0;
	if (op == TN) return o.a + (i64)k * a.lda + m;
	int tap = 0, ch = k;
	if (a.gather) {
		tap = k / a.channels;
		ch = k - tap * a.channels;
	}
	i64 at = meet(a, pixel(a, m, a.m, op == NN), tap, op == NN);
	return at < 0 ? 0 : o.a + at * a.lda + ch;
}

template <int op> DEVICE const T *b_element(const MatmulArgs &a, const Operands &o, int n, int k) {
	if (n >= a.n || k >= o.end) return 0;
	if (op == NT) return o.b + (i64)n * a.ldb + k;
	if (op == NN) {
		if (!a.gather) return o.b + (i64)k * a.ldb + n;
		int tap = k / a.channels, out = k - tap * a.channels;
		return o.b + ((i64)out * a.taps + tap) * a.n + n;
	}
	int tap = 0, ch = n;
	if (a.gather) {
		tap = n / a.channels;
		ch = n - tap * a.channels;
	}
	i64 at = meet(a, pixel(a, k, o.end, false), tap, false);
	return at < 0 ? 0 : o.b + at * a.ldb + ch;
}

// finish stores one element of the product.
DEVICE void finish(const MatmulArgs &a, const Operands &o, int m, int n, float v) {
	if (m >= a.m || n >= a.n) return;
	if (o.partial) {
		o.partial[(i64)m * a.n + n] = v;
		return;
	}
	i64 at = o.c + (i64)m * a.ldc + n;
	if (o.bias) v += o.bias[n];
	if (a.shift) v += widen(((const T *)a.shift)[(i64)(m / a.shift_rows) * a.n + n]);
	if (a.res) v += widen(((const T *)a.res)[at]);
	if (!a.wide) narrow(((T *)o.to)[at], v);
	else if (a.add) ((float *)o.to)[at] += v;
	else ((float *)o.to)[at] = v;
}
