package gpu

import (
	"fmt"
	"slices"
	"unsafe"
)

// Tensor is a contiguous array on a device, last axis fastest. Views made by
// Reshape and Rows share memory with their origin.
type Tensor struct {
	shape []int
	dtype DType
	dev   *Device
	s     *storage
	off   int // bytes

	grad      *Tensor
	needsGrad bool
	leaf      bool // a parameter: its gradient is Float32 and outlives the tape
}

// Empty makes a tensor with undefined contents.
func (d *Device) Empty(dtype DType, shape ...int) *Tensor {
	n := 1
	for _, s := range shape {
		check(s >= 0, "empty", "negative size in shape %v", shape)
		n *= s
	}
	return &Tensor{shape: slices.Clone(shape), dtype: dtype, dev: d, s: d.alloc(n * dtype.Size())}
}

// Full makes a tensor with every element v.
func (d *Device) Full(v float32, dtype DType, shape ...int) *Tensor {
	if dtype == Int32 && v == 0 {
		t := d.Full(0, Float32, shape...) // of the same bytes
		t.dtype = Int32
		return t
	}
	t := d.Empty(dtype, shape...)
	d.b.Fill(t, v)
	return t
}

// FromFloat32 makes a tensor of the given dtype from float32 values.
func (d *Device) FromFloat32(data []float32, dtype DType, shape ...int) *Tensor {
	t := d.Empty(Float32, shape...)
	check(t.Len() == len(data), "from float32", "%d values for shape %v", len(data), shape)
	d.b.Write(t, floatBytes(data))
	if dtype == Float32 {
		return t
	}
	y := d.Empty(dtype, shape...)
	d.b.Cast(y, t)
	t.Free()
	return y
}

// FromInt32 makes an Int32 tensor, for example of token ids.
func (d *Device) FromInt32(data []int32, shape ...int) *Tensor {
	t := d.Empty(Int32, shape...)
	check(t.Len() == len(data), "from int32", "%d values for shape %v", len(data), shape)
	if len(data) > 0 {
		d.b.Write(t, unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), 4*len(data)))
	}
	return t
}

// FromBytes makes a tensor from its little-endian bytes.
func (d *Device) FromBytes(data []byte, dtype DType, shape ...int) *Tensor {
	t := d.Empty(dtype, shape...)
	check(t.Bytes() == len(data), "from bytes", "%d bytes for %v %v", len(data), dtype, shape)
	d.b.Write(t, data)
	return t
}

func floatBytes(f []float32) []byte {
	if len(f) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), 4*len(f))
}

// Shape returns the sizes of the axes; it must not be changed.
func (t *Tensor) Shape() []int { return t.shape }

// Dim is the size of axis i; a negative i counts from the end.
func (t *Tensor) Dim(i int) int {
	if i < 0 {
		i += len(t.shape)
	}
	return t.shape[i]
}

// Rank is the number of axes.
func (t *Tensor) Rank() int { return len(t.shape) }

// Len is the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, s := range t.shape {
		n *= s
	}
	return n
}

// Bytes is the number of bytes of the elements.
func (t *Tensor) Bytes() int { return t.Len() * t.dtype.Size() }

// DType is the storage type.
func (t *Tensor) DType() DType { return t.dtype }

// Device is where the tensor lives.
func (t *Tensor) Device() *Device { return t.dev }

// Buffer and Offset (bytes) say where the elements lie; for backends.
func (t *Tensor) Buffer() Buffer { return t.s.buf }

// Offset is the distance in bytes of the first element from Buffer's start.
func (t *Tensor) Offset() int { return t.off }

// Storage identifies the memory, and Version counts the writes to it that
// replaced its value after it was made: together they key caches of reordered
// weights.
func (t *Tensor) Storage() any { return t.s }

// Version is explained at Storage.
func (t *Tensor) Version() uint64 { return t.s.version }

// Changed must be called after a write in place.
func (t *Tensor) Changed() { t.s.version++ }

// Write replaces the value, converting from float32.
func (t *Tensor) Write(data []float32) {
	check(len(data) == t.Len(), "write", "%d values for shape %v", len(data), t.shape)
	if t.dtype == Float32 {
		t.dev.b.Write(t, floatBytes(data))
	} else {
		tmp := t.dev.FromFloat32(data, Float32, t.shape...)
		t.dev.b.Cast(t, tmp)
		tmp.Free()
	}
	t.Changed()
}

// WriteBytes replaces the value by little-endian bytes of the same dtype.
func (t *Tensor) WriteBytes(data []byte) {
	check(len(data) == t.Bytes(), "write", "%d bytes for %v %v", len(data), t.dtype, t.shape)
	t.dev.b.Write(t, data)
	t.Changed()
}

// CopyFrom replaces the value by x's, converting its dtype.
func (t *Tensor) CopyFrom(x *Tensor) {
	check(x.Len() == t.Len(), "copy", "%v into %v", x.shape, t.shape)
	t.dev.b.Cast(t, x)
	t.Changed()
}

// ReadBytes copies the elements to the host, little-endian.
func (t *Tensor) ReadBytes() []byte {
	b := make([]byte, t.Bytes())
	t.dev.b.Read(b, t)
	return b
}

// Float32s copies the elements to the host, converted to float32.
func (t *Tensor) Float32s() []float32 {
	out := make([]float32, t.Len())
	src := t
	if t.dtype != Float32 {
		src = t.dev.Empty(Float32, t.shape...)
		defer src.Free()
		t.dev.b.Cast(src, t)
	}
	t.dev.b.Read(floatBytes(out), src)
	return out
}

// Item is the value of a tensor with one element.
func (t *Tensor) Item() float32 {
	check(t.Len() == 1, "item", "tensor has shape %v, not one element", t.shape)
	return t.Float32s()[0]
}

// Finite tells whether no element is NaN or infinite.
func (t *Tensor) Finite() bool { return t.dev.b.Finite(t) }

// Free returns the memory to the device's cache at once, before its scope
// would. The tensor and its views must not be used afterwards.
func (t *Tensor) Free() { t.dev.free(t.s) }

// Detach is the same memory with no history: no gradient flows through it.
func (t *Tensor) Detach() *Tensor {
	return &Tensor{shape: t.shape, dtype: t.dtype, dev: t.dev, s: t.s, off: t.off}
}

func (t *Tensor) String() string { return fmt.Sprintf("%v%v", t.dtype, t.shape) }

// rows is the number of vectors along the last axis.
func (t *Tensor) rows() int { return t.Len() / max(t.Dim(-1), 1) }

func (t *Tensor) like() *Tensor { return t.dev.Empty(t.dtype, t.shape...) }
