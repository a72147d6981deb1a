package gpu

// Buffer is a span of memory that a backend owns.
type Buffer interface {
	// Size is the number of bytes.
	Size() int
}

// Info describes a device.
type Info struct {
	Name    string // as passed to Open: "host", "reference", "cuda:0"
	Detail  string // processor, instruction set, threads
	Compute DType  // the fastest type that is precise enough: Float32 or BFloat16
	Threads int
}

// Conv is the geometry of a convolution: stride and zero padding in pixels.
type Conv struct {
	Stride                   int
	Top, Bottom, Left, Right int
}

// Func is an elementwise function.
type Func uint8

// The activations, and the functions a loss needs.
const (
	SiLU      Func = iota // x·σ(x)
	GELU                  // x·Φ(x), with erf
	QuickGELU             // x·σ(1.702·x)
	Exp
	Square
	Tanh
)

// AdamWStep holds the scalars of one optimiser step
// (Loshchilov & Hutter 2019, algorithm 2).
type AdamWStep struct {
	LR, Beta1, Beta2, Eps, WeightDecay float32
	GradScale                          float32 // multiplies the gradient first: clipping, accumulation
	Step                               int     // 1 for the first step: bias correction
}

// Reclaimer is a backend with memory of its own, beside that of tensors: where that
// runs out trim gives back what the device has cached.
type Reclaimer interface{ Reclaim(trim func()) }

// Backend is the arithmetic of one device. Every tensor passed is contiguous
// and lies on this device; shapes and dtypes were checked by the operation.
// Outputs are distinct from inputs unless a method says otherwise and are
// overwritten. Nil tensors are absent options. Statistics, softmax and sums
// accumulate in float32 or better. Vectors (bias, gamma, beta) and gradients of
// parameters are Float32; x, y, dx, dy and weight matrices share one dtype.
// All of it is deterministic: the same call gives the same bytes.
type Backend interface {
	Info() Info
	Alloc(bytes int) (Buffer, error)
	Free(Buffer)
	Close()
	Write(dst *Tensor, src []byte)
	Read(dst []byte, src *Tensor)

	// y[N,P,Q,O] = x[N,H,W,C] ∗ w[O,KH,KW,C] + b[O] + res[N,P,Q,O]
	Conv2d(y, x, w, b, res *Tensor, c Conv)
	Conv2dGradInput(dx, dy, w *Tensor, c Conv)
	Conv2dGradWeight(dw, db, x, dy *Tensor, c Conv) // db may be nil

	// y[…,O] = x[…,C]·w[O,C]ᵀ + b[O] + res[…,O]
	Linear(y, x, w, b, res *Tensor)
	LinearGradInput(dx, dy, w *Tensor)
	LinearGradWeight(dw, db, x, dy *Tensor) // db may be nil

	// y = softmax(scale·q·kᵀ)·v for each of heads; q,y [B,Lq,heads·d],
	// k,v [B,Lk,heads·d]. lse [B,heads,Lq] Float32 receives the log-sum-exp of
	// each row (nil where no gradient is wanted).
	Attention(y, lse, q, k, v *Tensor, heads int, scale float32, causal bool)
	AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v *Tensor, heads int, scale float32, causal bool)

	// Group norm over x[N,…,C]; stats [N,groups,2] Float32 receives mean and
	// 1/√(var+eps). silu applies x·σ(x) to the result.
	GroupNorm(y, stats, x, gamma, beta *Tensor, groups int, eps float32, silu bool)
	GroupNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma, beta *Tensor, groups int, silu bool)

	// Layer norm over the last axis; stats [rows,2] Float32.
	LayerNorm(y, stats, x, gamma, beta *Tensor, eps float32)
	LayerNormGrad(dx, dgamma, dbeta, dy, x, stats, gamma *Tensor)

	Softmax(y, x *Tensor) // over the last axis
	SoftmaxGrad(dx, dy, y *Tensor)

	Embedding(y, table, ids *Tensor)
	EmbeddingGrad(dtable, dy, ids *Tensor) // dtable Float32

	Unary(y, x *Tensor, f Func)
	UnaryGrad(dx, dy, x *Tensor, f Func)
	// x is [a | g] along the last axis; y = a·GELU(g).
	GEGLU(y, x *Tensor)
	GEGLUGrad(dx, dy, x *Tensor)
	Mul(y, a, b *Tensor)
	Clamp(y, x *Tensor, lo, hi float32)
	// y = Σ coef[i]·xs[i]; y may be one of xs. Dtypes may differ from y's.
	Combine(y *Tensor, coef []float32, xs []*Tensor)
	Cast(y, x *Tensor)
	Fill(y *Tensor, v float32)
	// y[n,…,c] = x[n,…,c] + t[n,c]
	AddChannels(y, x, t *Tensor)
	// y[n,c] = Σ over the middle of x[n,…,c]
	SumMiddle(y, x *Tensor)

	// For r < rows, i < n: dst[r·dstStride+dstOff+i] = src[r·srcStride+srcOff+i],
	// counted in elements. The rest of dst keeps its value.
	CopyRows(dst, src *Tensor, rows, n, dstStride, dstOff, srcStride, srcOff int)
	Upsample2x(y, x *Tensor)       // nearest; [N,H,W,C] → [N,2H,2W,C]
	Upsample2xGrad(dx, dy *Tensor) // sum of each 2×2
	AvgPool2x(y, x *Tensor)        // mean of each 2×2
	AvgPool2xGrad(dx, dy *Tensor)

	// MSE: y[1] = mean over all of weight[n]·(a−b)²; weight [N] Float32 or nil.
	MSE(y, a, b, weight *Tensor)
	MSEGrad(da, dy, a, b, weight *Tensor)
	// L1: y[1] = mean |a−b|
	L1(y, a, b *Tensor)
	L1Grad(da, dy, a, b *Tensor)
	// z = mean + exp(½·clamp(logvar,−30,20))·noise; moments [N,…,2C] = [mean | logvar].
	GaussianSample(z, moments, noise *Tensor)
	GaussianSampleGrad(dmoments, dz, moments, noise *Tensor)
	// y[1] = mean of ½(mean² + exp(logvar) − 1 − logvar) over the latent's elements.
	GaussianKL(y, moments *Tensor)
	GaussianKLGrad(dmoments, dy, moments *Tensor)

	SumSquares(x *Tensor) float64
	Finite(x *Tensor) bool // no NaN or infinity
	// AdamW updates master, m, v (Float32) from grad (Float32) and writes the
	// new value to param in param's dtype; master may be param itself.
	AdamW(param, master, m, v, grad *Tensor, s AdamWStep)
}
