// Package textencoder turns a prompt into what the U-Net attends to: a byte-pair
// tokenizer makes token ids of it, and CLIP's text transformer makes a vector of
// each (Radford et al. 2021). Both are built from the files of a model folder.
//
// A prompt is read as AUTOMATIC1111's web UI reads it. ExtractNetworks takes
// <lora:name:0.8> out of it, Compose splits it at AND, Schedule resolves [from:to:when] and [one|other] into
// a prompt for each step, and Encoders.Encode weighs (more) and [less], cuts long
// prompts into chunks and puts learned embeddings in.
package textencoder

import (
	"fmt"
	"slices"

	"latent/gpu"
	"latent/gpu/nn"
)

// Model is the text transformer of CLIP (Radford et al. 2021), with the
// projection of its pooled vector where the configuration has one. It bears
// the parameter names of transformers' CLIPTextModel.
type Model struct {
	Config Config

	TextModel      *TextTransformer `key:"text_model"`
	TextProjection *nn.Linear       `key:"text_projection"` // nil without projection
}

// TextTransformer embeds tokens and lets each look at those before it.
type TextTransformer struct {
	TokenEmbedding    *nn.Embedding   `key:"embeddings.token_embedding"`
	PositionEmbedding *nn.Embedding   `key:"embeddings.position_embedding"`
	Layers            []*EncoderLayer `key:"encoder.layers"`
	FinalLayerNorm    *nn.LayerNorm   `key:"final_layer_norm"`
}

// EncoderLayer is self-attention and a feed-forward layer, each on the
// normalised tokens and added to them.
type EncoderLayer struct {
	LayerNorm1 *nn.LayerNorm `key:"layer_norm1"`
	QProj      *nn.Linear    `key:"self_attn.q_proj"`
	KProj      *nn.Linear    `key:"self_attn.k_proj"`
	VProj      *nn.Linear    `key:"self_attn.v_proj"`
	OutProj    *nn.Linear    `key:"self_attn.out_proj"`
	LayerNorm2 *nn.LayerNorm `key:"layer_norm2"`
	FC1        *nn.Linear    `key:"mlp.fc1"`
	FC2        *nn.Linear    `key:"mlp.fc2"`
}

// Output is what the transformer makes of [N,L] ids, D wide.
type Output struct {
	LastHidden *gpu.Tensor // [N,L,D], after the final layer norm
	// Pooled is the last hidden state at the end of the text, [N,D], or its
	// projection [N,P].
	Pooled *gpu.Tensor
	// Hidden holds the embeddings and the output of every layer, before the
	// final layer norm: Hidden[len−2] is the penultimate.
	Hidden []*gpu.Tensor
}

// New builds the model of a configuration; its parameters have no values yet.
func New(cfg Config) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d, ff, eps := cfg.HiddenSize, cfg.IntermediateSize, cfg.LayerNormEps
	t := &TextTransformer{
		TokenEmbedding:    nn.NewEmbedding(cfg.VocabSize, d),
		PositionEmbedding: nn.NewEmbedding(cfg.MaxPositionEmbeddings, d),
		FinalLayerNorm:    nn.NewLayerNorm(d, eps),
	}
	for range cfg.NumHiddenLayers {
		t.Layers = append(t.Layers, &EncoderLayer{
			LayerNorm1: nn.NewLayerNorm(d, eps),
			QProj:      nn.NewLinear(d, d, true),
			KProj:      nn.NewLinear(d, d, true),
			VProj:      nn.NewLinear(d, d, true),
			OutProj:    nn.NewLinear(d, d, true),
			LayerNorm2: nn.NewLayerNorm(d, eps),
			FC1:        nn.NewLinear(d, ff, true),
			FC2:        nn.NewLinear(ff, d, true),
		})
	}
	m := &Model{Config: cfg, TextModel: t}
	if cfg.WithProjection() {
		m.TextProjection = nn.NewLinear(d, cfg.ProjectionDim, false)
	}
	return m, nil
}

// Encode is Forward with an error in place of a panic.
func (m *Model) Encode(ids [][]int32) (out Output, err error) {
	defer gpu.Catch(&err)
	return m.Forward(ids), nil
}

// Forward encodes rows of token ids of one length, at most
// Config.MaxPositionEmbeddings.
func (m *Model) Forward(ids [][]int32) Output { return m.ForwardWith(ids, nil) }

// Insertion puts Vectors[n,D] in place of the embeddings of the n tokens from At
// on of a row of ids. Insertions are in order and apart from one another.
type Insertion struct {
	Row, At int
	Vectors *gpu.Tensor
}

// ForwardWith is Forward with some token embeddings replaced.
func (m *Model) ForwardWith(ids [][]int32, insertions []Insertion) Output {
	flat := m.flatten(ids)
	n, l := len(ids), len(ids[0])
	t := m.TextModel
	dev := t.TokenEmbedding.Weight.T.Device()

	out := dev.Scope(func() []*gpu.Tensor {
		positions := make([]int32, 0, n*l)
		for range n {
			for i := range l {
				positions = append(positions, int32(i))
			}
		}
		x := gpu.Add(
			insert(t.TokenEmbedding.Forward(dev.FromInt32(flat, n, l)), insertions),
			t.PositionEmbedding.Forward(dev.FromInt32(positions, n, l)))
		hidden := []*gpu.Tensor{x}
		for _, layer := range t.Layers {
			x = dev.Scope1(func() *gpu.Tensor { return layer.forward(x, m.Config) })
			hidden = append(hidden, x)
		}
		last := m.Normalize(x)
		return append(hidden, last, m.pool(last, ids))
	})
	h := len(out) - 2
	return Output{LastHidden: out[h], Pooled: out[h+1], Hidden: out[:h]}
}

// insert replaces rows of x[N,L,D].
func insert(x *gpu.Tensor, insertions []Insertion) *gpu.Tensor {
	if len(insertions) == 0 {
		return x
	}
	n, l, d := x.Dim(0), x.Dim(1), x.Dim(2)
	x = gpu.Reshape(x, n*l, d)
	var rows []*gpu.Tensor
	next := 0 // row of x
	for _, in := range insertions {
		v := in.Vectors
		check(v.Rank() == 2 && v.Dim(1) == d, "vectors %v in place of tokens %d wide", v, d)
		at := in.Row*l + in.At
		check(in.At >= 0 && in.At+v.Dim(0) <= l && at >= next && in.Row < n, "%d vectors at %d of row %d do not fit", v.Dim(0), in.At, in.Row)
		rows = append(rows, gpu.Rows(x, next, at), v)
		next = at + v.Dim(0)
	}
	return gpu.Reshape(stack(append(rows, gpu.Rows(x, next, n*l))...), n, l, d)
}

// stack is gpu.Stack without the tensors that have no rows.
func stack(xs ...*gpu.Tensor) *gpu.Tensor {
	return gpu.Stack(slices.DeleteFunc(xs, func(x *gpu.Tensor) bool { return x.Dim(0) == 0 })...)
}

// Normalize applies the final layer norm to a hidden state [N,L,D]: "clip
// skip" gives the U-Net an earlier one that is normalised so.
func (m *Model) Normalize(hidden *gpu.Tensor) *gpu.Tensor {
	return m.TextModel.FinalLayerNorm.Forward(hidden)
}

func (e *EncoderLayer) forward(x *gpu.Tensor, cfg Config) *gpu.Tensor {
	h := e.LayerNorm1.Forward(x)
	h = gpu.Attention(e.QProj.Forward(h), e.KProj.Forward(h), e.VProj.Forward(h), cfg.NumAttentionHeads, true)
	x = e.OutProj.ForwardAdd(h, x)
	h = gpu.Apply(activations[cfg.HiddenAct], e.FC1.Forward(e.LayerNorm2.Forward(x)))
	return e.FC2.ForwardAdd(h, x)
}

// pool takes the hidden state at each text's end from last[N,L,D].
func (m *Model) pool(last *gpu.Tensor, ids [][]int32) *gpu.Tensor {
	n, l, d := last.Dim(0), last.Dim(1), last.Dim(2)
	at := make([]int32, n)
	for i, row := range ids {
		at[i] = int32(i*l + m.Config.endOf(row))
	}
	pooled := gpu.Embedding(gpu.Reshape(last, n*l, d), last.Device().FromInt32(at, n))
	if m.TextProjection != nil {
		pooled = m.TextProjection.Forward(pooled)
	}
	return pooled
}

// flatten checks the ids and puts the rows one after the other.
func (m *Model) flatten(ids [][]int32) []int32 {
	check(len(ids) > 0 && len(ids[0]) > 0, "no tokens")
	l := len(ids[0])
	check(l <= m.Config.MaxPositionEmbeddings, "%d tokens, the model reads at most %d", l, m.Config.MaxPositionEmbeddings)
	var flat []int32
	for _, row := range ids {
		check(len(row) == l, "rows of %d and %d tokens in one batch", l, len(row))
		for _, id := range row {
			check(id >= 0 && int(id) < m.Config.VocabSize, "token %d is not among the model's %d: tokenizer and text encoder do not belong together", id, m.Config.VocabSize)
		}
		flat = append(flat, row...)
	}
	return flat
}

func check(ok bool, format string, args ...any) {
	if !ok {
		panic(&gpu.Error{Op: "text encoder", Err: fmt.Errorf(format, args...)})
	}
}
