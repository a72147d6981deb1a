//go:build cgo

package host

// #include <omp.h>
// #include <stdlib.h>
// #include "kernels.h"
import "C"

import (
	"fmt"
	"unsafe"

	"latent/gpu"
)

// isa names the instruction set that the C kernels use.
func isa() string { return C.GoString(C.kernels_isa()) }

// useISA changes it and tells whether this processor can.
func useISA(name string) bool {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return C.kernels_use_isa(s) != 0
}

// setThreads bounds the threads of the kernels that the calling thread starts.
func setThreads(n int) { C.omp_set_num_threads(C.int(n)) }

// The dtypes and functions of kernels.h are numbered as gpu's.
func kind(t *gpu.Tensor) C.int { return C.int(t.DType()) }

func size(n int) C.long { return C.long(n) }

// length counts elements, which must fit into a long: Windows has it of 32 bits.
func length(t *gpu.Tensor) C.long {
	n := C.long(t.Len())
	if int(n) != t.Len() {
		fail("kernel", fmt.Errorf("a tensor of %d elements is too large for this system", t.Len()))
	}
	return n
}

// floats is the address of a Float32 tensor; nil for an absent one.
func floats(t *gpu.Tensor) *C.float {
	if t == nil {
		return nil
	}
	return (*C.float)(ptr(t))
}

// middle sees t as [n,p,c]: first axis, what lies between, last axis.
func middle(t *gpu.Tensor) (n, p, c C.long) {
	n, c = size(t.Dim(0)), size(t.Dim(-1))
	return n, length(t) / max(n*c, 1), c
}

// vectors sees t as [rows,c].
func vectors(t *gpu.Tensor) (rows, c C.long) {
	c = size(t.Dim(-1))
	return length(t) / max(c, 1), c
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func (*backend) Unary(y, x *gpu.Tensor, f gpu.Func) {
	C.kernel_unary(kind(y), ptr(y), ptr(x), length(y), C.int(f))
}

func (*backend) UnaryGrad(dx, dy, x *gpu.Tensor, f gpu.Func) {
	C.kernel_unary_grad(kind(dx), ptr(dx), ptr(dy), ptr(x), length(dx), C.int(f))
}

func (*backend) GEGLU(y, x *gpu.Tensor) {
	rows, c := vectors(y)
	C.kernel_geglu(kind(y), ptr(y), ptr(x), rows, c)
}

func (*backend) GEGLUGrad(dx, dy, x *gpu.Tensor) {
	rows, c := vectors(dy)
	C.kernel_geglu_grad(kind(dx), ptr(dx), ptr(dy), ptr(x), rows, c)
}

func (*backend) Mul(y, a, b *gpu.Tensor) {
	C.kernel_mul(kind(y), ptr(y), ptr(a), ptr(b), length(y))
}

func (*backend) Clamp(y, x *gpu.Tensor, lo, hi float32) {
	C.kernel_clamp(kind(y), ptr(y), ptr(x), length(y), C.float(lo), C.float(hi))
}

func (*backend) Combine(y *gpu.Tensor, coef []float32, xs []*gpu.Tensor) {
	dtypes, ptrs := make([]C.int, len(xs)), make([]unsafe.Pointer, len(xs))
	for i, x := range xs {
		dtypes[i], ptrs[i] = kind(x), ptr(x)
	}
	C.kernel_combine(kind(y), ptr(y), C.int(len(xs)), (*C.float)(&coef[0]), &dtypes[0], &ptrs[0], length(y))
}

func (*backend) Cast(y, x *gpu.Tensor) {
	C.kernel_cast(kind(y), ptr(y), kind(x), ptr(x), length(y))
}

func (*backend) Fill(y *gpu.Tensor, v float32) {
	C.kernel_fill(kind(y), ptr(y), C.float(v), length(y))
}

func (*backend) AddChannels(y, x, t *gpu.Tensor) {
	n, p, c := middle(x)
	C.kernel_add_channels(kind(y), ptr(y), ptr(x), ptr(t), n, p, c)
}

func (*backend) SumMiddle(y, x *gpu.Tensor) {
	n, p, c := middle(x)
	C.kernel_sum_middle(kind(y), ptr(y), ptr(x), n, p, c)
}
