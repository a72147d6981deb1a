package nn

import (
	"sync"

	"latent/gpu"
	"latent/gpu/half"
)

// The tables of all 2¹⁶ numbers of a 16-bit format in another format. A look-up
// beats the arithmetic, subnormals and all.
var (
	bf16OfF16 = sync.OnceValue(func() *[1 << 16]uint16 {
		return fillTable(func(h uint16) uint16 { return half.BF16FromF32(half.F32FromF16(h)) })
	})
	f16OfBF16 = sync.OnceValue(func() *[1 << 16]uint16 {
		return fillTable(func(h uint16) uint16 { return half.F16FromF32(half.F32FromBF16(h)) })
	})
	f32OfF16  = sync.OnceValue(func() *[1 << 16]float32 { return fillTable(half.F32FromF16) })
	f32OfBF16 = sync.OnceValue(func() *[1 << 16]float32 { return fillTable(half.F32FromBF16) })
)

func fillTable[D any](f func(uint16) D) *[1 << 16]D {
	t := new([1 << 16]D)
	for h := range t {
		t[h] = f(uint16(h))
	}
	return t
}

// table16 is the table between the two 16-bit formats.
func table16(from, to gpu.DType) *[1 << 16]uint16 {
	if from == gpu.Float16 && to == gpu.BFloat16 {
		return bf16OfF16()
	}
	return f16OfBF16()
}

// table32 is the table from a 16-bit format to Float32.
func table32(from gpu.DType) *[1 << 16]float32 {
	if from == gpu.Float16 {
		return f32OfF16()
	}
	return f32OfBF16()
}
