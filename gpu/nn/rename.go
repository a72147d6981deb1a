package nn

import "latent/gpu/safetensors"

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
