"""The names that the original modules of latent diffusion and OpenCLIP give to
the tensors of diffusers and transformers: state dictionaries under the old names.
"""
import torch


def ldm_resnet(key):
    for a, b in (("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"),
                 ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection")):
        key = key.replace(a + ".", b + ".")
    return key


def ldm_unet(state, config):
    """The lists input_blocks, middle_block and output_blocks of openaimodel.UNetModel,
    in the order in which its constructor appends to them."""
    out = {}

    def move(old, new, change=lambda k: k):
        keys = [k for k in state if k.startswith(old + ".")]
        for k in keys:
            out["model.diffusion_model." + new + change(k[len(old):])] = state.pop(k)
        return bool(keys)

    move("time_embedding.linear_1", "time_embed.0")
    move("time_embedding.linear_2", "time_embed.2")
    move("add_embedding.linear_1", "label_emb.0.0")
    move("add_embedding.linear_2", "label_emb.0.2")
    move("conv_in", "input_blocks.0.0")
    n, levels, layers = 1, len(config.block_out_channels), config.layers_per_block
    for level in range(levels):
        for i in range(layers):
            assert move(f"down_blocks.{level}.resnets.{i}", f"input_blocks.{n}.0", ldm_resnet)
            move(f"down_blocks.{level}.attentions.{i}", f"input_blocks.{n}.1")
            n += 1
        if level != levels - 1:
            assert move(f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{n}.0.op")
            n += 1
    move("mid_block.resnets.0", "middle_block.0", ldm_resnet)
    move("mid_block.attentions.0", "middle_block.1")
    move("mid_block.resnets.1", "middle_block.2", ldm_resnet)
    n = 0
    for level in range(levels):
        for i in range(layers + 1):
            assert move(f"up_blocks.{level}.resnets.{i}", f"output_blocks.{n}.0", ldm_resnet)
            at = 1 + move(f"up_blocks.{level}.attentions.{i}", f"output_blocks.{n}.1")
            if level != levels - 1 and i == layers:
                assert move(f"up_blocks.{level}.upsamplers.0.conv", f"output_blocks.{n}.{at}.conv")
            n += 1
    move("conv_norm_out", "out.0")
    move("conv_out", "out.2")
    assert not state, state.keys()
    return out


def ldm_vae(state, levels):
    """autoencoder.AutoencoderKL: down and up are both counted from the picture."""
    out = {}
    for key, value in state.items():
        new = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        for level in range(levels):
            new = new.replace(f"down_blocks.{level}.resnets", f"down.{level}.block")
            new = new.replace(f"down_blocks.{level}.downsamplers.0", f"down.{level}.downsample")
            new = new.replace(f"up_blocks.{level}.resnets", f"up.{levels - 1 - level}.block")
            new = new.replace(f"up_blocks.{level}.upsamplers.0", f"up.{levels - 1 - level}.upsample")
        new = new.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
        if "mid_block.attentions.0" in new:
            for a, b in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
                new = new.replace("mid_block.attentions.0." + a, "mid.attn_1." + b)
            if value.dim() == 2:
                value = value[:, :, None, None]
        out["first_stage_model." + new] = value
    return out


def open_clip(state, prefix):
    """open_clip's TextTransformer: one matrix for q, k and v; x @ text_projection."""
    out = {}
    for key, value in state.items():
        key = key.removeprefix("text_model.")
        if key == "text_projection.weight":
            out[prefix + "text_projection"] = value.T.contiguous()
            continue
        for a, b in (("embeddings.token_embedding.weight", "token_embedding.weight"),
                     ("embeddings.position_embedding.weight", "positional_embedding"),
                     ("final_layer_norm", "ln_final"), ("encoder.layers", "transformer.resblocks"),
                     ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"),
                     ("mlp.fc2", "mlp.c_proj"), ("self_attn", "attn")):
            key = key.replace(a, b)
        out[prefix + key] = value
    for key in [k for k in out if ".q_proj." in k]:
        parts = [out.pop(key.replace("q_proj", p + "_proj")) for p in "qkv"]
        out[key.replace("q_proj.", "in_proj_")] = torch.cat(parts)
    out[prefix + "logit_scale"] = torch.tensor(4.6)
    return out
