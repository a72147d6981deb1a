package reference

import (
	"fmt"

	"latent/gpu"
)

func (backend) CopyRows(dst, src *gpu.Tensor, rows, n, dstStride, dstOff, srcStride, srcOff int) {
	to, from, size := elements[byte](dst), elements[byte](src), dst.DType().Size()
	for r := range rows {
		at, end := r*srcStride+srcOff, r*srcStride+srcOff+n
		copy(to[(r*dstStride+dstOff)*size:], from[at*size:end*size])
	}
}

func (backend) Embedding(y, table, ids *gpu.Tensor) {
	tab, d := load(table), table.Dim(1)
	out := make([]float64, y.Len())
	for i, id := range elements[int32](ids) {
		copy(row(out, i, d), tab[vocabulary(id, table)*d:])
	}
	store(y, out)
}

func (backend) EmbeddingGrad(dtable, dy, ids *gpu.Tensor) {
	dys, d := load(dy), dtable.Dim(1)
	out := make([]float64, dtable.Len())
	for i, id := range elements[int32](ids) {
		axpy(row(out, vocabulary(id, dtable), d), 1, row(dys, i, d))
	}
	store(dtable, out)
}

// vocabulary checks that the table has the id.
func vocabulary(id int32, table *gpu.Tensor) int {
	if id < 0 || int(id) >= table.Dim(0) {
		panic(&gpu.Error{Op: "embedding", Err: fmt.Errorf("id %d is not in a table of %d", id, table.Dim(0))})
	}
	return int(id)
}

// quad gives the index in the fine image [N,2H,2W,C] of the upper left of the
// four pixels that belong to element i of the coarse one [N,H,W,C], and the
// distances to the other three.
func quad(coarse *gpu.Tensor) func(i int) (first int, steps [4]int) {
	w, c := coarse.Dim(2), coarse.Dim(3)
	return func(i int) (int, [4]int) {
		line, col, ch := i/(w*c), i/c%w, i%c
		return (4*line*w+2*col)*c + ch, [4]int{0, c, 2 * w * c, (2*w + 1) * c}
	}
}

// spread sets the four pixels of each coarse one to its value times scale.
func spread(fine, coarse *gpu.Tensor, scale float64) {
	in, out, four := load(coarse), make([]float64, fine.Len()), quad(coarse)
	for i, v := range in {
		first, steps := four(i)
		for _, s := range steps {
			out[first+s] = scale * v
		}
	}
	store(fine, out)
}

// gather sums the four pixels of each coarse one, times scale.
func gather(coarse, fine *gpu.Tensor, scale float64) {
	in, four := load(fine), quad(coarse)
	each(coarse, func(i int) float64 {
		var sum float64
		first, steps := four(i)
		for _, s := range steps {
			sum += in[first+s]
		}
		return scale * sum
	})
}

func (backend) Upsample2x(y, x *gpu.Tensor) { spread(y, x, 1) }

func (backend) Upsample2xGrad(dx, dy *gpu.Tensor) { gather(dx, dy, 1) }

func (backend) AvgPool2x(y, x *gpu.Tensor) { gather(y, x, 0.25) }

func (backend) AvgPool2xGrad(dx, dy *gpu.Tensor) { spread(dx, dy, 0.25) }
