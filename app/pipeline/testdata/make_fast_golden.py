"""What diffusers paints with the small models of make_golden.py, make_ways_golden.py and
make_control_golden.py by two short cuts: DeepCache (its authors' package, DeepCache
0.1.1 on PyPI) and guidance that ends early. Latents after each step, channels last.

    pip install DeepCache==0.1.1
    python app/pipeline/testdata/make_fast_golden.py
"""
import pathlib

import numpy as np
import torch
from DeepCache import DeepCacheSDHelper
from diffusers import (
    AutoencoderKL, ControlNetModel, DDIMScheduler, EulerDiscreteScheduler, StableDiffusionControlNetPipeline,
    StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel,
)
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
MODEL, WAYS, CONTROL = HERE / "model", HERE / "ways", HERE / "control"
WIDTH, HEIGHT, SEED = 48, 32, 1234
PROMPT = dict(prompt="a red fox, blue sky", num_inference_steps=10, guidance_scale=4.0, output_type="pt", width=WIDTH, height=HEIGHT)

load = lambda cls, folder: cls.from_pretrained(folder, torch_dtype=torch.float32)
unet, big = load(UNet2DConditionModel, MODEL / "unet"), load(UNet2DConditionModel, WAYS / "xl" / "unet")
unet.register_to_config(sample_size=6)
text, text2 = load(CLIPTextModel, MODEL / "text_encoder"), load(CLIPTextModelWithProjection, WAYS / "xl" / "text_encoder_2")
tok = CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
ddim = DDIMScheduler.from_pretrained(MODEL / "scheduler")
euler = EulerDiscreteScheduler.from_config(ddim.config, rescale_betas_zero_snr=False)
both = dict(vae=load(AutoencoderKL, MODEL / "vae"), text_encoder=text, tokenizer=tok)
parts = dict(both, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
golden = {}


def paint(name, pipe, interval=1, end=1.0, **more):
    steps, helper = [], DeepCacheSDHelper(pipe=pipe)

    def keep(pipe, i, t, tensors):
        steps.append(tensors["latents"].permute(0, 2, 3, 1))
        if pipe.guidance_scale > 1 and (i + 2) / 10 > end:
            pipe._guidance_scale = 1.0
            tensors["prompt_embeds"] = tensors["prompt_embeds"].chunk(2)[-1]
        return tensors

    pipe.set_progress_bar_config(disable=True)
    if interval > 1:
        helper.set_params(cache_interval=interval, cache_branch_id=0)
        helper.enable()
    pipe(**PROMPT, **more, generator=torch.Generator("cpu").manual_seed(SEED), callback_on_step_end=keep,
         callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"])
    if interval > 1:
        helper.disable()
    golden[name + ".latents"] = torch.cat(steps)
    print(name, "latents' deviation", [round(s.std().item(), 3) for s in steps])


def held(net, interval):
    """The residuals of each interval's first step, as Latent has them."""
    forward, calls, last = net.forward, [], []

    def wrapped(*args, **kwargs):
        if len(calls) % interval == 0:
            last[:] = [forward(*args, **kwargs)]
        calls.append(1)
        return last[0]

    net.forward = wrapped
    return net


paint("cache_3", StableDiffusionPipeline(unet=unet, scheduler=ddim, **parts), 3)
paint("cache_2_euler", StableDiffusionPipeline(unet=unet, scheduler=euler, **parts), 2)
paint("cache_xl", StableDiffusionXLPipeline(
    unet=big, scheduler=ddim, text_encoder_2=text2, tokenizer_2=tok, force_zeros_for_empty_prompt=True,
    add_watermarker=False, **both), 5)
net = held(load(ControlNetModel, CONTROL / "b"), 3)
hint = load_file(HERE / "control.safetensors")["hint"].numpy().astype(np.uint8)
paint("cache_control", StableDiffusionControlNetPipeline(unet=unet, controlnet=net, scheduler=ddim, **parts), 3,
      image=Image.fromarray(hint), controlnet_conditioning_scale=0.8)
paint("end", StableDiffusionPipeline(unet=unet, scheduler=ddim, **parts), end=0.6)
save_file({k: v.contiguous() for k, v in golden.items()}, HERE / "fast.safetensors")
