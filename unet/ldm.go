package unet

import (
	"fmt"
	"strconv"
	"strings"
)

// LDMName is the name that the parameter key has in the single files of latent
// diffusion (Rombach et al. 2022), after their "model.diffusion_model.". There
// the way down, the middle and the way up are three lists, in which every layer,
// downsampler and upsampler has a number. A key with no name there stays as it is.
func (c Config) LDMName(key string) string {
	top, rest, _ := strings.Cut(key, ".")
	switch top {
	case "conv_in":
		return "input_blocks.0.0." + rest
	case "conv_norm_out":
		return "out.0." + rest
	case "conv_out":
		return "out.2." + rest
	case "time_embedding":
		return ldmPair("time_embed.", rest, key)
	case "add_embedding", "class_embedding":
		return ldmPair("label_emb.0.", rest, key)
	case "mid_block":
		kind, i, name := layer(rest)
		switch kind {
		case "resnets":
			return fmt.Sprintf("middle_block.%d.%s", 2*i, ldmResnet(name))
		case "attentions":
			return fmt.Sprintf("middle_block.%d.%s", 2*i+1, name)
		}
	case "down_blocks", "up_blocks":
		number, rest, _ := strings.Cut(rest, ".")
		block, err := strconv.Atoi(number)
		if err != nil || block < 0 || block >= len(c.BlockOutChannels) {
			return key
		}
		kind, i, name := layer(rest)
		if top == "down_blocks" {
			return c.ldmDown(block, kind, i, name, key)
		}
		return c.ldmUp(block, kind, i, name, key)
	}
	return key
}

func (c Config) ldmDown(block int, kind string, i int, name, key string) string {
	n := 1 // after conv_in
	for b := range block {
		n += c.LayersPerBlock.At(b) + 1 // its downsampler
	}
	switch kind {
	case "resnets":
		return fmt.Sprintf("input_blocks.%d.0.%s", n+i, ldmResnet(name))
	case "attentions":
		return fmt.Sprintf("input_blocks.%d.1.%s", n+i, name)
	case "downsamplers":
		return fmt.Sprintf("input_blocks.%d.0.op.%s", n+c.LayersPerBlock.At(block), strings.TrimPrefix(name, "conv."))
	}
	return key
}

func (c Config) ldmUp(block int, kind string, i int, name, key string) string {
	n, last := 0, len(c.BlockOutChannels)-1
	for b := range block {
		n += c.LayersPerBlock.At(last-b) + 1
	}
	switch kind {
	case "resnets":
		return fmt.Sprintf("output_blocks.%d.0.%s", n+i, ldmResnet(name))
	case "attentions":
		return fmt.Sprintf("output_blocks.%d.1.%s", n+i, name)
	case "upsamplers":
		at := 1 // beside the block's last layer, after its attention if it has one
		if c.UpBlockTypes[block] == crossAttnUp {
			at = 2
		}
		return fmt.Sprintf("output_blocks.%d.%d.%s", n+c.LayersPerBlock.At(last-block), at, name)
	}
	return key
}

// layer cuts "resnets.3.conv1.bias" into its kind, its number and the rest.
func layer(key string) (kind string, i int, name string) {
	kind, rest, _ := strings.Cut(key, ".")
	number, name, _ := strings.Cut(rest, ".")
	i, _ = strconv.Atoi(number)
	return kind, i, name
}

// ldmPair names the two linear layers of an embedding, with SiLU between them.
func ldmPair(prefix, rest, key string) string {
	for at, name := range map[string]string{"0.": "linear_1.", "2.": "linear_2."} {
		if end, ok := strings.CutPrefix(rest, name); ok {
			return prefix + at + end
		}
	}
	return key
}

// ldmResnet names the parts of a residual block: two sequences of norm,
// activation and convolution, one for the time, and the shortcut.
func ldmResnet(name string) string {
	part, end, _ := strings.Cut(name, ".")
	if at, ok := map[string]string{
		"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
		"norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
	}[part]; ok {
		return at + "." + end
	}
	return name
}
