package reference

import "latent/gpu"

func (backend) Linear(y, x, w, b, res *gpu.Tensor) {
	o, c := w.Dim(0), w.Dim(1)
	xs, ws, bias, add := load(x), load(w), load(b), load(res)
	out := make([]float64, y.Len())
	parallel(len(out)/max(o, 1), func(r int) {
		for i := range o {
			out[r*o+i] = dot(row(xs, r, c), row(ws, i, c)) + orZero(bias, i) + orZero(add, r*o+i)
		}
	})
	store(y, out)
}

func (backend) LinearGradInput(dx, dy, w *gpu.Tensor) {
	o, c := w.Dim(0), w.Dim(1)
	dys, ws := load(dy), load(w)
	out := make([]float64, dx.Len())
	parallel(len(out)/max(c, 1), func(r int) {
		for i, d := range row(dys, r, o) {
			axpy(row(out, r, c), d, row(ws, i, c))
		}
	})
	store(dx, out)
}

func (backend) LinearGradWeight(dw, db, x, dy *gpu.Tensor) {
	o, c := dw.Dim(0), dw.Dim(1)
	xs, dys := load(x), load(dy)
	out := make([]float64, dw.Len())
	parallel(o, func(i int) {
		for r := range len(dys) / o {
			axpy(row(out, i, c), dys[r*o+i], row(xs, r, c))
		}
	})
	store(dw, out)
	if db != nil {
		sumRows(db, dys)
	}
}
