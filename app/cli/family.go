package cli

import (
	"slices"
	"strings"

	"latent/gpu/safetensors"
)

// signs tell what a file holds by what its tensors are called. The first whose
// text is part of a name decides.
var signs = []struct{ part, what string }{
	{"joint_blocks.", "Stable Diffusion 3"},
	{"double_blocks.", "Flux"},
	{"lora_down.weight", "LoRA"},
	{"lora_A.weight", "LoRA"},
	{"lora.down.weight", "LoRA"},
	{"down_blocks.0.resnets.0.time_emb_proj.weight", "U-Net of a diffusers model"},
	{"decoder.up_blocks.0.resnets.0.conv1.weight", "autoencoder of a diffusers model"},
	{"first_stage_model.decoder.conv_in.weight", "autoencoder, under its LDM names"},
	{"decoder.up.0.block.0.conv1.weight", "autoencoder, under its LDM names"},
	{"text_model.encoder.layers.0.self_attn.q_proj.weight", "CLIP text encoder"},
}

// In a single-file checkpoint these tensors tell the family.
const (
	ldmPrefix  = "model.diffusion_model."
	ldmInput   = ldmPrefix + "input_blocks.0.0.weight"                               // [width, channels, 3, 3]
	ldmContext = "transformer_blocks.0.attn2.to_k.weight"                            // [width, context]
	unetInput  = "conv_in.weight"                                                    // [width, channels, 3, 3]
	sdxlText   = "conditioner.embedders.1.model.transformer.resblocks.0.ln_1.weight" // SDXL's second text encoder
	unetSDXL   = "add_embedding.linear_1.weight"                                     // what only SDXL's U-Net has
	unetTime   = "down_blocks.0.resnets.0.time_emb_proj.weight"                      // what every U-Net has
)

// identify says what a file looks like.
func identify(f *safetensors.File) string {
	names := f.Names()
	has := func(part string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, part) })
	}
	dim := func(part string, axis int) int {
		for _, n := range names {
			if v, _ := f.Get(n); strings.HasSuffix(n, part) && len(v.Shape) > axis {
				return v.Shape[axis]
			}
		}
		return 0
	}
	if has(ldmPrefix) && !has("joint_blocks.") && !has("double_blocks.") {
		return "whole model in one file, " + family(dim(ldmContext, 1), dim(ldmInput, 1), has(sdxlText))
	}
	if meta := f.Metadata(); meta["step"] != "" && meta["recipe"] != "" {
		return "checkpoint of a training with Latent, step " + meta["step"]
	}
	for _, s := range signs {
		if has(s.part) {
			if s.part == unetTime {
				return s.what + ", " + family(dim(ldmContext, 1), dim(unetInput, 1), has(unetSDXL))
			}
			return s.what
		}
	}
	return "no model that is known here"
}

// family names a model by the width of the text that its U-Net attends to, the
// channels of its input, and whether it is told the picture's size.
func family(context, channels int, sized bool) string {
	var name string
	switch {
	case sized && context == 2048:
		name = "Stable Diffusion XL"
	case context == 768:
		name = "Stable Diffusion 1.x"
	case context == 1024:
		name = "Stable Diffusion 2.x"
	default:
		name = "latent diffusion of its own kind"
	}
	switch channels {
	case 9:
		name += ", inpainting"
	case 8:
		name += ", editing by instruction"
	}
	return name
}
