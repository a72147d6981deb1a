package vae

import (
	"fmt"
	"strconv"
	"strings"
)

// LDMName is the name that the parameter key has in the files of latent
// diffusion (Rombach et al. 2022), in whole models after "first_stage_model.".
// Their decoder counts its levels from the picture's side. A key with no name
// there stays as it is.
func (c Config) LDMName(key string) string {
	half, rest, _ := strings.Cut(key, ".")
	if half != "encoder" && half != "decoder" {
		return key // quant_conv and post_quant_conv
	}
	top, rest, _ := strings.Cut(rest, ".")
	switch top {
	case "conv_norm_out":
		return half + ".norm_out." + rest
	case "mid_block":
		kind, number, name := splitKey(rest)
		switch kind {
		case "resnets":
			return fmt.Sprintf("%s.mid.block_%d.%s", half, number+1, ldmResnet(name))
		case "attentions":
			return fmt.Sprintf("%s.mid.attn_%d.%s", half, number+1, ldmAttention(name))
		}
	case "down_blocks", "up_blocks":
		number, rest, _ := strings.Cut(rest, ".")
		level, err := strconv.Atoi(number)
		if err != nil {
			return key
		}
		side := "down"
		if top == "up_blocks" {
			side, level = "up", len(c.BlockOutChannels)-1-level
		}
		kind, i, name := splitKey(rest)
		switch kind {
		case "resnets":
			return fmt.Sprintf("%s.%s.%d.block.%d.%s", half, side, level, i, ldmResnet(name))
		case "downsamplers", "upsamplers": // one each
			return fmt.Sprintf("%s.%s.%d.%s.%s", half, side, level, strings.TrimSuffix(kind, "rs"), name)
		}
	}
	return key
}

// splitKey takes "resnets.3.conv1.bias" apart: kind, number and the rest.
func splitKey(key string) (kind string, i int, name string) {
	kind, rest, _ := strings.Cut(key, ".")
	number, name, _ := strings.Cut(rest, ".")
	i, _ = strconv.Atoi(number)
	return kind, i, name
}

func ldmResnet(name string) string {
	if end, ok := strings.CutPrefix(name, "conv_shortcut."); ok {
		return "nin_shortcut." + end
	}
	return name
}

// ldmAttention names the projections, which are 1×1 convolutions there.
func ldmAttention(name string) string {
	for _, r := range [][2]string{
		{"group_norm.", "norm."}, {"to_q.", "q."}, {"to_k.", "k."}, {"to_v.", "v."}, {"to_out.0.", "proj_out."},
	} {
		if end, ok := strings.CutPrefix(name, r[0]); ok {
			return r[1] + end
		}
	}
	return name
}
