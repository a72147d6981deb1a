package lora

import (
	"fmt"
	"strings"

	"latent/gpu"
	"latent/gpu/nn"
)

// Begin gives layers of a model's parts the factors that the file has for them, so
// that they can be trained further; those it has none for stay as they are. What
// Write wrote comes back. An error says what of the file fits no layer.
func (f *File) Begin(parts map[string]any, layers []Layer) (err error) {
	defer gpu.Catch(&err)
	at := map[*nn.Param]*Layer{}
	names := map[string]aliases{}
	for part, model := range parts {
		names[part] = newAliases(model)
	}
	for i, l := range layers {
		at[names[l.Part][strings.ReplaceAll(l.Name, ".", "_")]["weight"].Param] = &layers[i]
	}
	for _, m := range f.modules { // all before any is changed
		l := at[names[m.part][m.name]["weight"].Param]
		if l == nil {
			return fmt.Errorf("%s is not among the layers that are trained", m.key)
		}
		kind := m.kind()
		if kind != "LoRA" && kind != "LoCon" || m.has("mid") || m.decomposed() {
			return fmt.Errorf("%s is no plain LoRA", m.key)
		}
		if rank, want := m.rank(), l.Down.Dim(0); rank != want {
			return fmt.Errorf("%s has rank %d, not %d", m.key, rank, want)
		}
		if out, in, _ := m.shape(); out != l.Up.Dim(0) || in*l.Down.Dim(0) != l.Down.Len() {
			return fmt.Errorf("%s is %d×%d, the model has %d×%d", m.key, out, in, l.Up.Dim(0), l.Down.Len()/l.Down.Dim(0))
		}
	}
	for _, m := range f.modules {
		l := at[names[m.part][m.name]["weight"].Param]
		down, up := m.floats("down"), m.floats("up")
		if s := l.Down.Shape(); len(s) == 4 {
			down = swap(down, s[0], s[3], s[1]*s[2])
		}
		// alpha/rank is another in the file, perhaps: their product is what counts.
		if scale := float32(m.multiplier() * float64(m.rank()) / l.Alpha); scale != 1 {
			for i := range up {
				up[i] *= scale
			}
		}
		l.Down.Write(down)
		l.Up.Write(up)
	}
	return nil
}
