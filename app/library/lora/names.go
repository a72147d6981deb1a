package lora

import (
	"fmt"
	"strings"

	"latent/gpu/nn"
)

// aliases maps every name that files have for a layer, with underscores for
// dots, to its parameters: kind is "weight" or "bias".
type aliases map[string]map[string]nn.Named

func newAliases(part string, model any) aliases {
	a := aliases{}
	ldm := map[string]string{}
	if part == UNet {
		ldm = ldmNames(layerNames(model))
	}
	for _, p := range nn.Params(model) {
		layer, kind := cutLast(p.Key)
		names := []string{layer}
		if name := ldm[layer]; name != "" {
			names = append(names, name)
		}
		if rest, ok := strings.CutPrefix(layer, "text_model."); ok {
			names = append(names, rest) // transformers 5 has no such level
			// diffusers' former text encoder LoRAs
			for _, r := range [][2]string{{"q_proj", "to_q"}, {"k_proj", "to_k"}, {"v_proj", "to_v"}, {"out_proj", "to_out"}} {
				if before, ok := strings.CutSuffix(layer, r[0]); ok {
					names = append(names, before+r[1])
				}
			}
		}
		for _, name := range names {
			name = strings.ReplaceAll(name, ".", "_")
			if a[name] == nil {
				a[name] = map[string]nn.Named{}
			}
			a[name][kind] = p
		}
	}
	return a
}

// layerNames are the names of all layers of a model.
func layerNames(model any) map[string]bool {
	names := map[string]bool{}
	for _, p := range nn.Params(model) {
		layer, _ := cutLast(p.Key)
		names[layer] = true
	}
	return names
}

// cutLast cuts a key at its last dot.
func cutLast(key string) (layer, kind string) {
	i := strings.LastIndexByte(key, '.')
	return key[:max(i, 0)], key[i+1:]
}

// resnetNames are the layers of a residual block in the first release.
var resnetNames = [][2]string{
	{"norm1", "in_layers.0"}, {"conv1", "in_layers.2"}, {"time_emb_proj", "emb_layers.1"},
	{"norm2", "out_layers.0"}, {"conv2", "out_layers.3"}, {"conv_shortcut", "skip_connection"},
}

// ldmNames gives the U-Net's layers the names that they have in the first
// release of latent diffusion, where blocks are numbered through.
func ldmNames(layers map[string]bool) map[string]string {
	blocks := [][2]string{
		{"conv_in", "input_blocks.0.0"}, {"conv_norm_out", "out.0"}, {"conv_out", "out.2"},
		{"time_embedding.linear_1", "time_embed.0"}, {"time_embedding.linear_2", "time_embed.2"},
		{"add_embedding.linear_1", "label_emb.0.0"}, {"add_embedding.linear_2", "label_emb.0.2"},
		{"mid_block.resnets.0", "middle_block.0"}, {"mid_block.attentions.0", "middle_block.1"}, {"mid_block.resnets.1", "middle_block.2"},
	}
	has := func(format string, args ...any) bool { return layers[fmt.Sprintf(format, args...)] }
	add := func(ours, theirs string) { blocks = append(blocks, [2]string{ours, theirs}) }
	n := 1
	for i := 0; has("down_blocks.%d.resnets.0.conv1", i); i++ {
		for j := 0; has("down_blocks.%d.resnets.%d.conv1", i, j); j++ {
			add(fmt.Sprintf("down_blocks.%d.resnets.%d", i, j), fmt.Sprintf("input_blocks.%d.0", n))
			add(fmt.Sprintf("down_blocks.%d.attentions.%d", i, j), fmt.Sprintf("input_blocks.%d.1", n))
			n++
		}
		if has("down_blocks.%d.downsamplers.0.conv", i) {
			add(fmt.Sprintf("down_blocks.%d.downsamplers.0.conv", i), fmt.Sprintf("input_blocks.%d.0.op", n))
			n++
		}
	}
	n = 0
	for i := 0; has("up_blocks.%d.resnets.0.conv1", i); i++ {
		last := 1 // the place after the residual block and the attention, if there is one
		for j := 0; has("up_blocks.%d.resnets.%d.conv1", i, j); j++ {
			add(fmt.Sprintf("up_blocks.%d.resnets.%d", i, j), fmt.Sprintf("output_blocks.%d.0", n))
			if has("up_blocks.%d.attentions.%d.norm", i, j) {
				add(fmt.Sprintf("up_blocks.%d.attentions.%d", i, j), fmt.Sprintf("output_blocks.%d.1", n))
				last = 2
			}
			n++
		}
		add(fmt.Sprintf("up_blocks.%d.upsamplers.0.conv", i), fmt.Sprintf("output_blocks.%d.%d.conv", n-1, last))
	}
	out := map[string]string{}
	for layer := range layers {
		for _, b := range blocks {
			rest, ok := strings.CutPrefix(layer, b[0])
			if !ok || rest != "" && rest[0] != '.' {
				continue
			}
			for _, r := range resnetNames {
				if strings.Contains(b[0], "resnets") && rest == "."+r[0] {
					rest = "." + r[1]
					break
				}
			}
			out[layer] = b[1] + rest
			break
		}
	}
	return out
}
