package gpu

// SumSquares is Σ x².
func SumSquares(x *Tensor) float64 { return x.dev.b.SumSquares(x) }

// AdamW updates param, master, m and v in place from grad. master is the
// Float32 copy of a param of half precision, or param itself.
func AdamW(param, master, m, v, grad *Tensor, s AdamWStep) {
	const op = "adamw"
	for _, t := range []*Tensor{master, m, v, grad} {
		check(t.Len() == param.Len() && t.dtype == Float32, op, "%v for parameter %v", t, param)
	}
	param.dev.b.AdamW(param, master, m, v, grad, s)
	param.Changed()
	master.Changed()
}

// Lerp moves y towards x in place: y += w·(x−y).
func Lerp(y, x *Tensor, w float32) {
	check(x.Len() == y.Len(), "lerp", "%v towards %v", y, x)
	y.dev.b.Combine(y, []float32{1 - w, w}, []*Tensor{y, x})
	y.Changed()
}
