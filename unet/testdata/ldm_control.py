"""The names that cldm.ControlNet gives to the tensors of diffusers' ControlNetModel."""


def ldm(state, config):
    """The lists of cldm.ControlNet in the order in which its constructor appends to
    them: a layer, activations too, has a number."""
    state, out = dict(state), {}

    def move(old, new, resnet=False):
        keys = [k for k in state if k.startswith(old + ".")]
        for k in keys:
            end = k[len(old):]
            if resnet:
                for a, b in (("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"),
                             ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection")):
                    end = end.replace(a + ".", b + ".")
            out[new + end] = state.pop(k)

    for name, i in (("time_embedding", "time_embed"), ("add_embedding", "label_emb.0")):
        move(name + ".linear_1", i + ".0")
        move(name + ".linear_2", i + ".2")
    move("conv_in", "input_blocks.0.0")
    hint = ["conv_in"] + [f"blocks.{i}" for i in range(2 * len(config.conditioning_embedding_out_channels) - 2)] + ["conv_out"]
    for i, name in enumerate(hint):
        move("controlnet_cond_embedding." + name, f"input_hint_block.{2 * i}")
    n = 1
    for level in range(len(config.block_out_channels)):
        for i in range(config.layers_per_block):
            move(f"down_blocks.{level}.resnets.{i}", f"input_blocks.{n}.0", True)
            move(f"down_blocks.{level}.attentions.{i}", f"input_blocks.{n}.1")
            n += 1
        move(f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{n}.0.op")
        n += 1
    move("mid_block.resnets.0", "middle_block.0", True)
    move("mid_block.attentions.0", "middle_block.1")
    move("mid_block.resnets.1", "middle_block.2", True)
    for i in range(n - 1):
        move(f"controlnet_down_blocks.{i}", f"zero_convs.{i}.0")
    move("controlnet_mid_block", "middle_block_out.0")
    assert not state, state.keys()
    return out
