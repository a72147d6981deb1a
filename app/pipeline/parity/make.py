"""A full-size Stable Diffusion model with seeded random weights in fp16, as a
diffusers folder and as one file, and what diffusers computes with it in float32: text
embeddings, one call of the U-Net and pictures. TestFullSize compares.

    python make.py sd15|sd21|sdxl DIR [--tiny] [--sweep]

--sweep adds a small picture for each sampler and schedule that diffusers has.
--tiny makes narrow networks of the same layout: to try the script itself.
"""
import argparse
import gzip
import json
import pathlib
import sys

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

sys.path.append(str(pathlib.Path(__file__).parents[2] / "library" / "testdata"))
from ldm_names import ldm_unet, ldm_vae, open_clip

PROMPT = "a photograph of an astronaut riding a horse, golden hour"
NEGATIVE = "blurry, low quality"
STEPS, GUIDANCE, SEED = 10, 5.0, 1234

parser = argparse.ArgumentParser()
parser.add_argument("arch", choices=["sd15", "sd21", "sdxl"])
parser.add_argument("dir", type=pathlib.Path)
parser.add_argument("--tiny", action="store_true")
parser.add_argument("--sweep", action="store_true")
args = parser.parse_args()
ARCH, TINY = args.arch, args.tiny
torch.manual_seed(0)
torch.set_grad_enabled(False)


def tokenizer(pad):
    """CLIP's own vocabulary, out of the open_clip wheel."""
    import open_clip

    path = pathlib.Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    merges = gzip.open(path).read().decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    letters = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    chars = [chr(b) for b in letters] + [chr(256 + i) for i in range(256 - len(letters))]
    vocab = chars + [c + "</w>" for c in chars] + ["".join(m.split()) for m in merges]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    folder = args.dir / ".vocab"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocab)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": pad, "add_prefix_space": False,
    }))
    return CLIPTokenizer.from_pretrained(folder)


def randomize(model, gain=1.0):
    """Weights that keep the size of what passes through, in fp16's numbers."""
    for name, p in model.named_parameters():
        if "norm" in name and name.endswith("weight"):
            p.data = 1 + 0.1 * torch.randn_like(p)
        elif p.dim() > 1:
            p.data = gain * torch.randn_like(p) * p[0].numel() ** -0.5
        else:
            p.data = 0.05 * torch.randn_like(p)
        if "embedding.weight" in name:
            p.data = 0.5 * torch.randn_like(p)
        p.data = p.data.half().float()
    return model.eval()


def text_encoder(width, layers, heads, act, projection=None):
    if TINY:
        width, layers, heads = width // 8, 2, 2
    cfg = CLIPTextConfig(
        vocab_size=49408, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=heads, max_position_embeddings=77, projection_dim=projection or width, hidden_act=act,
        bos_token_id=49406, eos_token_id=49407, pad_token_id=1,
    )
    return randomize((CLIPTextModelWithProjection if projection else CLIPTextModel)(cfg), 0.7)


def unet():
    attn, plain = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")
    kinds = [plain, attn, attn] if ARCH == "sdxl" else [attn, attn, attn, plain]
    cfg = dict(
        down_block_types=[k[0] for k in kinds], up_block_types=[k[1] for k in reversed(kinds)],
        block_out_channels=(320, 640, 1280, 1280)[: len(kinds)], layers_per_block=2,
    )
    if ARCH == "sd15":
        cfg |= dict(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    elif ARCH == "sd21":
        cfg |= dict(sample_size=96, cross_attention_dim=1024, attention_head_dim=[5, 10, 20, 20], use_linear_projection=True)
    else:
        cfg |= dict(
            sample_size=128, cross_attention_dim=2048, attention_head_dim=[5, 10, 20], use_linear_projection=True,
            transformer_layers_per_block=[1, 2, 10], addition_embed_type="text_time", addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
    if TINY:
        cfg["block_out_channels"] = [c // 5 for c in cfg["block_out_channels"]]
        cfg["attention_head_dim"] = 2
        cfg["cross_attention_dim"] //= 8
        if ARCH == "sdxl":
            cfg["projection_class_embeddings_input_dim"] = 1280 // 8 + 6 * 256
    return randomize(UNet2DConditionModel(**cfg))


def vae():
    cfg = dict(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, sample_size=1024 if ARCH == "sdxl" else 512,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        scaling_factor=0.13025 if ARCH == "sdxl" else 0.18215,
    )
    if TINY:
        cfg["block_out_channels"] = (32, 32, 64, 64)
    model = randomize(AutoencoderKL(**cfg), 0.7)
    model.decoder.conv_out.weight.mul_(0.5)  # so that few pixels are beyond black and white
    return model


def scheduler():
    cfg = dict(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, timestep_spacing="leading",  # given, lest other classes take their own default
        prediction_type="v_prediction" if ARCH == "sd21" else "epsilon",
    )
    return diffusers.DDIMScheduler(**cfg)


parts = dict(vae=vae(), unet=unet(), scheduler=scheduler())
if ARCH == "sdxl":
    parts |= dict(
        tokenizer=tokenizer("<|endoftext|>"), text_encoder=text_encoder(768, 12, 12, "quick_gelu"),
        text_encoder_2=text_encoder(1280, 32, 20, "gelu", projection=1280 // (8 if TINY else 1)),
    )
    parts["tokenizer_2"] = tokenizer("!")
    pipe = diffusers.StableDiffusionXLPipeline(**parts, force_zeros_for_empty_prompt=False)
else:
    if ARCH == "sd15":
        parts |= dict(tokenizer=tokenizer("<|endoftext|>"), text_encoder=text_encoder(768, 12, 12, "quick_gelu"))
    else:
        parts |= dict(tokenizer=tokenizer("!"), text_encoder=text_encoder(1024, 23, 16, "gelu"))
    pipe = diffusers.StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
pipe.set_progress_bar_config(disable=True)

golden = {}
cond = pipe.encode_prompt(PROMPT, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=True, negative_prompt=NEGATIVE)
golden["cond"], golden["uncond"] = cond[0], cond[1]
added = None
if ARCH == "sdxl":
    golden["pooled"] = cond[2]
    added = dict(text_embeds=cond[2], time_ids=torch.tensor([[512.0, 512, 0, 0, 512, 512]]))
size = 8 if TINY else 64
x = torch.randn(1, 4, size, size, generator=torch.Generator().manual_seed(SEED))
golden["unet.x"] = x.permute(0, 2, 3, 1)
golden["unet.out"] = pipe.unet(x, 501, cond[0], added_cond_kwargs=added).sample.permute(0, 2, 3, 1)


def picture(name, side, scheduler, **kwargs):
    pipe.scheduler = scheduler
    latents = pipe(
        PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS, guidance_scale=GUIDANCE, width=side, height=side,
        generator=torch.Generator("cpu").manual_seed(SEED), output_type="latent", **kwargs,
    ).images
    out = (pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample[0] / 2 + 0.5).clamp(0, 1)
    golden["latents." + name] = latents.permute(0, 2, 3, 1)
    golden["picture." + name] = (out.permute(1, 2, 0) * 255).round()
    edge = ((out == 0) | (out == 1)).float().mean().item()
    # Of the samplers tried so far, the one whose latents are nearest: comparing
    # latents must tell it apart.
    near = min((
        ((golden[k] - golden["latents." + name]).norm() / golden["latents." + name].norm(), k)
        for k in golden if k.startswith("latents.") and golden[k].shape == golden["latents." + name].shape and k != "latents." + name
    ), default=(torch.inf, "none"))
    print(f"{name}: pixels {out.mean():.3f} ± {out.std():.3f}, {edge:.0%} black or white; {near[0]:.1e} from {near[1]}", flush=True)


ddim = pipe.scheduler
picture("ddim", 8 * size, ddim, eta=0.0)
if args.sweep:
    D, base = diffusers, ddim.config
    spacings = {"": {}, "karras": dict(use_karras_sigmas=True), "exponential": dict(use_exponential_sigmas=True), "beta": dict(use_beta_sigmas=True)}
    sampler = {
        "euler": (D.EulerDiscreteScheduler, {}, True),
        "euler_a": (D.EulerAncestralDiscreteScheduler, {}, False),
        "heun": (D.HeunDiscreteScheduler, {}, True),
        "dpmpp_2m": (D.DPMSolverMultistepScheduler, {}, True),
        "dpmpp_2m_sde": (D.DPMSolverMultistepScheduler, dict(algorithm_type="sde-dpmsolver++"), True),
        "unipc": (D.UniPCMultistepScheduler, {}, True),
        "ddpm": (D.DDPMScheduler, {}, False),
        "lcm": (D.LCMScheduler, {}, False),
        "tcd": (D.TCDScheduler, {}, False),
    }
    for name, (cls, extra, spaced) in sampler.items():
        for spacing, more in spacings.items() if spaced else [("", {})]:
            # The pipeline's eta is 0 if none is given, TCD's paper and step have 0.3.
            eta = dict(eta=0.3) if name == "tcd" else {}
            picture(f"{name}.{spacing}", 64 if TINY else 128, cls.from_config(base, **extra, **more), **eta)

pipe.scheduler = ddim
pipe.to(torch.float16).save_pretrained(args.dir)
names = ldm_unet(dict(pipe.unet.state_dict()), pipe.unet.config) | ldm_vae(pipe.vae.state_dict(), 4)
prefix = "conditioner.embedders.0.transformer.text_model." if ARCH == "sdxl" else "cond_stage_model.transformer.text_model."
text = pipe.text_encoder.state_dict()
if ARCH == "sd21":  # the original has one layer more, and leaves it out
    names |= open_clip(text, "cond_stage_model.model.")
    names |= {k.replace("resblocks.0.", "resblocks.23."): v for k, v in names.items() if "resblocks.0." in k}
else:
    names |= {prefix + k.removeprefix("text_model."): v for k, v in text.items()}
if ARCH == "sdxl":
    names |= open_clip(pipe.text_encoder_2.state_dict(), "conditioner.embedders.1.model.")
if not TINY:  # a file has no config: its widths say what it is
    save_file({k: v.half().contiguous().clone() for k, v in names.items()}, args.dir / "model.safetensors")
golden = {k: v.float().contiguous() for k, v in golden.items()}
versions = dict(torch=torch.__version__, diffusers=diffusers.__version__, transformers=transformers.__version__)
save_file(golden, args.dir / "golden.safetensors", metadata=versions)
print(versions)
