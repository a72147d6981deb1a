"""What the small model of make_golden.py paints of prompts that AND joins: the
latents after each of six steps, channels last. diffusers' U-Net and DDIM, each
prompt alone; the rules of prompts are textencoder/testdata/prompts/rules.py.

    python app/pipeline/testdata/make_compose_golden.py
"""
import pathlib
import sys

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
MODEL = HERE / "model"
sys.path.insert(0, str(HERE.parents[2] / "textencoder/testdata/prompts"))
from rules import combine, compose  # noqa: E402

text = CLIPTextModel.from_pretrained(MODEL / "text_encoder", torch_dtype=torch.float32).eval()
tok = CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
unet = UNet2DConditionModel.from_pretrained(MODEL / "unet", torch_dtype=torch.float32).eval()
ddim = DDIMScheduler.from_pretrained(MODEL / "scheduler")


@torch.no_grad()
def encode(prompt):
    ids = tok(prompt, padding="max_length", return_tensors="pt").input_ids
    return text(ids).last_hidden_state


@torch.no_grad()
def paint(prompt, negative, guidance, steps=6):
    composed = compose(prompt)
    empty, conds = encode(negative), [encode(t) for t, _ in composed]
    x = torch.randn(1, 4, 4, 6, generator=torch.Generator("cpu").manual_seed(1234))
    ddim.set_timesteps(steps)
    out = []
    for t in ddim.timesteps:
        v = combine(unet(x, t, empty).sample, [unet(x, t, c).sample for c in conds], composed, guidance)
        x = ddim.step(v, t, x).prev_sample
        out.append(x.permute(0, 2, 3, 1))
    return torch.cat(out)


golden = {
    "two.latents": paint("a red fox AND blue sky", "sea", 4.0),
    "weights.latents": paint("a red fox AND blue sky :0.6 AND sea : -0.3", "sea", 4.0),
    "alone.latents": paint("a red fox :0.5", "sea", 4.0),
    "unguided.latents": paint("a red fox:0.75 AND blue sky :0.5", "sea", 1.0),
    "plain.latents": paint("a red fox", "sea", 4.0),
}
save_file({k: v.contiguous() for k, v in golden.items()}, HERE / "compose.safetensors")
