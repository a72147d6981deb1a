// Group norm and layer norm over [n,rows,c]. A group norm has statistics for each
// image and group, a layer norm (layer, n = 1) for each row.
#include "base.h"
#include "args.h"
#include "functions.h"

DEVICE i64 stat_of(const NormArgs &a, i64 n, i64 r, i64 c) {
	return a.layer ? n * a.rows + r : n * a.groups + (u32)c / ((u32)a.c / (u32)a.groups);
}

DEVICE float activate(float z) {
	if constexpr (is_half<T>::value) return silu_fast(z);
	else return silu(z);
}

// Indices of elements have 32 bits, as in elementwise.cu.
#define EACH(step) for (u32 i = (u32)thread_index() * step; i < total; i += gridDim.x * blockDim.x * step)

// A thread owns a column within one chunk of rows: grid (columns, chunks, n).
#define OWN_COLUMN                                                      \
	i64 c = thread_index(), n = blockIdx.z, chunk = blockIdx.y;         \
	if (c >= a.c) return;                                               \
	i64 from = chunk * a.chunk, end = from + a.chunk;                   \
	if (end > a.rows) end = a.rows;                                     \
	i64 slot = (n * a.chunks + chunk) * a.c + c;                        \
	float *first = a.partial;

// The mean of a column's chunk and the squares about it. Numbers are taken less
// the first one, so that a mean far from 0 costs no digits.
KERNEL(norm_moments, NormArgs, 256) {
	OWN_COLUMN
	float *second = first + a.n * a.chunks * a.c;
	const T *x = (const T *)a.x + n * a.rows * a.c + c;
	float pivot = widen(x[from * a.c]), sum = 0, squares = 0;
	for (i64 r = from; r < end; r++) {
		float v = widen(x[r * a.c]) - pivot;
		sum += v;
		squares += v * v;
	}
	float count = (float)(end - from), mean = sum / count;
	first[slot] = pivot + mean;
	second[slot] = fmaxf(squares - sum * mean, 0.f);
}

// The same by 16 bytes: a thread has N columns, and the threads of a block that have
// the same ones share their rows.
KERNEL(norm_moments_wide, NormArgs, 256) {
	const int N = Pack<T>::n;
	__shared__ float part[2][256 * N];
	const u32 packs = (u32)a.c / N, across = packs < 256 ? packs : 256, lanes = 256 / across;
	const u32 lane = threadIdx.x / across, pack = blockIdx.x * across + threadIdx.x % across;
	const i64 n = blockIdx.z, chunk = blockIdx.y, from = chunk * a.chunk, end = from + a.chunk < a.rows ? from + a.chunk : a.rows;
	const bool mine = lane < lanes && pack < packs;
	float pivot[N], sum[N] = {}, squares[N] = {};
	if (mine) {
		const T *x = (const T *)a.x + (n * a.rows + from) * a.c + pack * N;
		Pack<T> p = *(const Pack<T> *)x;
		for (int j = 0; j < N; j++) pivot[j] = widen(p.v[j]);
		x += lane * a.c;
#pragma unroll 4
		for (i64 r = from + lane; r < end; r += lanes, x += lanes * a.c) {
			p = *(const Pack<T> *)x;
			for (int j = 0; j < N; j++) {
				float v = widen(p.v[j]) - pivot[j];
				sum[j] += v;
				squares[j] += v * v;
			}
		}
		for (int j = 0; j < N; j++) {
			part[0][threadIdx.x * N + j] = sum[j];
			part[1][threadIdx.x * N + j] = squares[j];
		}
	}
	__syncthreads();
	if (!mine || lane > 0) return;
	float *first = a.partial + (n * a.chunks + chunk) * a.c + pack * N, *second = first + a.n * a.chunks * a.c;
	const float count = (float)(end - from);
	for (int j = 0; j < N; j++) {
		for (u32 l = 1; l < lanes; l++) {
			sum[j] += part[0][(l * across + threadIdx.x) * N + j];
			squares[j] += part[1][(l * across + threadIdx.x) * N + j];
		}
		first[j] = pivot[j] + sum[j] / count;
		second[j] = fmaxf(squares[j] - sum[j] * (sum[j] / count), 0.f);
	}
}

// A group that fits in shared memory needs one kernel and one reading: a block for
// each image and group, whose rows are moved by words of one pair or two of numbers
// (of one or two in Float32). x may have two parts, side by side along the channels.
template <int bytes> DEVICE void group(const NormArgs &a) {
	const int N = bytes / sizeof(T);
	struct alignas(bytes) Word { T v[N]; };
	Word *words = (Word *)shared_memory();
	const i64 n = blockIdx.x / a.groups;
	const int w = (int)(a.c / a.groups), across = w / N, first = (int)(blockIdx.x % a.groups) * w, rows = (int)a.rows, total = rows * across;
	const int step_row = blockDim.x / across, step_col = blockDim.x % across, row0 = threadIdx.x / across, col0 = threadIdx.x % across;
	float *gamma = (float *)(words + total), *beta = gamma + w;
	const T *x = (const T *)a.x + n * rows * a.c1 + first, *x2 = (const T *)a.x2 + n * rows * (a.c - a.c1) + (first - a.c1);
	const int border = (int)a.c1 - first; // where the second part begins
	for (int i = threadIdx.x, row = row0, col = col0; i < total; i += blockDim.x) {
		const T *from = col * N < border ? x + row * a.c1 : x2 + row * (a.c - a.c1);
		copy_async_few<bytes>(shared_address(words + i), from + col * N);
		row += step_row;
		if ((col += step_col) >= across) {
			col -= across;
			row++;
		}
	}
	commit_async();
	for (int i = threadIdx.x; i < w; i += blockDim.x) {
		gamma[i] = a.gamma[first + i];
		beta[i] = a.beta[first + i];
	}
	wait_async<0>();
	float sum = 0, squares = 0;
	for (int i = threadIdx.x; i < total; i += blockDim.x) // what this thread brought
		for (int j = 0; j < N; j++) sum += widen(words[i].v[j]);
	const float count = (float)rows * (float)w, mean = block_sum(sum) / count;
	for (int i = threadIdx.x; i < total; i += blockDim.x)
		for (int j = 0; j < N; j++) {
			float d = widen(words[i].v[j]) - mean;
			squares += d * d;
		}
	const float inv = 1.f / sqrtf(block_sum(squares) / count + a.eps);
	if (threadIdx.x == 0) {
		a.stats[2 * blockIdx.x] = mean;
		a.stats[2 * blockIdx.x + 1] = inv;
	}
	T *y = (T *)a.y + n * rows * a.c + first;
	for (int i = threadIdx.x, row = row0, col = col0; i < total; i += blockDim.x) {
		Word p = words[i];
		for (int j = 0; j < N; j++) {
			float z = (widen(p.v[j]) - mean) * inv * gamma[col * N + j] + beta[col * N + j];
			narrow(p.v[j], a.silu ? activate(z) : z);
		}
		*(Word *)(y + row * a.c + col * N) = p;
		row += step_row;
		if ((col += step_col) >= across) {
			col -= across;
			row++;
		}
	}
}

KERNEL(norm_group_4, NormArgs, 1024) { group<4>(a); }
KERNEL(norm_group_8, NormArgs, 1024) { group<8>(a); }

// Joins the moments of a group's columns and chunks (Chan et al. 1979): the mean
// of all first, then squares about that. A block for each image and group.
KERNEL(norm_statistics, NormArgs, 128) {
	i64 n = blockIdx.x / a.groups, g = blockIdx.x % a.groups, w = a.c / a.groups;
	const float *first = a.partial, *second = a.partial + a.n * a.chunks * a.c;
	i64 count = w * a.chunks;
	float total = (float)(a.rows * w), sum = 0;
	for (i64 i = threadIdx.x; i < count; i += blockDim.x) {
		i64 chunk = i / w, slot = (n * a.chunks + chunk) * a.c + g * w + i % w;
		i64 rows = chunk == a.chunks - 1 ? a.rows - chunk * a.chunk : a.chunk;
		sum += first[slot] * (float)rows;
	}
	float mean = block_sum(sum) / total;
	float squares = 0;
	for (i64 i = threadIdx.x; i < count; i += blockDim.x) {
		i64 chunk = i / w, slot = (n * a.chunks + chunk) * a.c + g * w + i % w;
		i64 rows = chunk == a.chunks - 1 ? a.rows - chunk * a.chunk : a.chunk;
		float d = first[slot] - mean;
		squares += second[slot] + d * d * (float)rows;
	}
	squares = block_sum(squares);
	if (threadIdx.x == 0) {
		a.stats[2 * blockIdx.x] = mean;
		a.stats[2 * blockIdx.x + 1] = 1.f / sqrtf(squares / total + a.eps);
	}
}

DEVICE float normalise(const NormArgs &a, float x, i64 stat, i64 c) {
	float z = (x - a.stats[2 * stat]) * a.stats[2 * stat + 1] * a.gamma[c] + a.beta[c];
	return a.silu ? activate(z) : z;
}

KERNEL(norm_apply, NormArgs, 256) {
	const T *x = (const T *)a.x;
	T *y = (T *)a.y;
	const int N = Pack<T>::n;
	const u32 total = (u32)(a.n * a.rows * a.c), image = (u32)(a.rows * a.c), channels = (u32)a.c, w = channels / (u32)a.groups;
	if (aligned(x) && aligned(y) && channels % N == 0) {
		EACH(N) {
			Pack<T> p = *(const Pack<T> *)(x + i);
			u32 c = i % channels, stat = i / image * (u32)a.groups + c / w, left = w - c % w; // channels of the group
			for (int j = 0; j < N; j++) {
				narrow(p.v[j], normalise(a, widen(p.v[j]), stat, c + j));
				if (--left == 0) {
					left = w;
					stat++;
				}
			}
			*(Pack<T> *)(y + i) = p;
		}
		return;
	}
	EACH(1) narrow(y[i], normalise(a, widen(x[i]), stat_of(a, i / image, 0, i % channels), i % channels));
}

// A layer norm does all in one kernel: a block for each row.
KERNEL(layer_norm, NormArgs, 128) {
	i64 r = blockIdx.x;
	const T *x = (const T *)a.x + r * a.c;
	T *y = (T *)a.y + r * a.c;
	float sum = 0;
	for (i64 c = threadIdx.x; c < a.c; c += blockDim.x) sum += widen(x[c]);
	float mean = block_sum(sum) / (float)a.c, squares = 0;
	for (i64 c = threadIdx.x; c < a.c; c += blockDim.x) {
		float d = widen(x[c]) - mean;
		squares += d * d;
	}
	float inv = 1.f / sqrtf(block_sum(squares) / (float)a.c + a.eps);
	for (i64 c = threadIdx.x; c < a.c; c += blockDim.x) narrow(y[c], (widen(x[c]) - mean) * inv * a.gamma[c] + a.beta[c]);
	if (threadIdx.x == 0) {
		a.stats[2 * r] = mean;
		a.stats[2 * r + 1] = inv;
	}
}

// The same with a warp for each of rows rows, which keeps its row in registers: rows
// of no more than 5·32 times 16 bytes.
KERNEL(layer_norm_warp, NormArgs, 128) {
	const int N = Pack<T>::n, most = 5;
	const i64 r = (i64)blockIdx.x * 4 + threadIdx.x / 32;
	const int lane = threadIdx.x % 32, packs = (int)a.c / N;
	if (r >= a.rows) return;
	const Pack<T> *x = (const Pack<T> *)((const T *)a.x + r * a.c);
	Pack<T> *y = (Pack<T> *)((T *)a.y + r * a.c), p[most];
	float sum = 0, squares = 0;
#pragma unroll
	for (int i = 0; i < most; i++)
		if (i * 32 + lane < packs) p[i] = x[i * 32 + lane];
#pragma unroll
	for (int i = 0; i < most; i++)
		if (i * 32 + lane < packs)
			for (int j = 0; j < N; j++) sum += widen(p[i].v[j]);
	const float mean = warp_sum(sum) / (float)a.c;
#pragma unroll
	for (int i = 0; i < most; i++)
		if (i * 32 + lane < packs)
			for (int j = 0; j < N; j++) {
				float d = widen(p[i].v[j]) - mean;
				squares += d * d;
			}
	const float inv = 1.f / sqrtf(warp_sum(squares) / (float)a.c + a.eps);
#pragma unroll
	for (int i = 0; i < most; i++)
		if (i * 32 + lane < packs) {
			const int c = (i * 32 + lane) * N;
			for (int j = 0; j < N; j++) narrow(p[i].v[j], (widen(p[i].v[j]) - mean) * inv * a.gamma[c + j] + a.beta[c + j]);
			y[i * 32 + lane] = p[i];
		}
	if (lane == 0) {
		a.stats[2 * r] = mean;
		a.stats[2 * r + 1] = inv;
	}
}

// The gradient behind silu, and x̂.
DEVICE void behind_silu(const NormArgs &a, float x, float &dz, i64 stat, i64 c, float &xhat) {
	xhat = (x - a.stats[2 * stat]) * a.stats[2 * stat + 1];
	if (a.silu) dz *= silu_slope(xhat * a.gamma[c] + a.beta[c]);
}

// Σ dz and Σ dz·x̂ of a column's chunk.
KERNEL(norm_grad_sums, NormArgs, 256) {
	OWN_COLUMN
	float *second = first + a.n * a.chunks * a.c;
	const T *x = (const T *)a.x + n * a.rows * a.c + c, *dy = (const T *)a.dy + n * a.rows * a.c + c;
	float sum = 0, moment = 0;
	for (i64 r = from; r < end; r++) {
		float d = widen(dy[r * a.c]), xhat;
		behind_silu(a, widen(x[r * a.c]), d, stat_of(a, n, r, c), c, xhat);
		sum += d;
		moment += d * xhat;
	}
	first[slot] = sum;
	second[slot] = moment;
}

// dbeta and dgamma: the partial sums of a column over images and chunks.
KERNEL(norm_grad_params, NormArgs, 256) {
	i64 c = thread_index();
	if (c >= a.c) return;
	const float *first = a.partial, *second = a.partial + a.n * a.chunks * a.c;
	float sum = 0, moment = 0;
	for (i64 i = 0; i < a.n * a.chunks; i++) {
		sum += first[i * a.c + c];
		moment += second[i * a.c + c];
	}
	a.dbeta[c] = sum;
	a.dgamma[c] = moment;
}

// The means of γ·dz and γ·dz·x̂ over each image's group.
KERNEL(norm_grad_groups, NormArgs, 128) {
	i64 n = blockIdx.x / a.groups, g = blockIdx.x % a.groups, w = a.c / a.groups;
	const float *first = a.partial, *second = a.partial + a.n * a.chunks * a.c;
	float sum = 0, moment = 0;
	for (i64 i = threadIdx.x; i < w * a.chunks; i += blockDim.x) {
		i64 c = g * w + i % w, slot = (n * a.chunks + i / w) * a.c + c;
		sum += a.gamma[c] * first[slot];
		moment += a.gamma[c] * second[slot];
	}
	sum = block_sum(sum);
	moment = block_sum(moment);
	if (threadIdx.x == 0) {
		float count = (float)(a.rows * w);
		a.sums[2 * blockIdx.x] = sum / count;
		a.sums[2 * blockIdx.x + 1] = moment / count;
	}
}

// dx = (γ·dz − mean(γ·dz) − x̂·mean(γ·dz·x̂))/√(var + eps)
KERNEL(norm_grad_apply, NormArgs, 256) {
	const u32 total = (u32)(a.n * a.rows * a.c), image = (u32)(a.rows * a.c), channels = (u32)a.c;
	EACH(1) {
		u32 c = i % channels;
		i64 stat = stat_of(a, i / image, 0, c);
		float d = widen(((const T *)a.dy)[i]), xhat;
		behind_silu(a, widen(((const T *)a.x)[i]), d, stat, c, xhat);
		narrow(((T *)a.y)[i], (a.gamma[c] * d - a.sums[2 * stat] - xhat * a.sums[2 * stat + 1]) * a.stats[2 * stat + 1]);
	}
}

KERNEL(layer_norm_grad, NormArgs, 128) { // a block for each row
	i64 r = blockIdx.x;
	const T *x = (const T *)a.x + r * a.c, *dy = (const T *)a.dy + r * a.c;
	float mean = a.stats[2 * r], inv = a.stats[2 * r + 1], m0 = 0, m1 = 0;
	for (i64 c = threadIdx.x; c < a.c; c += blockDim.x) {
		float d = a.gamma[c] * widen(dy[c]);
		m0 += d;
		m1 += d * (widen(x[c]) - mean) * inv;
	}
	m0 = block_sum(m0) / (float)a.c;
	m1 = block_sum(m1) / (float)a.c;
	for (i64 c = threadIdx.x; c < a.c; c += blockDim.x)
		narrow(((T *)a.y)[r * a.c + c], (a.gamma[c] * widen(dy[c]) - m0 - (widen(x[c]) - mean) * inv * m1) * inv);
}

// Sums of columns: for the gradient of a bias, and over the middle of [n,rows,c].
KERNEL(column_sums, NormArgs, 256) {
	OWN_COLUMN
	const T *x = (const T *)a.x + n * a.rows * a.c + c;
	float sum = 0;
	for (i64 r = from; r < end; r++) sum += widen(x[r * a.c]);
	first[slot] = sum;
}

KERNEL(column_finish, NormArgs, 256) { // y[n,c] of T, or dbeta[n,c]
	i64 i = thread_index();
	if (i >= a.n * a.c) return;
	i64 n = i / a.c, c = i % a.c;
	float sum = 0;
	for (i64 k = 0; k < a.chunks; k++) sum += a.partial[(n * a.chunks + k) * a.c + c];
	if (a.dbeta) a.dbeta[i] = sum;
	else narrow(((T *)a.y)[i], sum);
}
