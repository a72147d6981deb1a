package gpu

import "fmt"

// DType is the storage type of a tensor's elements.
type DType uint8

// Activations and weight matrices are Float32, BFloat16 or Float16. Vectors
// (biases, norm scales), gradients of parameters and statistics are Float32.
// Int32 holds token ids.
const (
	Float32 DType = iota
	BFloat16
	Float16
	Int32
)

// Size is the number of bytes of one element.
func (d DType) Size() int {
	if d == BFloat16 || d == Float16 {
		return 2
	}
	return 4
}

func (d DType) String() string {
	switch d {
	case Float32:
		return "f32"
	case BFloat16:
		return "bf16"
	case Float16:
		return "f16"
	case Int32:
		return "i32"
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}
