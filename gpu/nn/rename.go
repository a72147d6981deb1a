package nn

import (
	"slices"

	"latent/gpu/safetensors"
)

// Renamed is src with every name replaced by rename(name): a file written
// under other names. A name that rename leaves alone wins over one that it
// turns into the same.
func Renamed(src Source, rename func(string) string) Source {
	r := &renamed{src: src, from: map[string]string{}}
	for _, old := range src.Names() {
		name := rename(old)
		if _, taken := r.from[name]; !taken {
			r.names = append(r.names, name)
		} else if name != old {
			continue
		}
		r.from[name] = old
	}
	return r
}

type renamed struct {
	src   Source
	names []string
	from  map[string]string
}

func (r *renamed) Names() []string { return r.names }

func (r *renamed) Get(name string) (safetensors.View, bool) {
	old, ok := r.from[name]
	if !ok {
		return safetensors.View{}, false
	}
	return r.src.Get(old)
}

// Place is where a file that orders its tensors in another way holds the value
// of a parameter.
type Place struct {
	Name string // of the tensor in the file
	// The tensor's rows are cut into Of equal parts, of which the parameter is
	// number Part; Of 0 is the whole tensor.
	Part, Of  int
	Transpose bool // the tensor is the matrix [C,O] of a parameter [O,C]
}

// Mapped is src under the names of model's parameters: place says where each
// stands. The tensors of src that no parameter takes, and that wanted says ought
// to be taken, keep their names, so that Load reports them.
func Mapped(src Source, model any, place func(key string) Place, wanted func(name string) bool) Source {
	m := &mapped{src: src, places: map[string]Place{}}
	taken := map[string]bool{}
	for _, p := range Params(model) {
		at := place(p.Key)
		if _, ok := src.Get(at.Name); ok {
			m.places[p.Key] = at
			m.names = append(m.names, p.Key)
			taken[at.Name] = true
		}
	}
	for _, name := range src.Names() {
		if !taken[name] && wanted(name) {
			m.names = append(m.names, name)
		}
	}
	return m
}

type mapped struct {
	src    Source
	names  []string
	places map[string]Place
}

func (m *mapped) Names() []string { return m.names }

func (m *mapped) Get(key string) (safetensors.View, bool) {
	at, ok := m.places[key]
	if !ok {
		return safetensors.View{}, false
	}
	v, ok := m.src.Get(at.Name)
	if !ok || at.Of == 0 && !at.Transpose {
		return v, ok
	}
	v.Shape = slices.Clone(v.Shape)
	if at.Of > 0 {
		if len(v.Shape) == 0 || v.Shape[0]%at.Of != 0 {
			return v, true // Load says what its shape ought to be
		}
		n := len(v.Data) / at.Of
		v.Data = v.Data[at.Part*n : (at.Part+1)*n]
		v.Shape[0] /= at.Of
	}
	if size := formats[v.DType].size; at.Transpose && len(v.Shape) == 2 && len(v.Data) == v.Shape[0]*v.Shape[1]*size {
		data := make([]byte, len(v.Data))
		turn(data, v.Data, size, 1, v.Shape[0], v.Shape[1])
		v.Data = data
		v.Shape[0], v.Shape[1] = v.Shape[1], v.Shape[0]
	}
	return v, true
}
