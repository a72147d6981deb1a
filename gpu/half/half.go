// Package half converts between float32 and the two 16-bit floating-point
// formats in which weights are stored:
//
//	bf16 (bfloat16)      1 sign, 8 exponent and 7 fraction bits: the top half of a float32
//	f16  (IEEE binary16) 1 sign, 5 exponent and 10 fraction bits, subnormals down to 2⁻²⁴
//
// A 16-bit number is kept as its bits in a uint16. Narrowing rounds to nearest,
// ties to even, as IEEE 754 and PyTorch do; what is too large becomes infinity,
// and a NaN stays a (quiet) NaN. Widening is exact. The 8-bit formats (Float8) are
// widened only.
package half

import "math"

// BF16FromF32 rounds f to the nearest bf16, ties to even.
func BF16FromF32(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 { // rounding could carry a NaN into infinity
		return uint16(b>>16) | 0x0040
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// F32FromBF16 returns the value of the bf16 h.
func F32FromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F16FromF32 rounds f to the nearest f16, ties to even. From 65520 on, which is
// halfway to the first number out of range, the result is infinity.
func F16FromF32(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN
		return sign | 0x7e00 | uint16(b>>13&0x03ff)
	case b >= 0x477ff000: // 65520
		return sign | 0x7c00
	case b < 0x38800000: // 2⁻¹⁴: the result is subnormal
		// The last bit of a float32 in [½,1) is worth 2⁻²⁴, as that of a
		// subnormal f16 is: the addition itself does the rounding.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	default:
		b += 0x0fff + b>>13&1
		return sign | uint16((b-(127-15)<<23)>>13)
	}
}

// F32FromF16 returns the value of the f16 h.
func F32FromF16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	b := uint32(h&0x7fff) << 13
	if h&0x7c00 == 0x7c00 { // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | b)
	}
	// Read as a float32, b is too small by 2¹¹²; the product mends subnormals too.
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(b)*0x1p112))
}

// BF16sFromF32s rounds src into dst, which must be at least as long.
func BF16sFromF32s(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, f := range src {
		dst[i] = BF16FromF32(f)
	}
}

// F32sFromBF16s widens src into dst, which must be at least as long.
func F32sFromBF16s(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	for i, h := range src {
		dst[i] = F32FromBF16(h)
	}
}

// F16sFromF32s rounds src into dst, which must be at least as long.
func F16sFromF32s(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, f := range src {
		dst[i] = F16FromF32(f)
	}
}

// F32sFromF16s widens src into dst, which must be at least as long.
func F32sFromF16s(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	for i, h := range src {
		dst[i] = F32FromF16(h)
	}
}
