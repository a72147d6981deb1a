package nn

import (
	"fmt"
	"slices"
	"strings"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// Source is where weights come from: a *safetensors.File, or a view of one
// under other names.
type Source interface {
	Names() []string
	Get(name string) (safetensors.View, bool)
}

// KeyError lists everything that does not fit between a file and a model.
type KeyError struct {
	Missing, Unexpected, Misshapen []string
}

func (e *KeyError) Error() string {
	var parts []string
	for _, l := range []struct {
		what string
		keys []string
	}{{"missing", e.Missing}, {"unexpected", e.Unexpected}, {"of another shape", e.Misshapen}} {
		if n := len(l.keys); n > 0 {
			s := strings.Join(l.keys[:min(n, 5)], ", ")
			if n > 5 {
				s += ", …"
			}
			parts = append(parts, fmt.Sprintf("%d %s (%s)", n, l.what, s))
		}
	}
	return "weights do not fit the model: " + strings.Join(parts, "; ")
}

// Load gives every parameter of model its value from src, converted to dtype
// (vectors to Float32). Nothing is allocated unless all keys fit; otherwise
// the error is a *KeyError.
func Load(model any, dev *gpu.Device, dtype gpu.DType, src Source) (err error) {
	defer gpu.Catch(&err)
	params := Params(model)
	var bad KeyError
	known := make(map[string]bool, len(params))
	for _, p := range params {
		known[p.Key] = true
		v, ok := src.Get(p.Key)
		if !ok {
			bad.Missing = append(bad.Missing, p.Key)
			continue
		}
		if formats[v.DType].size == 0 {
			bad.Misshapen = append(bad.Misshapen, fmt.Sprintf("%s is %s", p.Key, v.DType))
		} else if !fits(v.Shape, fileShape(p.Param)) {
			bad.Misshapen = append(bad.Misshapen, fmt.Sprintf("%s %v, want %v", p.Key, v.Shape, fileShape(p.Param)))
		}
	}
	for _, name := range src.Names() {
		if !known[name] && !strings.HasSuffix(name, "position_ids") {
			bad.Unexpected = append(bad.Unexpected, name)
		}
	}
	if len(bad.Missing)+len(bad.Unexpected)+len(bad.Misshapen) > 0 {
		return &bad
	}
	var todo []piece
	dev.Permanent(func() {
		for _, p := range params {
			v, _ := src.Get(p.Key)
			p.T = dev.Empty(p.dtype(dtype), p.Shape...)
			todo = append(todo, pieces(p.Param, p.T, v)...)
		}
		stream(todo)
	})
	return nil
}

// Reload gives parameters that Load filled their values from src again, bit for
// bit, into the same memory.
func Reload(src Source, params ...Named) (err error) {
	defer gpu.Catch(&err)
	var todo []piece
	for _, p := range params {
		v, ok := src.Get(p.Key)
		if !ok || formats[v.DType].size == 0 || !fits(v.Shape, fileShape(p.Param)) {
			return fmt.Errorf("%s is no longer in the file", p.Key)
		}
		todo = append(todo, pieces(p.Param, p.T, v)...)
	}
	stream(todo)
	return nil
}

// A format is one that weights come in.
type format struct {
	size  int       // bytes of a number
	dtype gpu.DType // that holds its numbers bit for bit, but for size 1
	eight *[256]float32
}

var formats = map[string]format{
	safetensors.F32: {4, gpu.Float32, nil}, safetensors.BF16: {2, gpu.BFloat16, nil}, safetensors.F16: {2, gpu.Float16, nil},
	safetensors.F8E4M3: {1, 0, half.Float8(safetensors.F8E4M3)}, safetensors.F8E5M2: {1, 0, half.Float8(safetensors.F8E5M2)},
}

// fits compares shapes; files may write the matrix of a 1×1 convolution with or
// without its trailing ones.
func fits(got, want []int) bool {
	trim := func(s []int) []int {
		for len(s) > 2 && s[len(s)-1] == 1 {
			s = s[:len(s)-1]
		}
		return s
	}
	return slices.Equal(trim(got), trim(want))
}

// fileShape is the parameter's shape in a file, PyTorch's.
func fileShape(p *Param) []int {
	if p.Kind == Kernel {
		return []int{p.Shape[0], p.Shape[3], p.Shape[1], p.Shape[2]}
	}
	return p.Shape
}

// toChannelsFirst turns a kernel's bytes [O,K,C] into [O,C,K], K = KH·KW; shape is
// [O,KH,KW,C].
func toChannelsFirst(src []byte, size int, shape []int) []byte {
	k, c := shape[1]*shape[2], shape[3]
	if k == 1 || c == 1 {
		return src
	}
	dst := make([]byte, len(src))
	turn(dst, src, size, shape[0], k, c)
	return dst
}
