"""Small models with random weights in the shapes of three families, each as the
folder that diffusers saves and as a single file with the names of latent
diffusion, and what diffusers and transformers compute with them.

The names of the single file are written down in ldm_names.py from the structure of the
original modules; diffusers' own converters must give the folder's tensors back.

    python app/library/testdata/make_golden.py
"""
import json
import pathlib
import shutil
import sys
import tempfile

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.loaders import single_file_utils as diffusers_names
from ldm_names import ldm_unet, ldm_vae, open_clip
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.resolve().parents[2] / "gpu/nn/golden"))
from small import nhwc, randomize  # noqa: E402
LENGTH = 8
BASE = dict(sample_size=8, norm_num_groups=2, layers_per_block=1, attention_head_dim=2)
CROSS, PLAIN = "CrossAttn%sBlock2D", "%sBlock2D"


def blocks(*kinds):
    return dict(
        down_block_types=tuple(k % "Down" for k in kinds), up_block_types=tuple(k % "Up" for k in reversed(kinds)),
    )


CASES = {
    "sd1": dict(
        unet=BASE | blocks(CROSS, PLAIN) | dict(block_out_channels=(4, 8), layers_per_block=2, cross_attention_dim=8),
        text=dict(hidden_act="quick_gelu"), folder=torch.float16, file=torch.float16,
    ),
    "sd2": dict(
        unet=BASE | blocks(CROSS, CROSS, PLAIN) | dict(
            block_out_channels=(4, 4, 8), cross_attention_dim=8, use_linear_projection=True, attention_head_dim=(1, 2, 2),
        ),
        text=dict(hidden_act="gelu"), folder=torch.float16, file=torch.float32,
    ),
    "sdxl": dict(
        unet=BASE | blocks(PLAIN, CROSS, CROSS) | dict(
            block_out_channels=(4, 4, 8), cross_attention_dim=16, use_linear_projection=True,
            attention_head_dim=(1, 2, 2), transformer_layers_per_block=(1, 1, 2), addition_embed_type="text_time",
            addition_time_embed_dim=4, projection_class_embeddings_input_dim=12 + 6 * 4,
        ),
        text=dict(hidden_act="quick_gelu"), folder=torch.bfloat16, file=torch.bfloat16,
    ),
}


def tokenizer(folder):
    tokens = [c + end for end in ("", "</w>") for c in "abcdefghijklm"] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
    }, indent=1))
    return len(tokens)


def same(got, want, what):
    """diffusers' converter gives back exactly the tensors that its folder holds."""
    got = {k.removeprefix("text_model."): v for k, v in got.items() if "position_ids" not in k}
    want = {k.removeprefix("text_model."): v for k, v in want.items() if "position_ids" not in k}
    assert got.keys() == want.keys(), (what, got.keys() ^ want.keys())
    for k in want:
        assert torch.equal(got[k].reshape(want[k].shape), want[k]), (what, k)


for seed, (case, c) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    folder = HERE / case
    shutil.rmtree(folder, ignore_errors=True)
    size = tokenizer(folder / "tokenizer")
    text_config = dict(
        vocab_size=size, hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=LENGTH, projection_dim=12, bos_token_id=size - 2, eos_token_id=size - 1,
    ) | c["text"]
    parts = {
        "text_encoder": CLIPTextModel(CLIPTextConfig(**text_config)),
        "unet": UNet2DConditionModel(**c["unet"]),
        "vae": AutoencoderKL(
            block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, sample_size=16,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            scaling_factor=0.13025 if case == "sdxl" else 0.18215,
        ),
    }
    if case == "sdxl":
        shutil.copytree(folder / "tokenizer", folder / "tokenizer_2")
        parts["text_encoder_2"] = CLIPTextModelWithProjection(CLIPTextConfig(**text_config | dict(hidden_act="gelu")))
    for part in parts.values():
        randomize(part, dtype=c["folder"])
    states = {name: {k: v.clone() for k, v in part.state_dict().items()} for name, part in parts.items()}

    ldm = ldm_unet(dict(states["unet"]), parts["unet"].config)
    same(diffusers_names.convert_ldm_unet_checkpoint(dict(ldm), parts["unet"].config), states["unet"], "unet")
    vae = ldm_vae(states["vae"], 2)
    same(diffusers_names.convert_ldm_vae_checkpoint(dict(vae), parts["vae"].config), states["vae"], "vae")
    ldm |= vae
    if case == "sd2":
        text = open_clip(states["text_encoder"], "cond_stage_model.model.")
        # The layer that the family leaves out, by its number in the real model.
        text |= {k.replace("resblocks.0.", "resblocks.23."): v + 1 for k, v in text.items() if "resblocks.0." in k}
        text["cond_stage_model.model.text_projection"] = torch.randn(8, 12)
        back = diffusers_names.convert_open_clip_checkpoint(parts["text_encoder"], dict(text))
    else:
        prefix = "conditioner.embedders.0.transformer." if case == "sdxl" else "cond_stage_model.transformer."
        text = {prefix + "text_model." + k.removeprefix("text_model."): v for k, v in states["text_encoder"].items()}
        text[prefix + "text_model.embeddings.position_ids"] = torch.arange(LENGTH)[None]
        back = diffusers_names.convert_ldm_clip_checkpoint(dict(text))
    same(back, states["text_encoder"], "text_encoder")
    ldm |= text
    if case == "sdxl":
        text = open_clip(states["text_encoder_2"], "conditioner.embedders.1.model.")
        back = diffusers_names.convert_open_clip_checkpoint(parts["text_encoder_2"], dict(text), "conditioner.embedders.1.model.")
        same(back, states["text_encoder_2"], "text_encoder_2")
        ldm |= text
    # What whole training checkpoints hold besides.
    ldm |= {"betas": torch.rand(5), "alphas_cumprod": torch.rand(5), "model_ema.decay": torch.tensor(0.9999),
            "model_ema.num_updates": torch.tensor(7), "first_stage_model.loss.logvar": torch.tensor(0.0)}
    half = {k: v.to(c["file"]) if v.is_floating_point() else v for k, v in ldm.items()}
    save_file({k: v.contiguous() for k, v in half.items()}, HERE / f"{case}.safetensors", {"format": "pt"})
    if case == "sd1":
        torch.save(
            {"state_dict": half, "global_step": 470000, "epoch": 3, "pytorch-lightning_version": "1.4.2"},
            HERE / "sd1.ckpt",
        )

    for name, part in parts.items():
        part.to(c["folder"]).save_pretrained(folder / name)
        part.float()
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type="v_prediction" if case == "sd2" else "epsilon",
    ).save_pretrained(folder / "scheduler")
    xl = case == "sdxl"
    (folder / "model_index.json").write_text(json.dumps({
        "_class_name": "StableDiffusionXLPipeline" if xl else "StableDiffusionPipeline",
        **({"force_zeros_for_empty_prompt": True} if xl else {}),
    }))

    with torch.no_grad():
        ids = torch.tensor([[size - 2, 3, 14, 15, 9, size - 1, size - 1, size - 1]])
        golden = {"ids": ids.float()}
        out = parts["text_encoder"](ids, output_hidden_states=True)
        golden["text"] = out.hidden_states[-2] if xl else out.last_hidden_state
        cond, kwargs = golden["text"], {}
        if xl:
            out = parts["text_encoder_2"](ids, output_hidden_states=True)
            golden["text2"], golden["pooled"] = out.hidden_states[-2], out.text_embeds
            golden["time_ids"] = torch.tensor([[64.0, 48, 0, 8, 64, 48]])
            cond = torch.cat([golden["text"], golden["text2"]], -1)
            kwargs["added_cond_kwargs"] = dict(text_embeds=golden["pooled"], time_ids=golden["time_ids"])
        x = torch.randn(1, 4, 8, 8)
        golden |= {"x": nhwc(x), "y": nhwc(parts["unet"](x, torch.tensor([301.0]), cond, **kwargs).sample)}
        golden["picture"] = nhwc(parts["vae"].decode(x / parts["vae"].config.scaling_factor).sample)
    save_file({k: v.contiguous() for k, v in golden.items()}, HERE / f"{case}.golden.safetensors")
