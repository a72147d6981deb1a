// The arguments of each kernel, one struct a kernel; args.go holds the same
// fields in the same order.
#pragma once

struct Elementwise {
	void *y;
	const void *x, *z, *w;
	i64 n;        // elements of the launch
	i64 inner;    // meaning depends on the kernel
	i64 middle;
	float p, q;
	int f;
	int dtype;    // of x where it may differ from T
	int ydtype;
};

struct CombineArgs {
	void *y;
	const void *x[16];
	i64 n;
	float coef[16];
	int dtype[16];
	int count;
	int ydtype;
};

struct CopyArgs {
	void *dst;
	const void *src;
	i64 rows, n, dst_stride, dst_off, src_stride, src_off;
};

struct ImageArgs { // the coarse image [n,h,w,c]
	void *y;
	const void *x;
	i64 n;         // elements of the coarse image
	int w, c;
	float scale;
};

struct EmbeddingArgs {
	void *y;
	const void *x;
	const int *ids;
	i64 count;     // of ids
	int rows, d;   // of the table
};

struct ReduceArgs { // partial[blocks] or y[1]
	void *y;
	const void *a, *b;
	const float *weight;
	const void *dy;
	float *partial;
	i64 n, size, c;
	int blocks;
	int f;
	int dtype;
	float scale;
};

struct AdamArgs {
	void *param;
	float *master, *m, *v;
	const float *grad;
	i64 n;
	float lr, beta1, beta2, eps, decay, grad_scale, bias1, bias2;
	int dtype;
};

// A matrix [n,rows,c] whose columns are summed in chunks of rows.
struct NormArgs {
	void *y;
	const void *x, *dy;
	float *stats;
	const float *gamma, *beta;
	float *partial;  // [2][n,chunks,c]
	float *sums;     // [n,groups,2], or dgamma[c] and dbeta[c] behind it
	float *dgamma, *dbeta;
	i64 n, rows, c;
	i64 chunk;       // rows of one chunk
	int chunks, groups;
	float eps;
	int silu;
	int layer;       // statistics by row
	const void *x2;  // the channels from c1 on, where x has two parts
	i64 c1;          // else c
};

struct SoftmaxArgs {
	void *y, *z;
	const void *x, *dy;
	float *lse;
	i64 n;
	i64 first, lq, slab;  // causal: row r is query first + r%slab of lq
	float scale;
	int causal;
};

// A launch over many tensors: entry e has the chunks from entry[e].first on, one
// for each block.
struct ManyArgs {
	const void *entries;
	float *partial; // [blocks]
	int count, chunk;
};

struct AdamEntry {
	AdamArgs of;
	i64 first;
};

struct SumEntry {
	const void *x;
	i64 n, first, dtype;
};

// c[m,n] = a[m,k]·b[k,n] + bias[n] + shift[m/shift_rows,n] + res[m,n]. Which of a and b lies along k is
// the kernel's; see operands.h.
struct MatmulArgs {
	void *c;
	const void *a, *b;
	const float *bias;
	const void *res;
	float *partial;                            // [splits,m,n] where splits > 1
	const void *shift;
	void *c_many[2];                           // the second and third of up to three weights
	const void *b_many[2];                     // (then heads), each with its bias and result
	const float *bias_many[2];
	const void *a2;                            // the channels of a from k1 on, [m,k-k1], where there are two
	i64 a_batch, a_head, b_batch, b_head, c_batch, c_head; // elements
	int m, n, k;
	int lda, ldb, ldc;
	int heads, splits, k_split;                // k_split counts from 32 to 32, as the kernel walks k
	int wide;                                  // c is float, whatever T is
	int add;                                   // c += …
	// The image that is gathered: [·,h,w,c]; the pixels of its counterpart: p×q. A
	// product that gathers nothing has one tap, of k channels.
	int gather;
	int h, w, channels, p, q, kw, taps, stride, top, left;
	int shift_rows;
	int k1;
	int many;                                  // heads are such weights
};

struct AttentionArgs {
	void *y;
	void *dq, *dk, *dv;
	const void *q, *k, *v, *dy;
	float *lse, *delta;
	i64 rows;        // batch·heads·lq
	int lq, lk, heads, d;
	float scale;
	int causal;
	int vec;         // rows can be moved by 16 bytes
};
