package textencoder

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/safetensors"
	"latent/gpu/torchfile"
)

type view = safetensors.View

func floatView(shape []int, values ...float32) view {
	var data []byte
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return view{DType: safetensors.F32, Shape: shape, Data: data}
}

type viewMap map[string]view

func (m viewMap) Names() []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (m viewMap) Get(name string) (view, bool) { v, ok := m[name]; return v, ok }

func TestReadEmbedding(t *testing.T) {
	half := view{DType: safetensors.F16, Shape: []int{2, 1}, Data: []byte{0, 0x3c, 0, 0xc0}}
	for _, c := range []struct {
		name   string
		src    viewMap
		tokens int
		want   [][]float32
	}{
		{"emb_params", viewMap{"emb_params": floatView([]int{2, 3}, 1, 2, 3, 4, 5, 6)}, 2, [][]float32{{1, 2, 3, 4, 5, 6}}},
		{"diffusers", viewMap{"<cat-toy>": floatView([]int{3}, 1, 2, 3)}, 1, [][]float32{{1, 2, 3}}},
		{"f16", viewMap{"*": half}, 2, [][]float32{{1, -2}}},
		{"SDXL", viewMap{"clip_g": floatView([]int{2, 2}, 1, 2, 3, 4), "clip_l": floatView([]int{2, 1}, 5, 6)}, 2, [][]float32{{5, 6}, {1, 2, 3, 4}}},
		{"SDXL and more", viewMap{"clip_g": floatView([]int{2}, 1, 2), "clip_l": floatView([]int{1}, 5), "x": half}, 1, [][]float32{{5}, {1, 2}}},
	} {
		e, err := ReadEmbedding("x", c.src)
		if err != nil || e.Name != "x" || e.Tokens != c.tokens || !slices.EqualFunc(e.Vectors, c.want, slices.Equal) {
			t.Errorf("%s: %+v %v", c.name, e, err)
		}
	}
	for _, c := range []struct {
		src  viewMap
		want string
	}{
		{viewMap{}, `embedding "x": the file holds 0 tensors, want one vector table, or clip_l and clip_g`},
		{viewMap{"a": half, "b": half}, `embedding "x": the file holds 2 tensors, want one vector table, or clip_l and clip_g`},
		{viewMap{"a": floatView([]int{1, 1, 1}, 1)}, `embedding "x": tensor "a" has the shape [1 1 1], want [vectors, width]`},
		{viewMap{"a": floatView([]int{0, 4})}, `embedding "x": tensor "a" has the shape [0 4], want [vectors, width]`},
		{viewMap{"a": floatView([]int{2, 2}, 1, 2)}, `embedding "x": tensor "a" has 2 numbers, not the [2 2] of its shape`},
		{viewMap{"a": floatView([]int{1}, float32(math.NaN()))}, `embedding "x": tensor "a" holds numbers that are not finite`},
		{viewMap{"a": floatView([]int{1}, float32(math.Inf(-1)))}, `embedding "x": tensor "a" holds numbers that are not finite`},
		{viewMap{"a": {DType: safetensors.I64, Shape: []int{1}, Data: make([]byte, 8)}}, `embedding "x": tensor "a": "I64" is not a floating-point format that weights come in (F16, BF16, F32, F64, F8)`},
		{viewMap{"clip_l": floatView([]int{2, 1}, 1, 2), "clip_g": floatView([]int{1, 2}, 1, 2)}, `embedding "x": clip_l has 2 vectors and clip_g 1`},
	} {
		if _, err := ReadEmbedding("x", c.src); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestEmbeddingFits(t *testing.T) {
	of := func(widths ...int) *Embedding {
		e := &Embedding{Name: "x", Tokens: 2}
		for _, w := range widths {
			e.Vectors = append(e.Vectors, make([]float32, 2*w))
		}
		return e
	}
	for _, c := range []struct {
		of, in []int
		want   string
	}{
		{[]int{768}, []int{768}, ""},
		{[]int{768, 1280}, []int{768, 1280}, ""},
		{[]int{768}, []int{1024}, `embedding "x" is made for text encoders 768 wide (SD 1.x), this model's are 1024 wide (SD 2.x)`},
		{[]int{768, 1280}, []int{768}, `embedding "x" is made for text encoders 768 and 1280 wide (SDXL), this model's are 768 wide (SD 1.x)`},
	} {
		if err := of(c.of...).Fits(c.in...); err == nil && c.want != "" || err != nil && err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// Files from anywhere are read or refused; what is read is whole and finite.
func FuzzEmbedding(f *testing.F) {
	for _, src := range []viewMap{
		{"emb_params": floatView([]int{2, 3}, 1, 2, 3, 4, 5, 6)},
		{"clip_g": floatView([]int{1, 2}, 1, 2), "clip_l": floatView([]int{1}, 5)},
	} {
		var entries []safetensors.Entry
		for name, v := range src {
			entries = append(entries, safetensors.Entry{Name: name, DType: v.DType, Shape: v.Shape, Data: v.Data})
		}
		var file bytes.Buffer
		if err := safetensors.WriteTo(&file, entries, nil); err != nil {
			f.Fatal(err)
		}
		f.Add(file.Bytes())
	}
	for _, name := range []string{"torchfile/testdata/embedding.pt", "torchfile/testdata/eight.pt", "half/testdata/float8.safetensors"} {
		f.Add(golden.Read(f, "../gpu", name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var file nn.Source
		var err error
		if torchfile.Is(data) {
			file, err = torchfile.Parse(data)
		} else {
			file, err = safetensors.Parse(data)
		}
		if err != nil {
			return
		}
		e, err := ReadEmbedding("x", file)
		if err != nil {
			return
		}
		for i, v := range e.Vectors {
			if e.Tokens < 1 || len(v) != e.Tokens*e.Widths()[i] {
				t.Fatalf("%d tokens, %d numbers", e.Tokens, len(v))
			}
			for _, x := range v {
				if x-x != 0 {
					t.Fatal(x)
				}
			}
		}
	})
}
