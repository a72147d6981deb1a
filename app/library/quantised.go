package library

import (
	"fmt"
	"strings"

	"latent/gpu/half"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
)

// ComfyUI writes weights of 8 bits with a number beside them that they are to be
// multiplied by: layer.weight with layer.scale_weight, or layer.weight_scale in
// later versions. Further tensors are for arithmetic in 8 bits, which is not done
// here.
var (
	scaleEndings = []string{".scale_weight", ".weight_scale"}
	quantMarks   = map[string]bool{"scale_input": true, "input_scale": true, "scaled_fp8": true, "comfy_quant": true}
)

// quantised is a file whose tensors bring their scales with them, and no others.
type quantised struct {
	Tensors
	names  []string
	scales map[string]float32 // by the names of the weights
}

// withScales gives the tensors of f their scales. A file without any is returned as
// it is. On an error f is closed.
func withScales(f Tensors) (Tensors, error) {
	q := &quantised{Tensors: f, scales: map[string]float32{}}
	all := f.Names()
	for _, name := range all {
		if quantMarks[name[strings.LastIndexByte(name, '.')+1:]] {
			continue
		}
		weight := ""
		for _, ending := range scaleEndings {
			if layer, ok := strings.CutSuffix(name, ending); ok {
				weight = layer + ".weight"
			}
		}
		v, ok := f.Get(weight)
		if weight == "" || !ok {
			q.names = append(q.names, name)
			continue
		}
		scale, err := readScale(f, name)
		if err == nil && half.Float8(v.DType) == nil && scale != 1 {
			err = fmt.Errorf("weights of %s with a scale, which is not supported", v.DType)
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		q.scales[weight] = scale
	}
	if len(q.names) == len(all) {
		return f, nil
	}
	return q, nil
}

// readScale reads the one number of a tensor.
func readScale(f nn.Source, name string) (float32, error) {
	v, _ := f.Get(name)
	values, err := half.Float32s(v.DType, v.Data)
	switch {
	case err != nil:
		return 0, err
	case len(values) != 1:
		return 0, fmt.Errorf("%d numbers where one scale is supported", len(values))
	case values[0]-values[0] != 0 || values[0] == 0:
		return 0, fmt.Errorf("%g is no scale", values[0])
	}
	return values[0], nil
}

func (q *quantised) Names() []string { return q.names }

func (q *quantised) Get(name string) (safetensors.View, bool) {
	v, ok := q.Tensors.Get(name)
	v.Scale = q.scales[name]
	return v, ok
}

// Metadata are those of the file.
func (q *quantised) Metadata() map[string]string { return Metadata(q.Tensors) }
