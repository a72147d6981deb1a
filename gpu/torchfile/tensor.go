package torchfile

import (
	"errors"
	"fmt"
	"math/bits"

	"latent/gpu/safetensors"
)

// storage is a span of bytes that tensors share.
type storage struct {
	key   string
	dtype string
	elems int // that the pickle promises
	data  *[]byte
}

// tensor is a view of a storage.
type tensor struct {
	storage       storage
	dtype         string
	offset        int // elements
	shape, stride []int
}

// maxRank is far above any weight's.
const maxRank = 16

// rebuild reads the arguments of torch._utils._rebuild_tensor*: storage, offset,
// size, stride, and in version 3 the dtype at place 6.
func rebuild(name string, a tuple) (any, error) {
	bad := errors.New("damaged pickle: a tensor with wrong arguments")
	if len(a) < 4 {
		return nil, bad
	}
	s, ok := a[0].(storage)
	offset, ok1 := a[1].(int64)
	shape, ok2 := ints(a[2])
	stride, ok3 := ints(a[3])
	if !ok || !ok1 || !ok2 || !ok3 || offset < 0 || len(shape) != len(stride) {
		return nil, bad
	}
	t := &tensor{storage: s, dtype: s.dtype, offset: int(offset), shape: shape, stride: stride}
	if name == "_rebuild_tensor_v3" {
		if len(a) < 7 {
			return nil, bad
		}
		g, _ := a[6].(global)
		if t.dtype = dtypes[g.name]; t.dtype == "" {
			return nil, fmt.Errorf("tensor of dtype %s is not supported", short(g.String()))
		}
	}
	return t, nil
}

func ints(v any) ([]int, bool) {
	var items []any
	switch v := v.(type) {
	case tuple:
		items = v
	case *list:
		items = v.items
	default:
		return nil, false
	}
	if len(items) > maxRank {
		return nil, false
	}
	out := make([]int, len(items))
	for i, item := range items {
		n, ok := item.(int64)
		if !ok || n < 0 {
			return nil, false
		}
		out[i] = int(n)
	}
	return out, true
}

// check makes sure that every element lies in the storage, and that the tensor
// is no larger than that: repeating a few bytes over a vast shape would let a
// small file ask for any amount of memory.
func (t *tensor) check() error {
	size := sizes[t.dtype]
	have := len(*t.storage.data)
	if size == 0 {
		return fmt.Errorf("storage of unknown type")
	}
	n, last := uint64(1), uint64(t.offset)
	for i, d := range t.shape {
		hi, lo := bits.Mul64(n, uint64(d))
		hi2, step := bits.Mul64(uint64(max(d-1, 0)), uint64(t.stride[i]))
		sum, carry := bits.Add64(last, step, 0)
		if hi != 0 || hi2 != 0 || carry != 0 {
			return errors.New("its shape is impossible")
		}
		n, last = lo, sum
	}
	if n == 0 {
		return nil
	}
	if room := uint64(have / size); last >= room || n > room {
		return fmt.Errorf("shape %v and stride %v reach beyond its storage of %d bytes", t.shape, t.stride, have)
	}
	return nil
}

func (t *tensor) len() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

// view is the tensor's elements in order: the file's own bytes where they lie in
// order there, else a copy.
func (t *tensor) view() safetensors.View {
	size, n := sizes[t.dtype], t.len()
	v := safetensors.View{DType: t.dtype, Shape: t.shape}
	if n == 0 {
		return v
	}
	data := (*t.storage.data)[t.offset*size:]
	if t.contiguous() {
		v.Data = data[: n*size : n*size]
		return v
	}
	v.Data = make([]byte, n*size)
	index := make([]int, len(t.shape))
	for at, i := 0, 0; i < n; i++ {
		copy(v.Data[i*size:(i+1)*size], data[at*size:])
		for k := len(index) - 1; k >= 0; k-- {
			index[k]++
			at += t.stride[k]
			if index[k] < t.shape[k] {
				break
			}
			at -= index[k] * t.stride[k]
			index[k] = 0
		}
	}
	return v
}

func (t *tensor) contiguous() bool {
	want := 1
	for i := len(t.shape) - 1; i >= 0; i-- {
		if t.shape[i] != 1 && t.stride[i] != want {
			return false
		}
		want *= t.shape[i]
	}
	return true
}
