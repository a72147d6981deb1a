package nn

import (
	"fmt"
	"slices"
	"strings"

	"latent/gpu"
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
		if _, ok := dtypes[v.DType]; !ok {
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
	dev.Permanent(func() {
		for _, p := range params {
			v, _ := src.Get(p.Key)
			data := v.Data
			if p.Kind == Kernel {
				data = toChannelsLast(data, dtypes[v.DType].Size(), p.Shape)
			}
			t := dev.FromBytes(data, dtypes[v.DType], p.Shape...)
			if want := p.dtype(dtype); want != t.DType() {
				c := gpu.Cast(t, want)
				t.Free()
				t = c
			}
			p.T = t
		}
	})
	return nil
}

var dtypes = map[string]gpu.DType{
	safetensors.F32: gpu.Float32, safetensors.BF16: gpu.BFloat16, safetensors.F16: gpu.Float16,
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

// toChannelsLast turns [O,C,K] into [O,K,C], K = KH·KW; shape is [O,KH,KW,C].
func toChannelsLast(src []byte, size int, shape []int) []byte {
	return swapInner(src, size, shape[0], shape[3], shape[1]*shape[2])
}

// toChannelsFirst is the way back.
func toChannelsFirst(src []byte, size int, shape []int) []byte {
	return swapInner(src, size, shape[0], shape[1]*shape[2], shape[3])
}

// swapInner turns [o,a,b] into [o,b,a].
func swapInner(src []byte, size, o, a, b int) []byte {
	if a == 1 || b == 1 {
		return src
	}
	dst := make([]byte, len(src))
	for n := range o {
		s, d := src[n*a*b*size:(n+1)*a*b*size], dst[n*a*b*size:(n+1)*a*b*size]
		if size == 2 {
			for i := range a {
				for j := range b {
					x, y := (i*b+j)*2, (j*a+i)*2
					d[y], d[y+1] = s[x], s[x+1]
				}
			}
			continue
		}
		for i := range a {
			for j := range b {
				copy(d[(j*a+i)*size:(j*a+i+1)*size], s[(i*b+j)*size:(i*b+j+1)*size])
			}
		}
	}
	return dst
}
