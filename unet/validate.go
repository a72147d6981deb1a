package unet

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Ints is a number for every block, or one number per block.
type Ints []int

// At is the number of block i.
func (v Ints) At(i int) int {
	if len(v) == 1 {
		return v[0]
	}
	return v[i]
}

// UnmarshalJSON reads a number, a list of numbers or null.
func (v *Ints) UnmarshalJSON(data []byte) error {
	var one int
	if string(data) == "null" {
		return nil
	}
	if json.Unmarshal(data, &one) == nil {
		*v = Ints{one}
		return nil
	}
	var many []int
	if err := json.Unmarshal(data, &many); err != nil {
		return fmt.Errorf("want a whole number or a list of them, not %.40s", data)
	}
	*v = many
	return nil
}

// MarshalJSON writes one number as a number and none as null.
func (v Ints) MarshalJSON() ([]byte, error) {
	switch len(v) {
	case 0:
		return []byte("null"), nil
	case 1:
		return json.Marshal(v[0])
	}
	return json.Marshal([]int(v))
}

// MarshalJSON writes the config.json that diffusers opens: absent options are
// left out, so that they take the library's defaults.
func (c Config) MarshalJSON() ([]byte, error) {
	type plain Config
	return json.Marshal(struct {
		plain
		MidBlockType                      *string `json:"mid_block_type"`
		NumAttentionHeads                 *Ints   `json:"num_attention_heads"`
		TimeEmbeddingDim                  *int    `json:"time_embedding_dim"`
		TimeCondProjDim                   *int    `json:"time_cond_proj_dim"`
		ClassEmbedType                    *string `json:"class_embed_type"`
		AdditionEmbedType                 *string `json:"addition_embed_type"`
		AdditionTimeEmbedDim              *int    `json:"addition_time_embed_dim"`
		ProjectionClassEmbeddingsInputDim *int    `json:"projection_class_embeddings_input_dim"`
		AttentionHeadDim                  Ints    `json:"attention_head_dim"`
	}{
		plain:                             plain(c),
		MidBlockType:                      orNull(c.MidBlockType),
		TimeEmbeddingDim:                  orNull(c.TimeEmbeddingDim),
		TimeCondProjDim:                   orNull(c.TimeCondProjDim),
		ClassEmbedType:                    orNull(c.ClassEmbedType),
		AdditionEmbedType:                 orNull(c.AdditionEmbedType),
		AdditionTimeEmbedDim:              orNull(c.AdditionTimeEmbedDim),
		ProjectionClassEmbeddingsInputDim: orNull(c.ProjectionClassEmbeddingsInputDim),
		AttentionHeadDim:                  c.heads(), // diffusers refuses num_attention_heads
	})
}

func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// heads is the number of attention heads of each block.
func (c Config) heads() Ints {
	if len(c.NumAttentionHeads) > 0 {
		return c.NumAttentionHeads
	}
	return c.AttentionHeadDim
}

func (c Config) timeEmbedDim() int {
	if c.TimeEmbeddingDim > 0 {
		return c.TimeEmbeddingDim
	}
	return 4 * c.BlockOutChannels[0]
}

// Limits far above any model in use, so that a wrong file cannot ask for
// endless work.
const (
	maxBlocks            = 16
	maxLayers            = 64
	maxTransformerBlocks = 2048
	maxWidth             = 1 << 20
)

// Validate tells what in the configuration cannot be built.
func (c Config) Validate() error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("U-Net config: %w", err)
	}
	return nil
}

func (c Config) validate() error {
	if c.ClassName != className {
		return fmt.Errorf("_class_name is %q, want %q", c.ClassName, className)
	}
	n := len(c.BlockOutChannels)
	if n < 1 || n > maxBlocks || len(c.DownBlockTypes) != n || len(c.UpBlockTypes) != n {
		return fmt.Errorf("%d block_out_channels, %d down_block_types and %d up_block_types: want as many of each, 1 to %d",
			n, len(c.DownBlockTypes), len(c.UpBlockTypes), maxBlocks)
	}
	errs := []error{
		within("out_channels", maxWidth, c.OutChannels),
		perBlock("transformer_layers_per_block", n, 1, maxLayers, c.TransformerLayersPerBlock),
		oneOf("mid_block_type", c.MidBlockType, "", crossAttnMid),
		kernel("conv_out_kernel", c.ConvOutKernel),
	}
	for _, kind := range c.UpBlockTypes {
		errs = append(errs, oneOf("up_block_types", kind, plainUp, crossAttnUp))
	}
	return first(append(errs, c.validateEncoder())...)
}

// validateEncoder looks at what stands before the way up.
func (c Config) validateEncoder() error {
	n := len(c.BlockOutChannels)
	errs := []error{
		within("in_channels", maxWidth, c.InChannels),
		within("block_out_channels", maxWidth, c.BlockOutChannels...),
		within("norm_num_groups", maxWidth, c.NormNumGroups),
		perBlock("layers_per_block", n, 1, maxLayers, c.LayersPerBlock),
		perBlock("transformer_layers_per_block", n, 0, maxLayers, c.TransformerLayersPerBlock),
		perBlock("cross_attention_dim", n, 1, maxWidth, c.CrossAttentionDim),
		perBlock("attention_head_dim", n, 1, maxWidth, c.heads()),
		within("time_embedding_dim", maxWidth, max(c.TimeEmbeddingDim, 1)),
		within("time_cond_proj_dim", maxWidth, max(c.TimeCondProjDim, 1)),
		oneOf("class_embed_type", c.ClassEmbedType, "", "projection"),
		oneOf("addition_embed_type", c.AdditionEmbedType, "", "text", "text_time"),
		kernel("conv_in_kernel", c.ConvInKernel),
	}
	for _, kind := range c.DownBlockTypes {
		errs = append(errs, oneOf("down_block_types", kind, plainDown, crossAttnDown))
	}
	if c.ClassEmbedType != "" || c.AdditionEmbedType == "text_time" {
		errs = append(errs, within("projection_class_embeddings_input_dim", maxWidth, c.ProjectionClassEmbeddingsInputDim))
	}
	if c.AdditionEmbedType == "text_time" {
		errs = append(errs, within("addition_time_embed_dim", maxWidth, c.AdditionTimeEmbedDim))
	}
	if err := first(errs...); err != nil {
		return err
	}
	return c.validateTogether()
}

// first is the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func kernel(name string, size int) error {
	if size%2 != 1 || size < 1 || size > 31 {
		return fmt.Errorf("%s %d must be odd, 1 to 31", name, size)
	}
	return nil
}

func (c Config) validateTogether() error {
	for i, width := range c.BlockOutChannels {
		if width%c.NormNumGroups != 0 {
			return fmt.Errorf("block_out_channels %d does not divide into norm_num_groups %d", width, c.NormNumGroups)
		}
		if c.attends(i) && width%c.heads().At(i) != 0 {
			return fmt.Errorf("block_out_channels %d does not divide into %d attention heads", width, c.heads().At(i))
		}
	}
	transformers := 0
	for i := range c.BlockOutChannels {
		transformers += (2*c.LayersPerBlock.At(i) + 1) * c.TransformerLayersPerBlock.At(i)
	}
	if transformers > maxTransformerBlocks {
		return fmt.Errorf("layers_per_block and transformer_layers_per_block make %d transformer blocks, want at most %d", transformers, maxTransformerBlocks)
	}
	if c.AdditionEmbedType == "text" {
		if len(c.CrossAttentionDim) != 1 {
			return errors.New("addition_embed_type \"text\" wants one cross_attention_dim")
		}
		if h := c.AdditionEmbedTypeNumHeads; h < 1 || c.CrossAttentionDim[0]%h != 0 {
			return fmt.Errorf("cross_attention_dim %d does not divide into addition_embed_type_num_heads %d", c.CrossAttentionDim[0], h)
		}
	}
	return nil
}

// attends tells whether a transformer stands at level i.
func (c Config) attends(i int) bool {
	last := len(c.BlockOutChannels) - 1
	return c.DownBlockTypes[i] == crossAttnDown || len(c.UpBlockTypes) > 0 && c.UpBlockTypes[last-i] == crossAttnUp ||
		i == last && c.MidBlockType == crossAttnMid
}

func within(name string, most int, values ...int) error { return between(name, 1, most, values...) }

func between(name string, least, most int, values ...int) error {
	for _, v := range values {
		if v < least || v > most {
			return fmt.Errorf("%s is %d, want %d to %d", name, v, least, most)
		}
	}
	return nil
}

func perBlock(name string, blocks, least, most int, v Ints) error {
	if len(v) != 1 && len(v) != blocks {
		return fmt.Errorf("%s has %d values, want 1 or %d", name, len(v), blocks)
	}
	return between(name, least, most, v...)
}

func oneOf(name, got string, want ...string) error {
	if !slices.Contains(want, got) {
		return fmt.Errorf("%s = %q is not supported", name, got)
	}
	return nil
}
