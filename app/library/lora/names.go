package lora

import (
	"strings"

	"latent/gpu/nn"
	"latent/unet"
)

// aliases maps every name that files have for a layer, with underscores for
// dots, to its parameters: kind is "weight" or "bias".
type aliases map[string]map[string]nn.Named

func newAliases(model any) aliases {
	a := aliases{}
	for _, p := range nn.Params(model) {
		layer, kind := cutLast(p.Key)
		names := []string{layer, firstName(model, layer)}
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

// firstName is the name that a layer of a U-Net has in the first release of latent
// diffusion, where blocks are numbered through; other models' stay as they are.
func firstName(model any, layer string) string {
	u, ok := model.(*unet.Model)
	if !ok {
		return layer
	}
	name, _ := cutLast(u.Config.LDMName(layer + ".weight"))
	return name
}

// cutLast cuts a key at its last dot.
func cutLast(key string) (layer, kind string) {
	i := strings.LastIndexByte(key, '.')
	return key[:max(i, 0)], key[i+1:]
}
