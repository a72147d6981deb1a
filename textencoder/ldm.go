package textencoder

import (
	"strings"

	"latent/gpu/nn"
)

// OpenCLIPPlace says where a file with OpenCLIP's names, after their prefix,
// holds the parameter key: Stable Diffusion 2.x and the second text encoder of
// XL in their single files. There q, k and v are one matrix, and the projection
// is multiplied from the other side.
func OpenCLIPPlace(key string) nn.Place {
	key = strings.TrimPrefix(key, "text_model.")
	switch key {
	case "embeddings.token_embedding.weight":
		return nn.Place{Name: "token_embedding.weight"}
	case "embeddings.position_embedding.weight":
		return nn.Place{Name: "positional_embedding"}
	case "text_projection.weight":
		return nn.Place{Name: "text_projection", Transpose: true}
	}
	if end, ok := strings.CutPrefix(key, "final_layer_norm."); ok {
		return nn.Place{Name: "ln_final." + end}
	}
	rest, ok := strings.CutPrefix(key, "encoder.layers.")
	if !ok {
		return nn.Place{Name: key}
	}
	number, name, _ := strings.Cut(rest, ".")
	block := "transformer.resblocks." + number + "."
	for part, proj := range []string{"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."} {
		if end, ok := strings.CutPrefix(name, proj); ok {
			return nn.Place{Name: block + "attn.in_proj_" + end, Part: part, Of: 3}
		}
	}
	for _, r := range [][2]string{
		{"layer_norm1.", "ln_1."}, {"layer_norm2.", "ln_2."}, {"self_attn.out_proj.", "attn.out_proj."},
		{"mlp.fc1.", "mlp.c_fc."}, {"mlp.fc2.", "mlp.c_proj."},
	} {
		if end, ok := strings.CutPrefix(name, r[0]); ok {
			return nn.Place{Name: block + r[1] + end}
		}
	}
	return nn.Place{Name: block + name}
}
