package unet

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ControlConfig is the config.json of diffusers' ControlNetModel.
type ControlConfig struct {
	Config
	ConditioningChannels int    `json:"conditioning_channels"`                 // of the picture
	HintChannels         []int  `json:"conditioning_embedding_out_channels"`   // one halving of the size between each two
	ChannelOrder         string `json:"controlnet_conditioning_channel_order"` // "rgb" or "bgr"
	GlobalPool           bool   `json:"global_pool_conditions"`
}

const controlClassName = "ControlNetModel"

// controlOf is the ControlNet for a U-Net, as diffusers' from_unet makes it.
func controlOf(base Config) ControlConfig {
	base.ClassName, base.ConvInKernel = controlClassName, 3
	base.UpBlockTypes = nil
	base.TimeCondProjDim = 0 // guidance is embedded in the U-Net alone
	return ControlConfig{Config: base, ConditioningChannels: 3, HintChannels: []int{16, 32, 96, 256}, ChannelOrder: "rgb"}
}

// ParseControlConfig is ParseConfig for a ControlNet.
func ParseControlConfig(data []byte) (ControlConfig, error) {
	cfg := controlOf(Default())
	if err := parse(data, &cfg, &cfg.Config); err != nil {
		return ControlConfig{}, fmt.Errorf("ControlNet config: %w", err)
	}
	cfg.UpBlockTypes = nil
	return cfg, cfg.Validate()
}

// Validate tells what in the configuration cannot be built.
func (c ControlConfig) Validate() error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("ControlNet config: %w", err)
	}
	return nil
}

func (c ControlConfig) validate() error {
	if c.ClassName != controlClassName {
		return fmt.Errorf("_class_name is %q, want %q", c.ClassName, controlClassName)
	}
	n := len(c.BlockOutChannels)
	if n < 1 || n > maxBlocks || len(c.DownBlockTypes) != n {
		return fmt.Errorf("%d block_out_channels and %d down_block_types: want as many of each, 1 to %d", n, len(c.DownBlockTypes), maxBlocks)
	}
	if k := len(c.HintChannels); k < 1 || k > maxBlocks {
		return fmt.Errorf("%d conditioning_embedding_out_channels: want 1 to %d", k, maxBlocks)
	}
	if c.GlobalPool {
		return errors.New("global_pool_conditions = true (a ControlNet for shuffled pictures) is not supported")
	}
	err := first(
		oneOf("mid_block_type", c.MidBlockType, plainMid, crossAttnMid),
		within("conditioning_embedding_out_channels", maxWidth, c.HintChannels...),
		oneOf("controlnet_conditioning_channel_order", c.ChannelOrder, "rgb", "bgr"),
		c.validateEncoder(),
	)
	if err == nil && c.ConditioningChannels != 3 {
		err = fmt.Errorf("conditioning_channels = %d is not supported, only 3", c.ConditioningChannels)
	}
	return err
}

// Factor is how many pixels of the picture on a side become one latent.
func (c ControlConfig) Factor() int { return 1 << (len(c.HintChannels) - 1) }

// ControlConfigOf describes a ControlNet that comes without a config.json and was
// made for a U-Net of the configuration base. It goes by which tensors there are:
// shape gives the shape of one by its diffusers name, nil if it is missing.
func ControlConfigOf(base Config, shape func(key string) []int) (ControlConfig, error) {
	c := controlOf(base)
	has := func(key string) bool { return shape(key) != nil }
	dim := func(key string, axis int) int {
		if s := shape(key); len(s) > axis {
			return s[axis]
		}
		return 0
	}
	c.InChannels = dim("conv_in.weight", 1)
	if !has("add_embedding.linear_1.weight") && c.AdditionEmbedType == "text_time" {
		c.AdditionEmbedType = ""
	}
	if !has("class_embedding.linear_1.weight") {
		c.ClassEmbedType = ""
	}

	const hint = "controlnet_cond_embedding."
	c.HintChannels = []int{dim(hint+"conv_in.weight", 0)}
	for i := 1; i < 2*maxBlocks && has(fmt.Sprint(hint, "blocks.", i, ".weight")); i += 2 {
		c.HintChannels = append(c.HintChannels, dim(fmt.Sprint(hint, "blocks.", i, ".weight"), 0))
	}

	// XL has ControlNets with fewer transformers than its U-Net, or none.
	depth := func(attention string) (n int) {
		for n < maxLayers && has(fmt.Sprint(attention, ".transformer_blocks.", n, ".norm1.weight")) {
			n++
		}
		return n
	}
	last := len(c.BlockOutChannels) - 1
	c.DownBlockTypes, c.TransformerLayersPerBlock = make([]string, last+1), make(Ints, last+1)
	for i := range c.DownBlockTypes {
		c.DownBlockTypes[i] = plainDown
		if at := fmt.Sprintf("down_blocks.%d.attentions.0", i); has(at + ".norm.weight") {
			c.DownBlockTypes[i], c.TransformerLayersPerBlock[i] = crossAttnDown, depth(at)
		}
	}
	c.MidBlockType = plainMid
	if at := "mid_block.attentions.0"; has(at + ".norm.weight") {
		c.MidBlockType = crossAttnMid
		c.TransformerLayersPerBlock[last] = max(c.TransformerLayersPerBlock[last], depth(at))
	}
	return c, c.Validate()
}

// LDMName is the name that the parameter key has in the files of Zhang et al.,
// after their "control_model.": those of a U-Net, and lists of the hint's layers,
// activations counted, and of the zero convolutions.
func (c ControlConfig) LDMName(key string) string {
	top, rest, _ := strings.Cut(key, ".")
	switch top {
	case "controlnet_cond_embedding":
		part, end, _ := strings.Cut(rest, ".")
		switch part {
		case "conv_in":
			return "input_hint_block.0." + end
		case "conv_out":
			return fmt.Sprintf("input_hint_block.%d.%s", 4*len(c.HintChannels)-2, end)
		case "blocks":
			number, end, _ := strings.Cut(end, ".")
			if i, err := strconv.Atoi(number); err == nil {
				return fmt.Sprintf("input_hint_block.%d.%s", 2*i+2, end)
			}
		}
		return key
	case "controlnet_down_blocks":
		number, end, _ := strings.Cut(rest, ".")
		return "zero_convs." + number + ".0." + end
	case "controlnet_mid_block":
		return "middle_block_out.0." + rest
	}
	return c.Config.LDMName(key)
}
