//go:build cgo

package host

// #include "kernels.h"
import "C"

import (
	"fmt"
	"unsafe"

	"latent/gpu"
)

// tokens is the address of ids, each of which must name a row of the table: C
// would read or write beyond it.
func tokens(ids *gpu.Tensor, vocab int) *C.int {
	p := (*int32)(ptr(ids))
	for _, id := range unsafe.Slice(p, ids.Len()) {
		if id < 0 || int(id) >= vocab {
			panic(&gpu.Error{Op: "embedding", Err: fmt.Errorf("id %d is outside the table of %d rows", id, vocab)})
		}
	}
	return (*C.int)(p)
}

func (*backend) Embedding(y, table, ids *gpu.Tensor) {
	C.kernel_embedding(kind(y), ptr(y), kind(table), ptr(table), tokens(ids, table.Dim(0)), length(ids), size(table.Dim(1)))
}

func (*backend) EmbeddingGrad(dtable, dy, ids *gpu.Tensor) {
	vocab := dtable.Dim(0)
	C.kernel_embedding_grad(floats(dtable), kind(dy), ptr(dy), tokens(ids, vocab), length(ids), size(dtable.Dim(1)), size(vocab))
}

func (*backend) CopyRows(dst, src *gpu.Tensor, rows, n, dstStride, dstOff, srcStride, srcOff int) {
	C.kernel_copy_rows(C.int(dst.DType().Size()), ptr(dst), ptr(src), size(rows), size(n),
		size(dstStride), size(dstOff), size(srcStride), size(srcOff))
}

// image gives the sizes of t[N,H,W,C].
func image(t *gpu.Tensor) (n, h, w, c C.long) {
	return size(t.Dim(0)), size(t.Dim(1)), size(t.Dim(2)), size(t.Dim(3))
}

func (*backend) Upsample2x(y, x *gpu.Tensor) {
	n, h, w, c := image(x)
	C.kernel_upsample(C.int(x.DType().Size()), ptr(y), ptr(x), n, h, w, c)
}

func (*backend) Upsample2xGrad(dx, dy *gpu.Tensor) {
	n, h, w, c := image(dx)
	C.kernel_pool(kind(dx), ptr(dx), ptr(dy), n, h, w, c, 1)
}

func (*backend) AvgPool2x(y, x *gpu.Tensor) {
	n, h, w, c := image(y)
	C.kernel_pool(kind(y), ptr(y), ptr(x), n, h, w, c, 0.25)
}

func (*backend) AvgPool2xGrad(dx, dy *gpu.Tensor) {
	n, h, w, c := image(dy)
	C.kernel_pool_grad(kind(dx), ptr(dx), ptr(dy), n, h, w, c, 0.25)
}
