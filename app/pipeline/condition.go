package pipeline

import (
	"errors"

	"latent/gpu"
	"latent/textencoder"
)

// condition is what the prompts become: one row, or with guidance two, of which
// the first is the negative prompt.
type condition struct {
	text   *gpu.Tensor // [n,L,D]
	pooled *gpu.Tensor // [n,P], of SDXL; nil
}

// encode turns the prompts into what the U-Net attends to.
func (g *generation) encode() (c condition, err error) {
	prompts := []string{g.req.Prompt}
	if g.guided() {
		prompts = []string{g.req.Negative, g.req.Prompt}
	}
	out := g.Device.Scope(func() []*gpu.Tensor {
		ids := func(t *textencoder.Tokenizer) (rows [][]int32) {
			for _, p := range prompts {
				rows = append(rows, t.Encode(p))
			}
			return rows
		}
		first := g.Text.Forward(ids(g.Tokenizer))
		if g.Text2 == nil {
			return []*gpu.Tensor{first.LastHidden}
		}
		second := g.Text2.Forward(ids(g.Tokenizer2))
		penultimate := func(o textencoder.Output) *gpu.Tensor { return o.Hidden[len(o.Hidden)-2] }
		text, pooled := gpu.Concat(penultimate(first), penultimate(second)), second.Pooled
		if g.ZeroNegative && g.guided() && g.req.Negative == "" {
			text, pooled = zeroFirst(text), zeroFirst(pooled)
		}
		return []*gpu.Tensor{text, pooled}
	})
	c.text = out[0]
	if len(out) > 1 {
		c.pooled = out[1]
	}
	if !c.text.Finite() {
		return c, errors.New("the text encoder gave numbers that are not finite: try --precision f32")
	}
	return c, nil
}

// zeroFirst is x[2,…] with zeros for x[0].
func zeroFirst(x *gpu.Tensor) *gpu.Tensor {
	row := gpu.Rows(x, 1, 2)
	return gpu.Stack(x.Device().Full(0, x.DType(), row.Shape()...), row)
}
