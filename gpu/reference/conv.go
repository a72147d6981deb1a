package reference

import "latent/gpu"

// geometry names the sizes of a convolution as Backend does.
type geometry struct {
	gpu.Conv
	n, h, w, c, kh, kw, p, q, o int
}

func newGeometry(x, w, y *gpu.Tensor, c gpu.Conv) geometry {
	return geometry{
		Conv: c,
		n:    x.Dim(0), h: x.Dim(1), w: x.Dim(2), c: x.Dim(3),
		kh: w.Dim(1), kw: w.Dim(2),
		p: y.Dim(1), q: y.Dim(2), o: y.Dim(3),
	}
}

// in is the index of the input pixel that output pixel (p,q) of image n meets
// under tap (i,j) of the kernel, or −1 in the padding.
func (g *geometry) in(n, p, q, i, j int) int {
	h, w := p*g.Stride-g.Top+i, q*g.Stride-g.Left+j
	if h < 0 || h >= g.h || w < 0 || w >= g.w {
		return -1
	}
	return (n*g.h+h)*g.w + w
}

// out is the way back: the output pixel that meets input pixel (h,w) under tap
// (i,j), or −1 if none does.
func (g *geometry) out(n, h, w, i, j int) int {
	p, q := h+g.Top-i, w+g.Left-j
	if p < 0 || q < 0 || p%g.Stride != 0 || q%g.Stride != 0 {
		return -1
	}
	p, q = p/g.Stride, q/g.Stride
	if p >= g.p || q >= g.q {
		return -1
	}
	return (n*g.p+p)*g.q + q
}

func (backend) Conv2d(y, x, w, b, res *gpu.Tensor, c gpu.Conv) {
	g := newGeometry(x, w, y, c)
	xs, ws, bias, add := load(x), load(w), load(b), load(res)
	out := make([]float64, y.Len())
	parallel(g.n*g.p, func(np int) {
		patch := make([]float64, g.kh*g.kw*g.c) // what the kernel covers, as w lies
		for q := range g.q {
			clear(patch)
			for i := range g.kh {
				for j := range g.kw {
					if px := g.in(np/g.p, np%g.p, q, i, j); px >= 0 {
						copy(row(patch, i*g.kw+j, g.c), row(xs, px, g.c))
					}
				}
			}
			for o := range g.o {
				to := (np*g.q+q)*g.o + o
				out[to] = dot(patch, row(ws, o, len(patch))) + orZero(bias, o) + orZero(add, to)
			}
		}
	})
	store(y, out)
}

func (backend) Conv2dGradInput(dx, dy, w *gpu.Tensor, c gpu.Conv) {
	g := newGeometry(dx, w, dy, c)
	dys, ws := load(dy), load(w)
	out := make([]float64, dx.Len())
	parallel(g.n*g.h, func(nh int) {
		for col := range g.w {
			sum := row(out, nh*g.w+col, g.c)
			for i := range g.kh {
				for j := range g.kw {
					px := g.out(nh/g.h, nh%g.h, col, i, j)
					if px < 0 {
						continue
					}
					for o, d := range row(dys, px, g.o) {
						axpy(sum, d, row(ws, (o*g.kh+i)*g.kw+j, g.c))
					}
				}
			}
		}
	})
	store(dx, out)
}

func (backend) Conv2dGradWeight(dw, db, x, dy *gpu.Tensor, c gpu.Conv) {
	g := newGeometry(x, dw, dy, c)
	xs, dys := load(x), load(dy)
	out := make([]float64, dw.Len())
	parallel(g.o*g.kh*g.kw, func(tap int) {
		o, i, j := tap/(g.kh*g.kw), tap/g.kw%g.kh, tap%g.kw
		sum := row(out, tap, g.c)
		for at := range g.n * g.p * g.q {
			if px := g.in(at/(g.p*g.q), at/g.q%g.p, at%g.q, i, j); px >= 0 {
				axpy(sum, dys[at*g.o+o], row(xs, px, g.c))
			}
		}
	})
	store(dw, out)
	if db != nil {
		sumRows(db, dys)
	}
}

// sumRows is db[o] = Σ over rows of dy[row,o].
func sumRows(db *gpu.Tensor, dy []float64) {
	n := db.Len()
	each(db, func(o int) float64 {
		var sum float64
		for i := o; i < len(dy); i += n {
			sum += dy[i]
		}
		return sum
	})
}
