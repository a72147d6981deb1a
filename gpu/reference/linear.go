package reference

import "latent/gpu"

func (backend) Linear(y, x, w, b, res *gpu.Tensor) {
	o, c := w.Dim(0), w.Dim(1)
	xs, ws, bias, add := load(x), load(w), load(b), load(res)
	out := make([]float32, y.Len())
	parallel(len(out)/max(o, 1), func(r int) {
		for i := range o {
			out[r*o+i] = float32(dot(row(xs, r, c), row(ws, i, c)) + at0(bias, i) + at0(add, r*o+i))
		}
	})
	store(y, out)
}

func (backend) LinearGradInput(dx, dy, w *gpu.Tensor) {
	o, c := w.Dim(0), w.Dim(1)
	dys, ws := load(dy), load(w)
	out := make([]float32, dx.Len())
	parallel(len(out)/max(c, 1), func(r int) {
		acc := make([]float64, c)
		for i, d := range row(dys, r, o) {
			axpy(acc, float64(d), row(ws, i, c))
		}
		narrow(row(out, r, c), acc)
	})
	store(dx, out)
}

func (backend) LinearGradWeight(dw, db, x, dy *gpu.Tensor) {
	o, c := dw.Dim(0), dw.Dim(1)
	xs, dys := load(x), load(dy)
	out := make([]float32, dw.Len())
	parallel(o, func(i int) {
		acc := make([]float64, c)
		for r := range len(dys) / o {
			axpy(acc, float64(dys[r*o+i]), row(xs, r, c))
		}
		narrow(row(out, i, c), acc)
	})
	store(dw, out)
	if db != nil {
		sumRows(db, dys)
	}
}
