"""A small Stable Diffusion model with random weights, as diffusers saves it, and
what diffusers paints with it: the latents after each of ten steps (channels
last) and the picture.

    python app/pipeline/testdata/make_golden.py
"""
import json
import pathlib
import shutil
import sys
import tempfile

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.resolve().parents[2] / "gpu/nn/golden"))
from small import randomize  # noqa: E402
MODEL = HERE / "model"
WIDTH, LENGTH = 16, 12
REQUEST = dict(
    prompt="a red fox, blue sky", negative_prompt="sea", num_inference_steps=10, guidance_scale=4.0,
    width=48, height=32, output_type="pt",
)
SEED = 1234


def tokenizer(folder):
    """Letters, and the words of the prompts as one token each."""
    tokens = [c + end for end in ("", "</w>") for c in "abcdefghijklmnopqrstuvwxyz,"]
    merges = []
    for word in ("red", "fox", "blue", "sky"):
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            left, right = parts.pop(0), parts.pop(0)
            if left + right not in tokens:
                merges.append(f"{left} {right}")
                tokens.append(left + right)
            parts.insert(0, left + right)
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
    }, indent=1))
    return CLIPTokenizer.from_pretrained(folder), len(tokens)


torch.manual_seed(0)
shutil.rmtree(MODEL, ignore_errors=True)
with tempfile.TemporaryDirectory() as folder:
    tok, size = tokenizer(pathlib.Path(folder) / "tokenizer")
text = randomize(CLIPTextModel(CLIPTextConfig(
    vocab_size=size, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
    max_position_embeddings=LENGTH, projection_dim=WIDTH, hidden_act="gelu",
    bos_token_id=size - 2, eos_token_id=size - 1, pad_token_id=size - 1,
)))
unet = randomize(UNet2DConditionModel(
    sample_size=(4, 6), block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    cross_attention_dim=WIDTH, attention_head_dim=2, use_linear_projection=True,
    addition_embed_type="text", addition_embed_type_num_heads=2,
))
vae = randomize(AutoencoderKL(
    block_out_channels=(4, 4, 8, 8), layers_per_block=1, norm_num_groups=2, scaling_factor=0.9,
    down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    sample_size=48,
), gain=0.7)
ddim = DDIMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
    timestep_spacing="trailing", clip_sample=False, steps_offset=1, rescale_betas_zero_snr=True,
)
pipe = StableDiffusionPipeline(
    vae=vae, text_encoder=text, tokenizer=tok, unet=unet, scheduler=ddim,
    safety_checker=None, feature_extractor=None, requires_safety_checker=False,
)
pipe.to(torch.float16).save_pretrained(MODEL)
pipe.to(torch.float32).set_progress_bar_config(disable=True)

golden = {"ids": tok(REQUEST["prompt"], padding="max_length", return_tensors="pt").input_ids.float()}
for name, scheduler, eta in (
    ("ddim", ddim, 0.0), ("ddim_eta", ddim, 0.5), ("ddpm", DDPMScheduler.from_config(ddim.config), 0.0),
):
    pipe.scheduler = scheduler
    steps = []

    def keep(pipe, i, t, tensors):
        steps.append(tensors["latents"].permute(0, 2, 3, 1))
        return tensors

    picture = pipe(
        **REQUEST, eta=eta, generator=torch.Generator("cpu").manual_seed(SEED), callback_on_step_end=keep,
    ).images
    golden[name + ".latents"] = torch.cat(steps)
    golden[name + ".picture"] = picture[0].permute(1, 2, 0) * 255
    print(name, "latents' deviation", [round(s.std().item(), 3) for s in steps], "pixels", picture.mean().item(), picture.std().item())
save_file({k: v.contiguous() for k, v in golden.items()}, HERE / "golden.safetensors")
