package unet

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Config is the config.json of diffusers' UNet2DConditionModel.
type Config struct {
	ClassName  string `json:"_class_name"`
	SampleSize Ints   `json:"sample_size"` // height and width of the latents it was trained on

	InChannels       int      `json:"in_channels"`
	OutChannels      int      `json:"out_channels"`
	ConvInKernel     int      `json:"conv_in_kernel"`
	ConvOutKernel    int      `json:"conv_out_kernel"`
	DownBlockTypes   []string `json:"down_block_types"`
	MidBlockType     string   `json:"mid_block_type"` // "" (null): none
	UpBlockTypes     []string `json:"up_block_types"`
	BlockOutChannels []int    `json:"block_out_channels"`
	LayersPerBlock   Ints     `json:"layers_per_block"`

	NormNumGroups int     `json:"norm_num_groups"`
	NormEps       float32 `json:"norm_eps"`

	TransformerLayersPerBlock Ints `json:"transformer_layers_per_block"`
	CrossAttentionDim         Ints `json:"cross_attention_dim"`
	// AttentionHeadDim is the number of heads: a misnomer that diffusers keeps
	// for the sake of existing files. NumAttentionHeads, if given, replaces it.
	AttentionHeadDim    Ints `json:"attention_head_dim"`
	NumAttentionHeads   Ints `json:"num_attention_heads"`
	UseLinearProjection bool `json:"use_linear_projection"`
	UpcastAttention     bool `json:"upcast_attention"` // softmax always accumulates in float32 here

	FlipSinToCos     bool    `json:"flip_sin_to_cos"`
	FreqShift        float64 `json:"freq_shift"`
	TimeEmbeddingDim int     `json:"time_embedding_dim"` // 0 (null): 4·block_out_channels[0]
	TimeCondProjDim  int     `json:"time_cond_proj_dim"` // 0 (null): none

	ClassEmbedType                    string `json:"class_embed_type"`    // "" (null) or "projection"
	AdditionEmbedType                 string `json:"addition_embed_type"` // "" (null), "text" or "text_time"
	AdditionEmbedTypeNumHeads         int    `json:"addition_embed_type_num_heads"`
	AdditionTimeEmbedDim              int    `json:"addition_time_embed_dim"`
	ProjectionClassEmbeddingsInputDim int    `json:"projection_class_embeddings_input_dim"`
}

const (
	className     = "UNet2DConditionModel"
	plainDown     = "DownBlock2D"
	crossAttnDown = "CrossAttnDownBlock2D"
	plainUp       = "UpBlock2D"
	crossAttnUp   = "CrossAttnUpBlock2D"
	crossAttnMid  = "UNetMidBlock2DCrossAttn"
	plainMid      = "UNetMidBlock2D"
)

// Default holds the values that a config.json leaves out.
func Default() Config {
	return Config{
		ClassName:                 className,
		InChannels:                4,
		OutChannels:               4,
		ConvInKernel:              3,
		ConvOutKernel:             3,
		DownBlockTypes:            []string{crossAttnDown, crossAttnDown, crossAttnDown, plainDown},
		MidBlockType:              crossAttnMid,
		UpBlockTypes:              []string{plainUp, crossAttnUp, crossAttnUp, crossAttnUp},
		BlockOutChannels:          []int{320, 640, 1280, 1280},
		LayersPerBlock:            Ints{2},
		NormNumGroups:             32,
		NormEps:                   1e-5,
		TransformerLayersPerBlock: Ints{1},
		CrossAttentionDim:         Ints{1280},
		AttentionHeadDim:          Ints{8},
		FlipSinToCos:              true,
		AdditionEmbedTypeNumHeads: 64,
	}
}

// only lists options of diffusers that have one supported value; null is the
// default everywhere and passes.
var only = map[string]any{
	"act_fn":                               "silu",
	"attention_type":                       "default",
	"center_input_sample":                  false,
	"class_embeddings_concat":              false,
	"cross_attention_norm":                 nil,
	"downsample_padding":                   1.0,
	"dual_cross_attention":                 false,
	"encoder_hid_dim":                      nil,
	"encoder_hid_dim_type":                 nil,
	"mid_block_only_cross_attention":       false,
	"mid_block_scale_factor":               1.0,
	"num_class_embeds":                     nil,
	"only_cross_attention":                 false,
	"resnet_out_scale_factor":              1.0,
	"resnet_skip_time_act":                 false,
	"resnet_time_scale_shift":              "default",
	"reverse_transformer_layers_per_block": nil,
	"time_embedding_act_fn":                nil,
	"time_embedding_type":                  "positional",
	"timestep_post_act":                    nil,
}

// ParseConfig reads a config.json. Options that this package does not know are
// ignored; a value that it cannot honour is an error.
func ParseConfig(data []byte) (Config, error) {
	cfg := Default()
	if err := parse(data, &cfg, &cfg); err != nil {
		return Config{}, fmt.Errorf("U-Net config: %w", err)
	}
	return cfg, cfg.Validate()
}

// parse reads data into all, of which cfg is a part.
func parse(data []byte, all any, cfg *Config) error {
	var raw map[string]any
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for key, want := range only {
		if got := raw[key]; got != nil && got != want {
			if want == nil {
				want = "null"
			}
			return fmt.Errorf("%s = %v is not supported, only %v", key, got, want)
		}
	}
	if v, given := raw["mid_block_type"]; given && v == nil {
		cfg.MidBlockType = ""
	}
	if v, given := raw["norm_num_groups"]; given && v == nil {
		return errors.New("norm_num_groups = null is not supported")
	}
	return json.Unmarshal(data, all)
}
