"""What diffusers paints with the small model of make_golden.py in other ways:
image-to-image, inpainting by blending and by a U-Net of nine channels, guidance
rescale, a guidance embedding, and a small SDXL. The U-Nets and SDXL's text
encoders are saved in ways/, to be laid over the model's folder; golden tensors
are channels last.

    python app/pipeline/testdata/make_ways_golden.py
"""
import json
import pathlib
import shutil
import sys

import numpy as np
import torch
from diffusers import (
    AutoencoderKL, DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler, HeunDiscreteScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline,
    StableDiffusionPipeline, StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline, UNet2DConditionModel,
)
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.resolve().parents[2] / "gpu/nn/golden"))
from small import randomize  # noqa: E402
MODEL, WAYS = HERE / "model", HERE / "ways"
WIDTH, HEIGHT, SEED = 48, 32, 1234
PROMPT = dict(prompt="a red fox, blue sky", num_inference_steps=10, guidance_scale=4.0, output_type="pt")


def save(model, folder):
    model.half().save_pretrained(folder)
    return model.float()


torch.manual_seed(1)
shutil.rmtree(WAYS, ignore_errors=True)
vae = AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=torch.float32)
text = CLIPTextModel.from_pretrained(MODEL / "text_encoder", torch_dtype=torch.float32)
tok = CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
unet = UNet2DConditionModel.from_pretrained(MODEL / "unet", torch_dtype=torch.float32)
unet.register_to_config(sample_size=6)  # the pipelines compare it with a number
ddim = DDIMScheduler.from_pretrained(MODEL / "scheduler")
ddpm = DDPMScheduler.from_config(ddim.config)
SMALL = dict(
    sample_size=6, block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=4,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    cross_attention_dim=16, attention_head_dim=2, use_linear_projection=True,
)
nine = save(randomize(UNet2DConditionModel(**{**SMALL, "in_channels": 9})), WAYS / "inpaint" / "unet")
lcm = save(randomize(UNet2DConditionModel(**{**SMALL, "time_cond_proj_dim": 6})), WAYS / "lcm" / "unet")

parts = dict(vae=vae, text_encoder=text, tokenizer=tok, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
rng = np.random.default_rng(3)
# A smooth picture, as pictures are; the mask's edges lie across the latents.
y, x = np.mgrid[:HEIGHT, :WIDTH]
init = np.stack([128 + 100 * np.sin(x / 7 + c) * np.cos(y / (5 + c)) for c in range(3)], -1)
init = np.clip(init + rng.normal(0, 10, init.shape), 0, 255).round().astype(np.uint8)
mask = np.zeros((HEIGHT, WIDTH), np.uint8)
mask[5:26, 11:35] = 255
mask[14:20, 20:30] = 127  # kept: below one half
mask[0:9, 36:44] = 128
image, mask_image = Image.fromarray(init), Image.fromarray(mask)

golden = {"init": torch.tensor(init).float(), "mask": torch.tensor(mask).float()}


def paint(name, pipe, picture=True, **more):
    steps = []

    def keep(pipe, i, t, tensors):
        steps.append(tensors["latents"].permute(0, 2, 3, 1))
        return tensors

    pipe.set_progress_bar_config(disable=True)
    out = pipe(**PROMPT, **more, generator=torch.Generator("cpu").manual_seed(SEED), callback_on_step_end=keep).images
    golden[name + ".latents"] = torch.cat(steps)
    if picture:
        golden[name + ".picture"] = out[0].permute(1, 2, 0) * 255
    print(name, "latents' deviation", [round(s.std().item(), 2) for s in steps], "pixels", out.mean().item(), out.std().item())


def img2img(s):
    return StableDiffusionImg2ImgPipeline(unet=unet, scheduler=s, **parts)


def inpaint(u, s):
    return StableDiffusionInpaintPipeline(unet=u, scheduler=s, **parts)


size = dict(width=WIDTH, height=HEIGHT)
paint("img2img", img2img(ddim), image=image, strength=0.65)
paint("img2img_ddpm", img2img(ddpm), False, image=image, strength=1.0)
paint("inpaint", inpaint(unet, ddim), image=image, mask_image=mask_image, strength=1.0, **size)
paint("inpaint_ddpm", inpaint(unet, ddpm), False, image=image, mask_image=mask_image, strength=0.65, **size)
paint("nine", inpaint(nine, ddim), image=image, mask_image=mask_image, strength=1.0, **size)
paint("nine_ddpm", inpaint(nine, ddpm), False, image=image, mask_image=mask_image, strength=0.65, **size)
paint("rescale", StableDiffusionPipeline(unet=unet, scheduler=ddim, **parts), False, guidance_rescale=0.7, **size)
paint("lcm", StableDiffusionPipeline(unet=lcm, scheduler=ddim, **parts), False, **size)

# Samplers that keep x at variance 1+σ², look back, or call the model twice; not from pure noise.
other = lambda cls: cls.from_config(ddim.config, rescale_betas_zero_snr=False)
paint("euler_a", img2img(other(EulerAncestralDiscreteScheduler)), False, image=image, strength=0.65)
paint("dpmpp_2m", img2img(other(DPMSolverMultistepScheduler)), False, image=image, strength=0.65)
paint("heun", StableDiffusionPipeline(unet=unet, scheduler=other(HeunDiscreteScheduler), **parts), False, **size)
paint("euler", inpaint(unet, other(EulerDiscreteScheduler)), False, image=image, mask_image=mask_image, strength=0.65, **size)

text2 = randomize(CLIPTextModelWithProjection(CLIPTextConfig(**{
    **text.config.to_dict(), "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16, "projection_dim": 10,
    "hidden_act": "gelu",
})))
text2 = save(text2, WAYS / "xl" / "text_encoder_2")
big = UNet2DConditionModel(**{
    **SMALL, "cross_attention_dim": 24, "addition_embed_type": "text_time", "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": 10 + 6 * 4, "transformer_layers_per_block": 2,
})
big = save(randomize(big), WAYS / "xl" / "unet")
(WAYS / "xl" / "model_index.json").write_text(json.dumps(
    {"_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True}))
xl_parts = dict(vae=vae, text_encoder=text, text_encoder_2=text2, tokenizer=tok, tokenizer_2=tok, unet=big, scheduler=ddim)
xl = StableDiffusionXLPipeline(**xl_parts, force_zeros_for_empty_prompt=True, add_watermarker=False)
paint("xl", xl, **size)
paint("xl_sizes", xl, False, negative_prompt="sea", original_size=(64, 96), crops_coords_top_left=(4, 8), target_size=(40, 56),
      negative_original_size=(64, 96), negative_crops_coords_top_left=(4, 8), negative_target_size=(40, 56), **size)
paint("xl_img2img", StableDiffusionXLImg2ImgPipeline(**xl_parts, force_zeros_for_empty_prompt=True, add_watermarker=False),
      False, image=image, strength=0.65)
save_file({k: v.contiguous() for k, v in golden.items()}, HERE / "ways.safetensors")
