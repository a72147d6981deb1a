package textencoder

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"latent/gpu"
)

// Config is the config.json of transformers' CLIPTextModel and
// CLIPTextModelWithProjection.
type Config struct {
	Architectures         []string `json:"architectures"`
	ModelType             string   `json:"model_type"`
	VocabSize             int      `json:"vocab_size"`
	HiddenSize            int      `json:"hidden_size"`
	IntermediateSize      int      `json:"intermediate_size"`
	ProjectionDim         int      `json:"projection_dim"`
	NumHiddenLayers       int      `json:"num_hidden_layers"`
	NumAttentionHeads     int      `json:"num_attention_heads"`
	MaxPositionEmbeddings int      `json:"max_position_embeddings"`
	HiddenAct             string   `json:"hidden_act"`
	LayerNormEps          float32  `json:"layer_norm_eps"`
	BOSTokenID            int32    `json:"bos_token_id"`
	EOSTokenID            int32    `json:"eos_token_id"`
	PadTokenID            int32    `json:"pad_token_id"`
}

const (
	modelType      = "clip_text_model"
	architecture   = "CLIPTextModel"
	withProjection = "CLIPTextModelWithProjection"
)

var activations = map[string]gpu.Func{
	"quick_gelu": gpu.QuickGELU,
	"gelu":       gpu.GELU,
	"silu":       gpu.SiLU,
}

// DefaultConfig holds the values that a config.json leaves out.
func DefaultConfig() Config {
	return Config{
		Architectures:         []string{architecture},
		ModelType:             modelType,
		VocabSize:             49408,
		HiddenSize:            512,
		IntermediateSize:      2048,
		ProjectionDim:         512,
		NumHiddenLayers:       12,
		NumAttentionHeads:     8,
		MaxPositionEmbeddings: 77,
		HiddenAct:             "quick_gelu",
		LayerNormEps:          1e-5,
		PadTokenID:            1,
		BOSTokenID:            49406,
		EOSTokenID:            49407,
	}
}

// ParseConfig reads a config.json. Options that this package does not know are
// ignored; a value that it cannot honour is an error.
func ParseConfig(data []byte) (Config, error) {
	cfg := DefaultConfig()
	if err := json.Unmarshal(data, &cfg); err != nil {
		return Config{}, fmt.Errorf("text encoder config: %w", err)
	}
	return cfg, cfg.Validate()
}

// WithProjection tells whether the pooled vector is projected, as in SDXL's
// second text encoder.
func (c Config) WithProjection() bool { return slices.Contains(c.Architectures, withProjection) }

// endOf is the position whose hidden state stands for the whole text: the
// first end token. Configurations written before transformers 4.31 call the
// end token 2, which it is not; for them it is the largest id.
func (c Config) endOf(ids []int32) int {
	if c.EOSTokenID == 2 {
		return slices.Index(ids, slices.Max(ids))
	}
	return max(slices.Index(ids, c.EOSTokenID), 0)
}

// Limits far above any model in use, so that a wrong file cannot ask for
// endless work.
const (
	maxLayers = 1024
	maxWidth  = 1 << 24
)

// Validate tells what in the configuration cannot be built.
func (c Config) Validate() error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("text encoder config: %w", err)
	}
	return nil
}

func (c Config) validate() error {
	if c.ModelType != modelType {
		return fmt.Errorf("model_type is %q, want %q", c.ModelType, modelType)
	}
	for _, a := range c.Architectures {
		if a != architecture && a != withProjection {
			return fmt.Errorf("architecture %q is not supported, only %s and %s", a, architecture, withProjection)
		}
	}
	for _, v := range []struct {
		name        string
		value, most int
	}{
		{"vocab_size", c.VocabSize, maxWidth},
		{"hidden_size", c.HiddenSize, maxWidth},
		{"intermediate_size", c.IntermediateSize, maxWidth},
		{"projection_dim", c.ProjectionDim, maxWidth},
		{"num_hidden_layers", c.NumHiddenLayers, maxLayers},
		{"num_attention_heads", c.NumAttentionHeads, maxWidth},
		{"max_position_embeddings", c.MaxPositionEmbeddings, maxWidth},
	} {
		if v.value < 1 || v.value > v.most {
			return fmt.Errorf("%s is %d, want 1 to %d", v.name, v.value, v.most)
		}
	}
	if c.HiddenSize%c.NumAttentionHeads != 0 {
		return fmt.Errorf("hidden_size %d does not divide into %d attention heads", c.HiddenSize, c.NumAttentionHeads)
	}
	if _, ok := activations[c.HiddenAct]; !ok {
		return fmt.Errorf("hidden_act = %q is not supported", c.HiddenAct)
	}
	return nil
}

// Rename gives a key of a file of transformers 5, which leaves the prefix out,
// the name it has in the others; use it with nn.Renamed.
func Rename(key string) string {
	for _, top := range []string{"embeddings.", "encoder.", "final_layer_norm."} {
		if strings.HasPrefix(key, top) {
			return "text_model." + key
		}
	}
	return key
}
