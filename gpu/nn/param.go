// Package nn builds models of layers: structs whose tagged fields are
// parameters or further layers.
//
//	type ResnetBlock2D struct {
//		Norm1 *nn.GroupNorm `key:"norm1"`
//		Conv1 *nn.Conv2d    `key:"conv1"`
//	}
//
// The tag is the parameter's name in the diffusers library. One walk over the
// struct serves loading, saving, initialising, training and counting.
package nn

import (
	"fmt"
	"reflect"
	"strconv"

	"latent/gpu"
)

// Kind tells how a parameter is stored and initialised.
type Kind uint8

// The kinds. A Kernel's shape here is [O,KH,KW,C], in files [O,C,KH,KW].
// Scale and Shift are the vectors of a norm, Bias that of a linear layer or a
// convolution; vectors are Float32 whatever the model's dtype.
const (
	Matrix Kind = iota // [O,C]
	Kernel
	Table // [V,D], embedding
	Bias
	Scale
	Shift
)

func (k Kind) vector() bool { return k >= Bias }

// Param is a parameter: declared with its shape when the model is built, given
// a value by Load or Init.
type Param struct {
	Shape []int
	Kind  Kind
	FanIn int // inputs that one output sums: the scale of initial values
	T     *gpu.Tensor
}

// dtype is how the parameter is held in a model of type d.
func (p *Param) dtype(d gpu.DType) gpu.DType {
	if p.Kind.vector() {
		return gpu.Float32
	}
	return d
}

// Len is the number of elements.
func (p *Param) Len() int {
	n := 1
	for _, s := range p.Shape {
		n *= s
	}
	return n
}

// Named is a parameter with its full name.
type Named struct {
	Key string
	*Param
}

// Params lists the parameters of a model in the order of its fields.
func Params(model any) []Named {
	var out []Named
	walk(reflect.ValueOf(model), "", func(path string, v any) {
		if p, ok := v.(*Param); ok {
			out = append(out, Named{path, p})
		}
	})
	return out
}

// walk visits every pointer that is reached through tagged fields, with its path.
func walk(v reflect.Value, path string, visit func(path string, v any)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		if v.Kind() == reflect.Pointer {
			visit(path, v.Interface())
			if _, leaf := v.Interface().(*Param); leaf {
				return
			}
		}
		walk(v.Elem(), path, visit)
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), join(path, strconv.Itoa(i)), visit)
		}
	case reflect.Struct:
		t := v.Type()
		for i := range t.NumField() {
			key, ok := t.Field(i).Tag.Lookup("key")
			if !ok {
				continue
			}
			if !t.Field(i).IsExported() {
				panic(fmt.Sprintf("nn: field %v.%s has a key but is not exported", t, t.Field(i).Name))
			}
			walk(v.Field(i), join(path, key), visit)
		}
	}
}

// join extends a path; an empty key adds no level.
func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}

// Count is the number of parameter elements of a model.
func Count(model any) int {
	n := 0
	for _, p := range Params(model) {
		n += p.Len()
	}
	return n
}

// Trainable marks every parameter of a loaded model as one that wants a
// gradient and returns them.
func Trainable(model any) []Named {
	ps := Params(model)
	for _, p := range ps {
		p.T.Param()
	}
	return ps
}

// Freeze takes the marks of Trainable away.
func Freeze(model any) {
	for _, p := range Params(model) {
		p.T.Frozen()
	}
}

// Free gives the parameters' memory back.
func Free(model any) {
	for _, p := range Params(model) {
		if p.T != nil {
			p.T.ZeroGrad()
			p.T.Free()
			p.T = nil
		}
	}
}
