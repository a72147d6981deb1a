package gpu

// SumSquares is Σ x².
func SumSquares(x *Tensor) float64 { return x.dev.b.SumSquares(x) }

// AdamW updates param, master, m and v in place from grad. master is the
// Float32 copy of a param of half precision, or param itself.
func AdamW(param, master, m, v, grad *Tensor, s AdamWStep) {
	checkAdamW(param, master, m, v, grad)
	param.dev.b.AdamW(param, master, m, v, grad, s)
	param.Changed()
	master.Changed()
}

func checkAdamW(param *Tensor, state ...*Tensor) {
	for _, t := range state {
		check(t.Len() == param.Len() && t.dtype == Float32, "adamw", "%v for parameter %v", t, param)
	}
}

// Lerp moves y towards x in place: y += w·(x−y).
func Lerp(y, x *Tensor, w float32) {
	check(x.Len() == y.Len(), "lerp", "%v towards %v", y, x)
	y.dev.b.Combine(y, []float32{1 - w, w}, []*Tensor{y, x})
	y.Changed()
}
