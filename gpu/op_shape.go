package gpu

// Reshape views the same elements in another shape.
func Reshape(x *Tensor, shape ...int) *Tensor {
	y := &Tensor{shape: append([]int(nil), shape...), dtype: x.dtype, dev: x.dev, s: x.s, off: x.off}
	check(y.Len() == x.Len(), "reshape", "%v into %v", x, shape)
	return differentiable(y, func(dy *Tensor) { x.accumulate(Reshape(dy, x.shape...)) }, x)
}

// Rows views x[from:to] along the first axis.
func Rows(x *Tensor, from, to int) *Tensor {
	check(0 <= from && from <= to && to <= x.Dim(0), "rows", "[%d:%d] of %v", from, to, x)
	d := x.dev
	n := x.Len() / max(x.Dim(0), 1)
	y := &Tensor{shape: append([]int{to - from}, x.shape[1:]...), dtype: x.dtype, dev: d, s: x.s,
		off: x.off + from*n*x.dtype.Size()}
	return differentiable(y, func(dy *Tensor) {
		dx := d.Full(0, x.dtype, x.shape...)
		d.b.CopyRows(dx, dy, 1, dy.Len(), 0, from*n, 0, 0)
		x.accumulate(dx)
	}, x)
}

// Channels copies x[…,from:to] of the last axis.
func Channels(x *Tensor, from, to int) *Tensor {
	c := x.Dim(-1)
	check(0 <= from && from < to && to <= c, "channels", "[%d:%d] of %v", from, to, x)
	d, n, rows := x.dev, to-from, x.rows()
	y := d.Empty(x.dtype, withLast(x, n)...)
	d.b.CopyRows(y, x, rows, n, n, 0, c, from)
	return differentiable(y, func(dy *Tensor) {
		dx := d.Full(0, x.dtype, x.shape...)
		d.b.CopyRows(dx, dy, rows, n, c, from, n, 0)
		x.accumulate(dx)
	}, x)
}

// Concat joins along the last axis: the skip connections of the U-Net.
func Concat(xs ...*Tensor) *Tensor {
	const op = "concat"
	check(len(xs) > 0, op, "nothing to join")
	d, rows, total := xs[0].dev, xs[0].rows(), 0
	for _, x := range xs {
		check(x.rows() == rows && x.dtype == xs[0].dtype, op, "%v beside %v", x, xs[0])
		total += x.Dim(-1)
	}
	y := d.Empty(xs[0].dtype, withLast(xs[0], total)...)
	at := 0
	for _, x := range xs {
		d.b.CopyRows(y, x, rows, x.Dim(-1), total, at, x.Dim(-1), 0)
		at += x.Dim(-1)
	}
	return differentiable(y, func(dy *Tensor) {
		at := 0
		for _, x := range xs {
			n := x.Dim(-1)
			if wants(x) {
				dx := x.like()
				d.b.CopyRows(dx, dy, rows, n, n, 0, total, at)
				x.accumulate(dx)
			}
			at += n
		}
	}, xs...)
}

// Stack joins along the first axis: the two halves of classifier-free guidance.
func Stack(xs ...*Tensor) *Tensor {
	const op = "stack"
	check(len(xs) > 0, op, "nothing to join")
	d, total := xs[0].dev, 0
	n := xs[0].Len() / max(xs[0].Dim(0), 1)
	for _, x := range xs {
		check(x.dtype == xs[0].dtype && x.Rank() == xs[0].Rank() && x.Len() == n*x.Dim(0), op, "%v above %v", x, xs[0])
		total += x.Dim(0)
	}
	y := d.Empty(xs[0].dtype, append([]int{total}, xs[0].shape[1:]...)...)
	at := 0
	for _, x := range xs {
		d.b.CopyRows(y, x, 1, x.Len(), 0, at, 0, 0)
		at += x.Len()
	}
	return differentiable(y, func(dy *Tensor) {
		at := 0
		for _, x := range xs {
			if wants(x) {
				dx := x.like()
				d.b.CopyRows(dx, dy, 1, x.Len(), 0, 0, 0, at)
				x.accumulate(dx)
			}
			at += x.Len()
		}
	}, xs...)
}

// Embedding looks up rows: table[V,D], ids Int32 […] → […,D].
func Embedding(table, ids *Tensor) *Tensor {
	const op = "embedding"
	check(table.Rank() == 2 && ids.dtype == Int32, op, "table %v, ids %v", table, ids)
	d := table.dev
	y := d.Empty(table.dtype, append(append([]int(nil), ids.shape...), table.Dim(1))...)
	d.b.Embedding(y, table, ids)
	return differentiable(y, func(dy *Tensor) {
		dt := d.Empty(Float32, table.shape...)
		d.b.EmbeddingGrad(dt, dy, ids)
		table.accumulateFresh(dt)
	}, table)
}

// Upsample2x doubles height and width of [N,H,W,C] by the nearest neighbour.
func Upsample2x(x *Tensor) *Tensor {
	check(x.Rank() == 4, "upsample", "x %v must have 4 axes", x)
	d := x.dev
	y := d.Empty(x.dtype, x.Dim(0), 2*x.Dim(1), 2*x.Dim(2), x.Dim(3))
	d.b.Upsample2x(y, x)
	return differentiable(y, func(dy *Tensor) {
		dx := x.like()
		d.b.Upsample2xGrad(dx, dy)
		x.accumulate(dx)
	}, x)
}

// AvgPool2x halves height and width of [N,H,W,C] by the mean of each 2×2.
func AvgPool2x(x *Tensor) *Tensor {
	check(x.Rank() == 4 && x.Dim(1)%2 == 0 && x.Dim(2)%2 == 0, "avgpool", "x %v must have even height and width", x)
	d := x.dev
	y := d.Empty(x.dtype, x.Dim(0), x.Dim(1)/2, x.Dim(2)/2, x.Dim(3))
	d.b.AvgPool2x(y, x)
	return differentiable(y, func(dy *Tensor) {
		dx := x.like()
		d.b.AvgPool2xGrad(dx, dy)
		x.accumulate(dx)
	}, x)
}
