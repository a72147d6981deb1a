package textencoder

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"latent/gpu/half"
	"latent/gpu/nn"
)

// An Embedding is a word that was learned as vectors in place of token
// embeddings (textual inversion, Gal et al. 2022).
type Embedding struct {
	Name    string      // as prompts write it
	Tokens  int         // n, the tokens it takes the place of
	Vectors [][]float32 // [n,D] for each text encoder: one, or SDXL's two
}

// The keys of an SDXL file, in the order of its text encoders.
var sdxlKeys = []string{"clip_l", "clip_g"}

// ReadEmbedding reads the embedding called name from the tensors of a file: the
// single one of a .safetensors or .pt file whatever its key ("emb_params", a
// token, "*"), or SDXL's clip_l and clip_g, each [n,D] or [D].
func ReadEmbedding(name string, src nn.Source) (*Embedding, error) {
	keys := src.Names()
	switch {
	case !slices.ContainsFunc(sdxlKeys, func(k string) bool { return !slices.Contains(keys, k) }):
		keys = sdxlKeys
	case len(keys) != 1:
		return nil, fmt.Errorf("embedding %q: the file holds %d tensors, want one vector table, or clip_l and clip_g", name, len(keys))
	}
	e := &Embedding{Name: name}
	for _, key := range keys {
		v, ok := src.Get(key)
		if !ok {
			return nil, fmt.Errorf("embedding %q: tensor %q is missing", name, key)
		}
		shape := v.Shape
		if len(shape) == 1 {
			shape = []int{1, shape[0]}
		}
		if len(shape) != 2 || shape[0] < 1 || shape[1] < 1 {
			return nil, fmt.Errorf("embedding %q: tensor %.40q has the shape %v, want [vectors, width]", name, key, v.Shape)
		}
		values, err := half.Float32s(v.DType, v.Data)
		if err != nil {
			return nil, fmt.Errorf("embedding %q: tensor %.40q: %w", name, key, err)
		}
		if len(values)/shape[0] != shape[1] || len(values)%shape[0] != 0 {
			return nil, fmt.Errorf("embedding %q: tensor %.40q has %d numbers, not the %v of its shape", name, key, len(values), v.Shape)
		}
		for _, x := range values {
			if x-x != 0 {
				return nil, fmt.Errorf("embedding %q: tensor %.40q holds numbers that are not finite", name, key)
			}
		}
		if e.Tokens != 0 && e.Tokens != shape[0] {
			return nil, fmt.Errorf("embedding %q: clip_l has %d vectors and clip_g %d", name, e.Tokens, shape[0])
		}
		e.Tokens = shape[0]
		e.Vectors = append(e.Vectors, values)
	}
	return e, nil
}

// Widths are the widths D of Vectors.
func (e *Embedding) Widths() []int {
	var widths []int
	for _, v := range e.Vectors {
		widths = append(widths, len(v)/max(e.Tokens, 1))
	}
	return widths
}

// For says in words which text encoders the embedding was made for.
func (e *Embedding) For() string { return family(e.Widths()) }

// Fits tells whether the embedding was made for text encoders of these widths.
func (e *Embedding) Fits(widths ...int) error {
	if !slices.Equal(e.Widths(), widths) {
		return fmt.Errorf("embedding %q is made for text encoders %s, this model's are %s", e.Name, e.For(), family(widths))
	}
	return nil
}

func family(widths []int) string {
	var parts []string
	for _, w := range widths {
		parts = append(parts, fmt.Sprint(w))
	}
	s := strings.Join(parts, " and ")
	if name := map[string]string{"768": "SD 1.x", "1024": "SD 2.x", "768 and 1280": "SDXL"}[s]; name != "" {
		return s + " wide (" + name + ")"
	}
	return s + " wide"
}

// names finds embeddings in token ids: by the first token of their names, the
// longest name first.
type names map[int32][]named

type named struct {
	ids       []int32
	embedding *Embedding
}

func (t *Tokenizer) names(embeddings []*Embedding) names {
	found := make(names)
	for _, e := range embeddings {
		if ids := t.Tokens(e.Name); len(ids) > 0 && e.Tokens > 0 {
			found[ids[0]] = append(found[ids[0]], named{ids, e})
		}
	}
	for _, list := range found {
		sort.SliceStable(list, func(i, j int) bool { return len(list[i].ids) > len(list[j].ids) })
	}
	return found
}

// at returns the embedding whose name the ids begin with, and its length.
func (n names) at(ids []int32) (*Embedding, int) {
	for _, c := range n[ids[0]] {
		if len(ids) >= len(c.ids) && slices.Equal(ids[:len(c.ids)], c.ids) {
			return c.embedding, len(c.ids)
		}
	}
	return nil, 0
}
