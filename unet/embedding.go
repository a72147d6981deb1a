package unet

import (
	"latent/gpu"
	"latent/gpu/nn"
)

// TimestepEmbedding is the two-layer perceptron over a position code.
type TimestepEmbedding struct {
	Linear1  *nn.Linear `key:"linear_1"`
	CondProj *nn.Linear `key:"cond_proj"` // nil without time_cond_proj_dim
	Linear2  *nn.Linear `key:"linear_2"`
}

func newTimestepEmbedding(in, temb, cond int) *TimestepEmbedding {
	e := &TimestepEmbedding{Linear1: nn.NewLinear(in, temb, true), Linear2: nn.NewLinear(temb, temb, true)}
	if cond > 0 {
		e.CondProj = nn.NewLinear(cond, in, false)
	}
	return e
}

// Forward maps x[N,in] to [N,T]; cond[N,time_cond_proj_dim] may be nil.
func (e *TimestepEmbedding) Forward(x, cond *gpu.Tensor) *gpu.Tensor {
	if cond != nil {
		check(e.CondProj != nil, "Added.TimestepCond is given, but the model has no time_cond_proj_dim")
		x = e.CondProj.ForwardAdd(cond, x)
	}
	return e.Linear2.Forward(gpu.Apply(gpu.SiLU, e.Linear1.Forward(x)))
}

// AddEmbedding is one of two layers, as addition_embed_type says: "text_time",
// SDXL's pooled text vector beside the picture's sizes (Podell et al. 2023,
// section 2.2), or "text", the text pooled by attention (Saharia et al. 2022).
type AddEmbedding struct {
	TextTime *TimestepEmbedding `key:""`
	TextPool *TextPool          `key:""`
}

// TextPool embeds the text, pooled by attention from its mean.
type TextPool struct {
	Norm1 *nn.LayerNorm     `key:"norm1"`
	Pool  *AttentionPooling `key:"pool"`
	Proj  *nn.Linear        `key:"proj"`
	Norm2 *nn.LayerNorm     `key:"norm2"`
}

func newAddEmbedding(cfg Config, temb int) *AddEmbedding {
	if cfg.AdditionEmbedType == "text_time" {
		return &AddEmbedding{TextTime: newTimestepEmbedding(cfg.ProjectionClassEmbeddingsInputDim, temb, 0)}
	}
	d := cfg.CrossAttentionDim[0]
	return &AddEmbedding{TextPool: &TextPool{
		Norm1: nn.NewLayerNorm(d, 1e-5),
		Pool: &AttentionPooling{
			PositionalEmbedding: &nn.Param{Shape: []int{1, d}, Kind: nn.Table},
			KProj:               nn.NewLinear(d, d, true),
			QProj:               nn.NewLinear(d, d, true),
			VProj:               nn.NewLinear(d, d, true),
			Heads:               cfg.AdditionEmbedTypeNumHeads,
		},
		Proj:  nn.NewLinear(d, temb, true),
		Norm2: nn.NewLayerNorm(temb, 1e-5),
	}}
}

func (e *AddEmbedding) forward(cfg Config, cond *gpu.Tensor, added *Added) *gpu.Tensor {
	if e.TextPool != nil {
		return e.TextPool.Forward(cond)
	}
	check(added.Pooled != nil, "the model wants Added.Pooled and Added.TimeIDs")
	code := added.SizeCode
	if code == nil {
		check(len(added.TimeIDs) == added.Pooled.Dim(0), "%d rows of Added.TimeIDs for %d pooled vectors", len(added.TimeIDs), added.Pooled.Dim(0))
		code = cfg.SizeCode(added.Pooled.Device(), added.Pooled.DType(), added.TimeIDs)
	}
	return e.TextTime.Forward(gpu.Concat(added.Pooled, code), nil)
}

// SizeCode is the position code [N,6·addition_time_embed_dim] of Added.TimeIDs.
func (cfg Config) SizeCode(dev *gpu.Device, dtype gpu.DType, rows [][]float32) *gpu.Tensor {
	var ids []float32
	for _, row := range rows {
		ids = append(ids, row...)
	}
	n := len(rows)
	check(n > 0 && len(ids)%n == 0, "rows of Added.TimeIDs differ in length")
	code := nn.SinusoidalEmbedding(dev, dtype, ids, cfg.AdditionTimeEmbedDim, cfg.FlipSinToCos, cfg.FreqShift)
	return gpu.Reshape(code, n, code.Len()/n)
}

// Forward maps cond[N,L,D] to [N,T].
func (e *TextPool) Forward(cond *gpu.Tensor) *gpu.Tensor {
	return e.Norm2.Forward(e.Proj.Forward(e.Pool.Forward(e.Norm1.Forward(cond))))
}

// AttentionPooling attends from the mean of a sequence to mean and sequence.
type AttentionPooling struct {
	PositionalEmbedding *nn.Param  `key:"positional_embedding"` // [1,D]
	KProj               *nn.Linear `key:"k_proj"`
	QProj               *nn.Linear `key:"q_proj"`
	VProj               *nn.Linear `key:"v_proj"`
	Heads               int
}

// Forward maps x[N,L,D] to [N,D].
func (p *AttentionPooling) Forward(x *gpu.Tensor) *gpu.Tensor {
	n, l, d := x.Dim(0), x.Dim(1), x.Dim(2)
	dev := x.Device()
	// Attention whose scores are all equal is the mean.
	mean := gpu.Attention(dev.Full(0, x.DType(), n, 1, d), x, x, 1, false)
	position := gpu.Embedding(p.PositionalEmbedding.T, dev.Full(0, gpu.Int32, n, 1))
	class := gpu.Add(mean, position)
	seq := gpu.Reshape(gpu.Concat(gpu.Reshape(class, n, d), gpu.Reshape(x, n, l*d)), n, l+1, d)
	y := gpu.Attention(p.QProj.Forward(class), p.KProj.Forward(seq), p.VProj.Forward(seq), p.Heads, false)
	return gpu.Reshape(y, n, d)
}
