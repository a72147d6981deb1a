"""Pictures as other programs write them, with Pillow: AUTOMATIC1111's JPEG and WebP,
graphs of ComfyUI, metadata of InvokeAI and NovelAI.

    python app/gallery/testdata/make_foreign_golden.py
"""
import json
import pathlib

from PIL import Image, PngImagePlugin

HERE = pathlib.Path(__file__).parent / "foreign"
HERE.mkdir(exist_ok=True)
PICTURE = Image.new("RGB", (16, 8), "red")
INFOTEXT = "猫 café\nNegative prompt: bad\nSteps: 3, Sampler: Euler a, CFG scale: 7, Seed: 9, Size: 16x8, Model: x, ControlNet 0: \"Module: canny\""


def exif(tag, text, order="utf-16-be"):
    e = Image.Exif()
    if tag == "UserComment":
        e.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode(order)
    else:
        e[0x0110] = text
    return e


def png(name, **texts):
    info = PngImagePlugin.PngInfo()
    for k, v in texts.items():
        info.add_text(k, v if isinstance(v, str) else json.dumps(v))
    PICTURE.save(HERE / f"{name}.png", pnginfo=info)


def sampler(**inputs):
    return {"class_type": "KSampler", "inputs": {
        "seed": 2**63 + 5, "steps": 20, "cfg": 7.5, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0,
        "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0], **inputs}}


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


SIMPLE = {
    "3": sampler(),
    "4": node("CheckpointLoaderSimple", ckpt_name="SD1.5\\v1-5-pruned.safetensors"),
    "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
    "6": node("CLIPTextEncode", text="a \"red\" cat 猫\nsleeping", clip=["4", 1]),
    "7": node("CLIPTextEncode", text="blurry", clip=["4", 1]),
    "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
    "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
}
# Two LoRAs, clip skip, a VAE of its own, text and seed in nodes of their own, a
# second pass over the upscaled latent.
LORAS = {
    **SIMPLE,
    "3": sampler(model=["11", 0], seed=["20", 0]),
    "4": {**SIMPLE["4"], "is_changed": [float("nan")]},
    "6": node("CLIPTextEncode", text=["21", 0], clip=["12", 0]),
    "7": node("CLIPTextEncode", text="", clip=["12", 0]),
    "8": node("VAEDecode", samples=["14", 0], vae=["15", 0]),
    "10": node("LoraLoader", lora_name="styles/ink.safetensors", strength_model=0.8, strength_clip=0.8, model=["4", 0], clip=["4", 1]),
    "11": node("LoraLoader", lora_name="hands.safetensors", strength_model=1.0, strength_clip=0.5, model=["10", 0], clip=["10", 1]),
    "12": node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["11", 1]),
    "13": node("LatentUpscaleBy", upscale_method="bislerp", scale_by=1.5, samples=["3", 0]),
    "14": sampler(model=["11", 0], seed=["20", 0], steps=12, denoise=0.5, sampler_name="euler_ancestral", scheduler="normal", latent_image=["13", 0]),
    "15": node("VAELoader", vae_name="vae-ft-mse.safetensors"),
    "20": node("PrimitiveInt", value=42),
    "21": node("StringMultiline", string="ink drawing"),
}
# The parts of a sampler as nodes, SDXL's two texts, joined conditionings.
CUSTOM = {
    "1": node("SamplerCustomAdvanced", noise=["2", 0], guider=["3", 0], sampler=["4", 0], sigmas=["5", 0], latent_image=["6", 0]),
    "2": node("RandomNoise", noise_seed=77),
    "3": node("CFGGuider", cfg=5, model=["7", 0], positive=["8", 0], negative=["9", 0]),
    "4": node("KSamplerSelect", sampler_name="uni_pc"),
    "5": node("BasicScheduler", scheduler="sgm_uniform", steps=8, denoise=1, model=["7", 0]),
    "6": node("EmptyLatentImage", width=1024, height=1024, batch_size=2),
    "7": node("ModelSamplingDiscrete", sampling="v_prediction", zsnr=True, model=["10", 0]),
    "8": node("ConditioningConcat", conditioning_to=["11", 0], conditioning_from=["12", 0]),
    "9": node("ConditioningZeroOut", conditioning=["11", 0]),
    "10": node("UNETLoader", unet_name="sdxl.safetensors"),
    "11": node("CLIPTextEncodeSDXL", text_g="a cat", text_l="a cat", clip=["13", 0]),
    "12": node("CLIPTextEncode", text="a dog", clip=["13", 0]),
    "13": node("DualCLIPLoader", clip_name1="a", clip_name2="b"),
    "14": node("VAEDecode", samples=["1", 0], vae=["15", 0]),
    "15": node("VAELoader", vae_name="x.safetensors"),
    "16": node("PreviewImage", images=["14", 0]),
}

PICTURE.save(HERE / "a1111.jpg", exif=exif("UserComment", INFOTEXT))
PICTURE.save(HERE / "a1111.webp", exif=exif("UserComment", INFOTEXT))
PICTURE.save(HERE / "little.jpg", exif=exif("UserComment", INFOTEXT, "utf-16-le"))
PICTURE.save(HERE / "none.jpg")
PICTURE.save(HERE / "none.webp")
PICTURE.save(HERE / "comfy.webp", exif=exif("Model", "prompt:" + json.dumps(SIMPLE)))
png("comfy", prompt=SIMPLE, workflow={"nodes": []})
png("comfy_loras", prompt=LORAS)
png("comfy_custom", prompt=CUSTOM)
png("comfy_cycle", prompt={"1": node("SaveImage", images=["2", 0]), "2": sampler(
    model=["2", 0], positive=["3", 0], negative=["3", 0], latent_image=["2", 0], seed=["2", 0]),
    "3": node("ConditioningCombine", conditioning_1=["3", 0], conditioning_2=["3", 0])})
png("comfy_none", prompt={"1": node("LoadImage", image="x.png")})
png("invoke", invokeai_metadata={
    "positive_prompt": "a cat", "negative_prompt": "bad", "width": 512, "height": 640, "seed": 12, "rand_device": "cpu",
    "cfg_scale": 6.5, "steps": 30, "scheduler": "dpmpp_2m_k", "clip_skip": 1,
    "model": {"name": "sdxl", "hash": "blake3:0"}, "vae": None,
    "loras": [{"model": {"name": "ink"}, "weight": 0.75}], "controlnets": [{}]})
png("novel", Title="AI generated image", Description="a cat", Software="NovelAI", Source="Stable Diffusion 1D44365E", Comment={
    "steps": 28, "sampler": "k_euler_ancestral", "seed": 4032454211, "strength": 0.7, "noise": 0.2, "scale": 11.0,
    "uc": "lowres", "noise_schedule": "karras"})
