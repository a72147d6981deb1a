package textencoder

import (
	"fmt"
	"math"
	"slices"

	"latent/gpu"
)

// An Encoder is a text transformer with its tokenizer, and what of it the U-Net
// was trained to read.
type Encoder struct {
	Model     *Model
	Tokenizer *Tokenizer
	Layer     int  // whose output is read, counted from the end: 1 is the last
	Norm      bool // the final layer norm follows
	Skips     bool // Options.ClipSkip chooses the layer
}

// Encoders are all text encoders of a diffusion model; their outputs stand side by
// side.
type Encoders []Encoder

// ForSD1 reads the last layer, normalised, or the one that clip skip chooses.
func ForSD1(m *Model, t *Tokenizer) Encoders { return Encoders{{m, t, 1, true, true}} }

// ForSD2 reads the last layer, normalised: files hold one layer less than OpenCLIP
// trained, so that it is the penultimate one. Clip skip does not apply.
func ForSD2(m *Model, t *Tokenizer) Encoders { return Encoders{{m, t, 1, true, false}} }

// ForSDXL reads the penultimate layers, not normalised, and the second encoder's
// pooled vector. Clip skip does not apply.
func ForSDXL(m1 *Model, t1 *Tokenizer, m2 *Model, t2 *Tokenizer) Encoders {
	return Encoders{{m1, t1, 2, false, false}, {m2, t2, 2, false, false}}
}

// Cond is what a U-Net attends to, for B prompts of k chunks of L tokens.
type Cond struct {
	Context *gpu.Tensor  // [B,k·L,D], D summed over the encoders
	Pooled  *gpu.Tensor  // [B,P] of each prompt's first chunk; nil where no encoder has a projection
	Learned []*Embedding // that the prompts name, in their order
}

// Encode turns prompts, such as the negative and the positive one, into one batch.
// All get the number of chunks of the longest, the others by chunks of an empty
// prompt. Each prompt is one that Schedule gives, without networks. What is
// returned has the models' precision.
func (e Encoders) Encode(prompts []string, opts Options) (cond Cond, err error) {
	defer gpu.Catch(&err)
	if len(e) == 0 || len(prompts) == 0 {
		return Cond{}, fmt.Errorf("prompt: nothing to encode")
	}
	chunks, k, err := e.chunks(prompts, opts)
	if err != nil {
		return Cond{}, err
	}
	var widths []int
	for _, enc := range e {
		widths = append(widths, enc.Model.Config.HiddenSize)
	}
	for _, c := range chunks[0] {
		for _, l := range c.Learned {
			if err := l.Embedding.Fits(widths...); err != nil {
				return Cond{}, err
			}
			if !slices.Contains(cond.Learned, l.Embedding) {
				cond.Learned = append(cond.Learned, l.Embedding)
			}
		}
	}
	layers := make([]int, len(e))
	for i, enc := range e {
		layers[i] = enc.Layer
		if enc.Skips {
			layers[i] = max(opts.ClipSkip, enc.Layer)
		}
		if n := enc.Model.Config.NumHiddenLayers; layers[i] > n {
			return Cond{}, fmt.Errorf("prompt: clip skip is %d, the text encoder has %d layers", layers[i], n)
		}
	}
	dev := e[0].Model.TextModel.TokenEmbedding.Weight.T.Device()
	out := dev.Scope(func() []*gpu.Tensor {
		var contexts []*gpu.Tensor
		var pooled *gpu.Tensor
		for i, enc := range e {
			z, p := enc.encode(i, chunks[i], layers[i], opts.Emphasis)
			if i > 0 {
				z = gpu.Cast(z, contexts[0].DType())
			}
			contexts = append(contexts, z)
			if enc.Model.TextProjection != nil {
				var first []*gpu.Tensor
				for b := range prompts {
					first = append(first, gpu.Rows(p, b*k, b*k+1))
				}
				pooled = gpu.Stack(first...)
			}
		}
		all := gpu.Concat(contexts...)
		all = gpu.Reshape(all, len(prompts), k*all.Dim(1), all.Dim(2))
		if pooled == nil {
			return []*gpu.Tensor{all}
		}
		return []*gpu.Tensor{all, pooled}
	})
	cond.Context = out[0]
	if len(out) > 1 {
		cond.Pooled = out[1]
	}
	return cond, nil
}

// chunks are those of each encoder, k for each prompt in turn.
func (e Encoders) chunks(prompts []string, opts Options) (all [][]Chunk, k int, err error) {
	split := make([][][]Chunk, len(e))
	for i, enc := range e {
		names := enc.Tokenizer.names(opts.Embeddings)
		for _, p := range prompts {
			c, err := enc.Tokenizer.chunks(trace(valid(p)), opts.Emphasis, names)
			if err != nil {
				return nil, 0, err
			}
			split[i] = append(split[i], c)
			k = max(k, len(c))
		}
	}
	all = make([][]Chunk, len(e))
	for i, enc := range e {
		for _, c := range split[i] {
			for len(c) < k {
				c = append(c, enc.Tokenizer.EmptyChunk())
			}
			all[i] = append(all[i], c...)
		}
	}
	return all, k, nil
}

// encode runs encoder i of a model over N chunks: z[N,L,D], weighted, and the
// pooled vectors.
func (e Encoder) encode(i int, chunks []Chunk, layer int, emphasis Emphasis) (z, pooled *gpu.Tensor) {
	table := e.Model.TextModel.TokenEmbedding.Weight.T
	ids := make([][]int32, len(chunks))
	var insertions []Insertion
	for row, c := range chunks {
		ids[row] = c.IDs
		for _, l := range c.Learned {
			v := table.Device().FromFloat32(l.Embedding.Vectors[i], table.DType(), l.Embedding.Tokens, e.Model.Config.HiddenSize)
			insertions = append(insertions, Insertion{row, l.At + 1, v}) // behind BOS
		}
	}
	out := e.Model.ForwardWith(ids, insertions)
	switch z = out.Hidden[len(out.Hidden)-layer]; {
	case e.Norm && layer == 1:
		z = out.LastHidden
	case e.Norm:
		z = e.Model.Normalize(z)
	}
	return reweight(z, chunks, emphasis), out.Pooled
}

// reweight multiplies z[N,L,D] by the weights of its tokens, and with
// EmphasisOriginal by what gives each chunk the mean it had. Chunks without
// weights stay as they are.
func reweight(z *gpu.Tensor, chunks []Chunk, emphasis Emphasis) *gpu.Tensor {
	var v []float32 // z in float32: sums of bf16 would move the mean
	size := z.Dim(1) * z.Dim(2)
	for i, c := range chunks {
		if !c.weighted() {
			continue
		}
		if v == nil {
			v = z.Float32s()
		}
		chunk := v[i*size : (i+1)*size]
		before := sum(chunk)
		for j := range chunk {
			chunk[j] *= c.Weights[j/z.Dim(2)]
		}
		if emphasis == EmphasisNoNorm {
			continue
		}
		ratio := float32(before / sum(chunk))
		if r := float64(ratio); math.IsInf(r, 0) || math.IsNaN(r) {
			continue // a mean of 0 cannot be scaled
		}
		for j := range chunk {
			chunk[j] *= ratio
		}
	}
	if v == nil {
		return z
	}
	return z.Device().FromFloat32(v, z.DType(), z.Shape()...)
}

func (c Chunk) weighted() bool {
	for _, w := range c.Weights {
		if w != 1 {
			return true
		}
	}
	return false
}

func sum(x []float32) float64 {
	s := 0.0
	for _, v := range x {
		s += float64(v)
	}
	return s
}

// Zero is cond with zeros for one prompt: SDXL was trained so for an empty negative
// prompt (force_zeros_for_empty_prompt in its model_index.json).
func (c Cond) Zero(prompt int) Cond {
	zero := func(x *gpu.Tensor) *gpu.Tensor {
		if x == nil {
			return nil
		}
		none := x.Device().Full(0, x.DType(), append([]int{1}, x.Shape()[1:]...)...)
		return stack(gpu.Rows(x, 0, prompt), none, gpu.Rows(x, prompt+1, x.Dim(0)))
	}
	return Cond{zero(c.Context), zero(c.Pooled), c.Learned}
}

// Rows are those of the prompts from up to to.
func (c Cond) Rows(from, to int) Cond {
	c.Context = gpu.Rows(c.Context, from, to)
	if c.Pooled != nil {
		c.Pooled = gpu.Rows(c.Pooled, from, to)
	}
	return c
}
