package nn

import (
	"math"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// Entries lists the model's weights as a file holds them, in the number format
// ("F16", "BF16", "F32"). values, if not nil, replaces a parameter's own value:
// the float32 master copies of training, or an average of them.
func Entries(model any, format string, values func(Named) *gpu.Tensor) []safetensors.Entry {
	var out []safetensors.Entry
	for _, p := range Params(model) {
		t := p.T
		if values != nil {
			t = values(p)
		}
		data, err := half.Bytes(format, t.Float32s())
		if err != nil {
			panic(err) // a format this package does not offer is a programming error
		}
		if p.Kind == Kernel {
			data = toChannelsFirst(data, len(data)/p.Len(), p.Shape)
		}
		out = append(out, safetensors.Entry{Name: p.Key, DType: format, Shape: fileShape(p.Param), Data: data})
	}
	return out
}

// Save writes the model's weights to a safetensors file that diffusers opens.
func Save(path string, model any, format string, metadata map[string]string) (err error) {
	defer gpu.Catch(&err)
	return safetensors.Write(path, Entries(model, format, nil), metadata)
}

// Rand draws standard normal numbers.
type Rand interface{ Normal(dst []float32) }

// Init gives every parameter its initial value: matrices, kernels and biases
// with the standard deviation of PyTorch's default, 1/√(3·fan in), tables
// 0.02, norms 1 and 0.
func Init(model any, dev *gpu.Device, dtype gpu.DType, r Rand) (err error) {
	defer gpu.Catch(&err)
	dev.Permanent(func() {
		for _, p := range Params(model) {
			data := make([]float32, p.Len())
			switch p.Kind {
			case Scale:
				for i := range data {
					data[i] = 1
				}
			case Shift:
			default:
				std := 0.02
				if p.Kind != Table {
					std = 1 / math.Sqrt(3*float64(p.FanIn))
				}
				r.Normal(data)
				for i := range data {
					data[i] *= float32(std)
				}
			}
			p.T = dev.FromFloat32(data, p.dtype(dtype), p.Shape...)
		}
	})
	return nil
}
