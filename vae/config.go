package vae

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Config is the config.json of diffusers' AutoencoderKL.
type Config struct {
	ClassName            string          `json:"_class_name"`
	SampleSize           json.RawMessage `json:"sample_size,omitempty"` // of training; kept, not used
	InChannels           int             `json:"in_channels"`
	OutChannels          int             `json:"out_channels"`
	DownBlockTypes       []string        `json:"down_block_types"`
	UpBlockTypes         []string        `json:"up_block_types"`
	BlockOutChannels     []int           `json:"block_out_channels"`
	LayersPerBlock       int             `json:"layers_per_block"`
	LatentChannels       int             `json:"latent_channels"`
	NormNumGroups        int             `json:"norm_num_groups"`
	ScalingFactor        float32         `json:"scaling_factor"` // z = scale·(latent − shift)
	ShiftFactor          float32         `json:"shift_factor"`   // 0 (null): none
	ForceUpcast          bool            `json:"force_upcast"`   // overflows in f16
	UseQuantConv         bool            `json:"use_quant_conv"`
	UsePostQuantConv     bool            `json:"use_post_quant_conv"`
	MidBlockAddAttention bool            `json:"mid_block_add_attention"`
}

const (
	className = "AutoencoderKL"
	downBlock = "DownEncoderBlock2D"
	upBlock   = "UpDecoderBlock2D"
)

// Default holds the values that a config.json leaves out.
func Default() Config {
	return Config{
		ClassName:            className,
		InChannels:           3,
		OutChannels:          3,
		DownBlockTypes:       []string{downBlock},
		UpBlockTypes:         []string{upBlock},
		BlockOutChannels:     []int{64},
		LayersPerBlock:       1,
		LatentChannels:       4,
		NormNumGroups:        32,
		ScalingFactor:        0.18215,
		ForceUpcast:          true,
		UseQuantConv:         true,
		UsePostQuantConv:     true,
		MidBlockAddAttention: true,
	}
}

// ParseConfig reads a config.json. Options that this package does not know are
// ignored; a value that it cannot honour is an error.
func ParseConfig(data []byte) (Config, error) {
	cfg := Default()
	if err := json.Unmarshal(data, &cfg); err != nil {
		return Config{}, fmt.Errorf("autoencoder config: %w", err)
	}
	var more struct {
		ActFn       string    `json:"act_fn"`
		LatentsMean []float64 `json:"latents_mean"`
		LatentsStd  []float64 `json:"latents_std"`
	}
	if err := json.Unmarshal(data, &more); err != nil {
		return Config{}, fmt.Errorf("autoencoder config: %w", err)
	}
	if more.ActFn != "" && more.ActFn != "silu" {
		return Config{}, fmt.Errorf("autoencoder config: act_fn = %q is not supported, only silu", more.ActFn)
	}
	if more.LatentsMean != nil || more.LatentsStd != nil {
		return Config{}, fmt.Errorf("autoencoder config: latents_mean and latents_std are not supported")
	}
	return cfg, cfg.Validate()
}

// MarshalJSON writes the config.json that diffusers opens.
func (c Config) MarshalJSON() ([]byte, error) {
	type plain Config
	var shift *float32
	if c.ShiftFactor != 0 {
		shift = &c.ShiftFactor
	}
	return json.Marshal(struct {
		plain
		ActFn       string   `json:"act_fn"`
		ShiftFactor *float32 `json:"shift_factor"`
	}{plain(c), "silu", shift})
}

// Factor is how many times smaller than the picture the latent is: 8 in Stable
// Diffusion.
func (c Config) Factor() int { return 1 << (len(c.BlockOutChannels) - 1) }

// Limits far above any model in use, so that a wrong file cannot ask for
// endless work.
const (
	maxBlocks = 16
	maxLayers = 256
	maxWidth  = 1 << 20
)

// Validate tells what in the configuration cannot be built.
func (c Config) Validate() error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("autoencoder config: %w", err)
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
	for i := range n {
		if kind := c.DownBlockTypes[i]; kind != downBlock {
			return fmt.Errorf("down_block_types = %q is not supported, only %s", kind, downBlock)
		}
		if kind := c.UpBlockTypes[i]; kind != upBlock {
			return fmt.Errorf("up_block_types = %q is not supported, only %s", kind, upBlock)
		}
	}
	for _, v := range []struct {
		name        string
		value, most int
	}{
		{"in_channels", c.InChannels, maxWidth},
		{"out_channels", c.OutChannels, maxWidth},
		{"latent_channels", c.LatentChannels, maxWidth},
		{"norm_num_groups", c.NormNumGroups, maxWidth},
		{"layers_per_block", c.LayersPerBlock, maxLayers},
		{"block_out_channels", slices.Min(c.BlockOutChannels), maxWidth},
		{"block_out_channels", slices.Max(c.BlockOutChannels), maxWidth},
	} {
		if v.value < 1 || v.value > v.most {
			return fmt.Errorf("%s is %d, want 1 to %d", v.name, v.value, v.most)
		}
	}
	for _, width := range c.BlockOutChannels {
		if width%c.NormNumGroups != 0 {
			return fmt.Errorf("block_out_channels %d does not divide into norm_num_groups %d", width, c.NormNumGroups)
		}
	}
	if c.ScalingFactor == 0 {
		return fmt.Errorf("scaling_factor is 0")
	}
	return nil
}
