package vae

import (
	"math"

	"latent/gpu"
	"latent/gpu/nn"
)

// Tiling is the choice of Model.Tiling. In bands of rows the autoencoder needs
// about half the memory, and computes the same: each band of a convolution takes
// the rows beyond its edges that the kernel reaches, and each group norm the
// statistics of the whole map. So there is no seam to blend.
type Tiling uint8

// TileAuto goes over pictures in bands where the whole would take more than
// wholeBytes of memory.
const (
	TileAuto Tiling = iota
	TileOn
	TileOff
)

const wholeBytes = 768 << 20

// bandBytes is about what the temporaries of a band may take; tests change it.
var bandBytes = 32 << 20

// tiles tells whether a picture of h×w pixels is gone over in bands.
func (m *Model) tiles(h, w int, dtype gpu.DType) bool {
	if m.Tiling != TileAuto {
		return m.Tiling == TileOn
	}
	// The dearest block is the decoder's first at full size: its input twice (as
	// it is and normalised), what lies between its convolutions twice, the
	// shortcut and the output.
	width := m.Config.BlockOutChannels
	in := width[min(1, len(width)-1)]
	return h*w*(2*in+4*width[0])*dtype.Size() > wholeBytes
}

// band is a convolution with what stands around it:
//
//	y = conv(silu(norm(x))) + shortcut(res),  x doubled in height and width before
type band struct {
	norm     *nn.GroupNorm // nil: none, nor silu
	double   bool
	conv     *nn.Conv2d
	res      *gpu.Tensor // nil: none
	shortcut *nn.Conv2d  // nil: res as it is
}

// run maps x[N,H,W,C] to [N,P,Q,O].
func (m *Model) run(b band, x *gpu.Tensor) *gpu.Tensor {
	if !m.banded {
		if b.double {
			x = gpu.Upsample2x(x)
		}
		if b.norm != nil {
			x = b.norm.ForwardSiLU(x)
		}
		return b.conv.ForwardAdd(x, b.residual(b.res))
	}
	h, w, g := x.Dim(1), x.Dim(2), b.conv.Geometry
	if b.double {
		h, w = 2*h, 2*w
	}
	kernel, out := b.conv.Weight.Shape[1], b.conv.Weight.Shape[0]
	y := x.Device().Empty(x.DType(), x.Dim(0), (h+g.Top+g.Bottom-kernel)/g.Stride+1, (w+g.Left+g.Right-kernel)/g.Stride+1, out)
	rows := max(1, bandBytes/(w*max(x.Dim(3), out)*x.DType().Size()))
	for n := range x.Dim(0) {
		b, x, y := b, gpu.Rows(x, n, n+1), gpu.Rows(y, n, n+1)
		if b.res != nil {
			b.res = gpu.Rows(b.res, n, n+1)
		}
		stats := b.stats(x, rows)
		for from := 0; from < y.Dim(1); from += rows {
			to := min(from+rows, y.Dim(1))
			x.Device().Scope(func() []*gpu.Tensor {
				cut(y, from, to).CopyFrom(b.rows(x, h, from, to, stats))
				return nil
			})
		}
	}
	return y
}

// rows is rows from:to of the result for an x[1,H,W,C] that is h high, doubled
// or not.
func (b band) rows(x *gpu.Tensor, h, from, to int, stats []float64) *gpu.Tensor {
	conv := *b.conv
	g := &conv.Geometry
	// The rows that the kernel reaches; what overhangs the map is padding.
	first, end := from*g.Stride-g.Top, (to-1)*g.Stride-g.Top+conv.Weight.Shape[1]
	g.Top, g.Bottom = max(-first, 0), max(end-h, 0)
	first, end = max(first, 0), min(end, h)
	if b.double {
		x = cut(gpu.Upsample2x(cut(x, first/2, (end+1)/2)), first%2, first%2+end-first)
	} else {
		x = cut(x, first, end)
	}
	if b.norm != nil {
		x = normalise(b.norm, x, stats)
	}
	res := b.res
	if res != nil {
		res = b.residual(cut(res, from, to))
	}
	return conv.ForwardAdd(x, res)
}

func (b band) residual(x *gpu.Tensor) *gpu.Tensor {
	if x == nil || b.shortcut == nil {
		return x
	}
	return b.shortcut.Forward(x)
}

// stats is the mean and variance of each group of the whole x[1,H,W,C].
func (b band) stats(x *gpu.Tensor, rows int) []float64 {
	if b.norm == nil {
		return nil
	}
	groups, h := b.norm.Groups, x.Dim(1)
	mean, square := make([]float64, groups), make([]float64, groups) // E[x], E[x²]−E[x]² by Chan's rule
	for from, seen := 0, 0.0; from < h; from += rows {
		to := min(from+rows, h)
		part := groupStats(b.norm, cut(x, from, to))
		n := float64(to - from)
		for g := range groups {
			d := part[2*g] - mean[g]
			mean[g] += d * n / (seen + n)
			square[g] += part[2*g+1]*n + d*d*seen*n/(seen+n)
		}
		seen += n
	}
	out := make([]float64, 2*groups)
	for g := range groups {
		out[2*g], out[2*g+1] = mean[g], square[g]/float64(h)
	}
	return out
}

// groupStats is the mean and variance of each group of x[1,…,C].
func groupStats(norm *nn.GroupNorm, x *gpu.Tensor) []float64 {
	t := gpu.GroupStats(x, norm.Groups, norm.Eps)
	defer t.Free()
	out := make([]float64, 0, 2*norm.Groups)
	for i, v := range t.Float32s() {
		f := float64(v)
		if i%2 == 1 {
			f = max(1/(f*f)-float64(norm.Eps), 0)
		}
		out = append(out, f)
	}
	return out
}

// normalise is silu(norm(x)) with the statistics of the whole map. GroupNorm
// takes those of x, so that scale and shift make up for the difference:
//
//	γ' = γ·σ_x/σ,  β' = β + γ·(μ_x − μ)/σ
func normalise(norm *nn.GroupNorm, x *gpu.Tensor, whole []float64) *gpu.Tensor {
	own := groupStats(norm, x)
	gamma, beta := norm.Weight.T.Float32s(), norm.Bias.T.Float32s()
	size, eps := len(gamma)/norm.Groups, float64(norm.Eps)
	for c := range gamma {
		g := c / size
		scale := float64(gamma[c]) / math.Sqrt(whole[2*g+1]+eps)
		beta[c] += float32(scale * (own[2*g] - whole[2*g]))
		gamma[c] = float32(scale * math.Sqrt(own[2*g+1]+eps))
	}
	dev := x.Device()
	return gpu.GroupNorm(x, dev.FromFloat32(gamma, gpu.Float32, len(gamma)), dev.FromFloat32(beta, gpu.Float32, len(beta)),
		norm.Groups, norm.Eps, true)
}

// cut views rows from:to of an image x[1,H,W,C].
func cut(x *gpu.Tensor, from, to int) *gpu.Tensor {
	h, w, c := x.Dim(1), x.Dim(2), x.Dim(3)
	return gpu.Reshape(gpu.Rows(gpu.Reshape(x, h, w, c), from, to), 1, to-from, w, c)
}
