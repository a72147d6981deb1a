package nn

import (
	"math"
	"reflect"

	"latent/gpu"
)

// An Adapter is a branch of low rank r beside a layer (Hu et al. 2022, section 4.1),
//
//	y = W₀·x + b + s·up(down(x)),
//
// of a linear layer down[r,C] and up[O,r], of a convolution down[r,KH,KW,C], with
// its stride and padding, and up[O,1,1,r]. No walk over the model sees it.
type Adapter struct {
	Down  *Param `key:"lora_down.weight"`
	Up    *Param `key:"lora_up.weight"`
	Scale float32
}

func (a *Adapter) scaled(h *gpu.Tensor) *gpu.Tensor {
	if a.Scale == 1 {
		return h
	}
	return gpu.Scale(a.Scale, h)
}

// NamedAdapter is an adapter with the full name of its layer.
type NamedAdapter struct {
	Key string
	*Adapter
}

// Uniform draws numbers of [0,1).
type Uniform interface{ Float64() float64 }

// Adapt gives an adapter to each linear layer and convolution of a model that pick
// wants, by the layer's name and weight; the model computes what it did, as up is
// 0. down is uniform in ±1/√(fan in), as PyTorch begins a layer.
func Adapt(model any, dev *gpu.Device, dtype gpu.DType, rank int, scale float32, r Uniform, pick func(key string, weight *Param) bool) (out []NamedAdapter, err error) {
	defer gpu.Catch(&err)
	walk(reflect.ValueOf(model), "", func(path string, v any) {
		var weight *Param
		var at **Adapter
		switch l := v.(type) {
		case *Linear:
			weight, at = l.Weight, &l.Adapter
		case *Conv2d:
			weight, at = l.Weight, &l.Adapter
		default:
			return
		}
		if !pick(path, weight) {
			return
		}
		down, up := []int{rank, weight.Shape[1]}, []int{weight.Shape[0], rank}
		if weight.Kind == Kernel {
			down = append([]int{rank}, weight.Shape[1:]...)
			up = []int{weight.Shape[0], 1, 1, rank}
		}
		a := &Adapter{
			Down:  &Param{Shape: down, Kind: weight.Kind, FanIn: weight.FanIn},
			Up:    &Param{Shape: up, Kind: weight.Kind, FanIn: rank},
			Scale: scale,
		}
		values, bound := make([]float32, a.Down.Len()), 1/math.Sqrt(float64(weight.FanIn))
		for i := range values {
			values[i] = float32((2*r.Float64() - 1) * bound)
		}
		dev.Permanent(func() {
			a.Down.T = dev.FromFloat32(values, dtype, down...)
			a.Up.T = dev.Full(0, dtype, up...)
		})
		*at = a
		out = append(out, NamedAdapter{path, a})
	})
	return out, nil
}

// Unadapt takes all adapters off a model and frees them.
func Unadapt(model any) {
	walk(reflect.ValueOf(model), "", func(_ string, v any) {
		switch l := v.(type) {
		case *Linear:
			l.Adapter = l.Adapter.free()
		case *Conv2d:
			l.Adapter = l.Adapter.free()
		}
	})
}

func (a *Adapter) free() *Adapter {
	if a != nil {
		Free(a)
	}
	return nil
}
