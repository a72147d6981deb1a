"""The names of tensors in models of other families, as diffusers builds them: of
each model the first of every kind of name, with the shape, without bytes.

    python app/library/testdata/make_families.py
"""
import json
import pathlib
import re

import diffusers
import torch

HERE = pathlib.Path(__file__).parent
FAMILIES = {
    "Stable Diffusion 3": ("SD3Transformer2DModel", {}),
    "Flux": ("FluxTransformer2DModel", {}),
    "Flux 2": ("Flux2Transformer2DModel", {}),
    "Chroma": ("ChromaTransformer2DModel", {}),
    "AuraFlow": ("AuraFlowTransformer2DModel", {}),
    "PixArt": ("PixArtTransformer2DModel", dict(num_layers=1, caption_channels=16)),
    "Sana": ("SanaTransformer2DModel", {}),
    "Lumina": ("Lumina2Transformer2DModel", {}),
    "Hunyuan-DiT": ("HunyuanDiT2DModel", dict(num_layers=2, in_channels=4, patch_size=2, sample_size=32, activation_fn="gelu")),
    "HunyuanVideo": ("HunyuanVideoTransformer3DModel", {}),
    "Qwen-Image": ("QwenImageTransformer2DModel", {}),
    "Z-Image": ("ZImageTransformer2DModel", {}),
    "HiDream": ("HiDreamImageTransformer2DModel", dict(
        patch_size=2, in_channels=4, out_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=8,
        num_attention_heads=2, caption_channels=(8, 8), text_emb_dim=8, num_routed_experts=2,
        num_activated_experts=1, axes_dims_rope=(4, 2, 2), max_resolution=(8, 8), llama_layers=(0, 1),
    )),
    "Wan": ("WanTransformer3DModel", dict(num_layers=1)),
    "LTX-Video": ("LTXVideoTransformer3DModel", dict(num_layers=1)),
    "CogVideoX": ("CogVideoXTransformer3DModel", dict(num_layers=1)),
    "Cosmos": ("CosmosTransformer3DModel", dict(num_layers=1)),
    "Mochi": ("MochiTransformer3DModel", dict(num_layers=2)),
    "Kandinsky": ("UNet2DConditionModel", dict(
        addition_embed_type="image", encoder_hid_dim_type="image_proj", encoder_hid_dim=8, cross_attention_dim=8,
        block_out_channels=(32, 32), down_block_types=("SimpleCrossAttnDownBlock2D",) * 2,
        up_block_types=("SimpleCrossAttnUpBlock2D",) * 2, mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    )),
    "Stable Cascade": ("StableCascadeUNet", {}),
    "DeepFloyd IF": ("UNet2DConditionModel", dict(
        addition_embed_type="text", addition_embed_type_num_heads=2, cross_attention_dim=8,
        block_out_channels=(32, 32), down_block_types=("SimpleCrossAttnDownBlock2D",) * 2,
        up_block_types=("SimpleCrossAttnUpBlock2D",) * 2, mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        encoder_hid_dim=8,
    )),
    "Stable Video Diffusion": ("UNetSpatioTemporalConditionModel", {}),
    "a ControlNet": ("ControlNetModel", {}),
    "an AnimateDiff motion module": ("MotionAdapter", {}),
    "a T2I-Adapter": ("T2IAdapter", {}),
    "a tiny autoencoder (TAESD)": ("AutoencoderTiny", {}),
    "an autoencoder of Sana": ("AutoencoderDC", dict(
        latent_channels=4, encoder_block_types="ResBlock", decoder_block_types="ResBlock",
        encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1), encoder_qkv_multiscales=((), ()), decoder_qkv_multiscales=((), ()),
    )),
}
out = {}
for family, (name, config) in FAMILIES.items():
    try:
        with torch.device("meta"):
            model = getattr(diffusers, name)(**config)
    except Exception as e:  # a class of another version of diffusers
        print(family, name, type(e).__name__, str(e)[:150])
        continue
    names = {}
    for key, value in model.state_dict().items():
        names.setdefault(re.sub(r"\d+", "#", key), (key, list(value.shape)))
    out[family] = dict(names.values())
(HERE / "families.json").write_text(json.dumps(out, separators=(",", ":")).replace("},", "},\n"))
print({k: len(v) for k, v in out.items()})
