package half

import "math"

// The 8-bit formats of files whose weights were made small (Micikevicius et al.
// 2022). They are read, never written:
//
//	F8_E4M3  1 sign, 4 exponent (bias 7) and 3 fraction bits, no infinity, NaN where all but the sign are 1
//	F8_E5M2  1 sign, 5 exponent and 2 fraction bits: the top half of an f16
var float8s = map[string]*[256]float32{
	"F8_E4M3": table8(f32FromE4M3),
	"F8_E5M2": table8(func(b uint8) float32 { return F32FromF16(uint16(b) << 8) }),
}

// Float8 is the table of the values of all numbers of an 8-bit format, nil for
// another format. It is only to be read.
func Float8(format string) *[256]float32 { return float8s[format] }

func table8(f func(uint8) float32) *[256]float32 {
	t := new([256]float32)
	for b := range t {
		t[b] = f(uint8(b))
	}
	return t
}

func f32FromE4M3(b uint8) float32 {
	sign := uint32(b&0x80) << 24
	if b &= 0x7f; b == 0x7f {
		return math.Float32frombits(sign | 0x7fc00000)
	}
	// Read as a float32, b is too small by 2¹²⁰; the product mends subnormals too.
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(uint32(b)<<20)*0x1p120))
}
