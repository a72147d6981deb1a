"""What diffusers paints with the small models of make_golden.py and make_ways_golden.py
where ControlNets guide them: the latents after each step, channels last, and a picture.
The nets are saved in control/, one as a folder, the others as files without a config.

    python app/pipeline/testdata/make_control_golden.py
"""
import pathlib
import shutil
import sys

import numpy as np
import torch
from diffusers import (
    AutoencoderKL, ControlNetModel, DDIMScheduler, EulerDiscreteScheduler, StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline, StableDiffusionControlNetPipeline, StableDiffusionXLControlNetPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.resolve().parents[2] / "gpu/nn/golden"))
from small import randomize  # noqa: E402
MODEL, WAYS, CONTROL = HERE / "model", HERE / "ways", HERE / "control"
WIDTH, HEIGHT, SEED = 48, 32, 1234
PROMPT = dict(prompt="a red fox, blue sky", num_inference_steps=10, guidance_scale=4.0, output_type="pt")


def net(unet, name, **change):
    keys = ("down_block_types", "block_out_channels", "layers_per_block", "norm_num_groups", "cross_attention_dim",
            "attention_head_dim", "use_linear_projection", "addition_embed_type", "addition_embed_type_num_heads",
            "addition_time_embed_dim", "projection_class_embeddings_input_dim", "transformer_layers_per_block")
    model = ControlNetModel(**{k: unet.config[k] for k in keys}, conditioning_embedding_out_channels=(2, 3, 4, 5), **change)
    randomize(model)
    if name == "b":
        model.half().save_pretrained(CONTROL / name)
    else:
        CONTROL.mkdir(exist_ok=True)
        save_file({k: v.half() for k, v in model.state_dict().items()}, CONTROL / (name + ".safetensors"))
    return model.float().eval()


torch.manual_seed(2)
shutil.rmtree(CONTROL, ignore_errors=True)
vae = AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=torch.float32)
text = CLIPTextModel.from_pretrained(MODEL / "text_encoder", torch_dtype=torch.float32)
tok = CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
load = lambda folder: UNet2DConditionModel.from_pretrained(folder, torch_dtype=torch.float32)
unet, nine, big = load(MODEL / "unet"), load(WAYS / "inpaint" / "unet"), load(WAYS / "xl" / "unet")
unet.register_to_config(sample_size=6)
ddim = DDIMScheduler.from_pretrained(MODEL / "scheduler")
euler = EulerDiscreteScheduler.from_config(ddim.config, rescale_betas_zero_snr=False)
text2 = CLIPTextModelWithProjection.from_pretrained(WAYS / "xl" / "text_encoder_2", torch_dtype=torch.float32)
a, b, small, xl = net(unet, "a"), net(unet, "b"), net(nine, "small"), net(big, "xl")

ways = load_file(HERE / "ways.safetensors")
init = Image.fromarray(ways["init"].numpy().astype(np.uint8))
mask = Image.fromarray(ways["mask"].numpy().astype(np.uint8))
y, x = np.mgrid[:HEIGHT, :WIDTH]
hint = np.where((x // 6 + y // 5) % 2 == 0, 255, 0)[..., None] * np.array([1.0, 0.6, 0.2])
hint = hint.round().astype(np.uint8)
picture, other = Image.fromarray(hint), init
golden = {"hint": torch.tensor(hint).float()}
parts = dict(vae=vae, text_encoder=text, tokenizer=tok, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
size = dict(width=WIDTH, height=HEIGHT)


def paint(name, pipe, picture=False, **more):
    steps = []

    def keep(pipe, i, t, tensors):
        steps.append(tensors["latents"].permute(0, 2, 3, 1))
        return tensors

    pipe.set_progress_bar_config(disable=True)
    out = pipe(**PROMPT, **more, generator=torch.Generator("cpu").manual_seed(SEED), callback_on_step_end=keep).images
    golden[name + ".latents"] = torch.cat(steps)
    if picture:
        golden[name + ".picture"] = out[0].permute(1, 2, 0) * 255
    print(name, "latents' deviation", [round(s.std().item(), 2) for s in steps])


paint("control", StableDiffusionControlNetPipeline(unet=unet, controlnet=a, scheduler=ddim, **parts), True,
      image=picture, controlnet_conditioning_scale=0.8, **size)
paint("two", StableDiffusionControlNetPipeline(unet=unet, controlnet=[a, b], scheduler=euler, **parts),
      image=[picture, other], controlnet_conditioning_scale=[0.5, 0.7], control_guidance_start=[0.0, 0.2],
      control_guidance_end=[0.6, 1.0], **size)
paint("img2img", StableDiffusionControlNetImg2ImgPipeline(unet=unet, controlnet=b, scheduler=ddim, **parts),
      image=init, control_image=picture, strength=0.65, controlnet_conditioning_scale=1.0, control_guidance_end=0.5)
paint("inpaint", StableDiffusionControlNetInpaintPipeline(unet=unet, controlnet=a, scheduler=ddim, **parts),
      image=init, mask_image=mask, control_image=picture, strength=1.0, controlnet_conditioning_scale=0.8, **size)
paint("nine", StableDiffusionControlNetInpaintPipeline(unet=nine, controlnet=small, scheduler=ddim, **parts),
      image=init, mask_image=mask, control_image=picture, strength=1.0, controlnet_conditioning_scale=0.8, **size)
paint("xl", StableDiffusionXLControlNetPipeline(
    vae=vae, text_encoder=text, text_encoder_2=text2, tokenizer=tok, tokenizer_2=tok, unet=big, controlnet=xl, scheduler=ddim,
    force_zeros_for_empty_prompt=True, add_watermarker=False), image=picture, controlnet_conditioning_scale=0.8, **size)
save_file({k: v.contiguous() for k, v in golden.items()}, HERE / "control.safetensors")
