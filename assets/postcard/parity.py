"""Does Latent paint what diffusers paints? Opens a model folder with diffusers,
generates in float32 from the noise of the same seed, and prints the PSNR of a
PNG against it:

    latent generate --model assets/model --prompt "a red apple" --negative "" \\
        --cfg 4 --steps 20 --seed 7 --precision f32 --out apple.png
    python assets/postcard/parity.py assets/model apple.png

Prompt, steps, guidance, seed and size are read from the recipe in the PNG. The
exit code is 1 below 45 dB. Needs torch, diffusers, transformers and pillow.
"""
import argparse
import math
import re

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, StableDiffusionPipeline
from PIL import Image

LIMIT = 45  # dB


def recipe(parameters):
    """The fields of an infotext: the last line, and the prompts before it."""
    text, _, last = parameters.rpartition("\n")
    fields = dict(re.findall(r'([\w ]+): ("(?:\\.|[^"])*"|[^,]*)(?:, |$)', last))
    prompt, _, negative = text.partition("\nNegative prompt: ") if "\nNegative prompt: " in text else (text, "", "")
    return prompt, negative, fields


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a diffusers model folder")
    parser.add_argument("picture", help="a PNG that latent generate made with it")
    parser.add_argument("--out", help="write diffusers' picture here")
    args = parser.parse_args()

    image = Image.open(args.picture)
    prompt, negative, fields = recipe(image.info["parameters"])
    width, height = map(int, fields["Size"].split("x"))

    pipe = StableDiffusionPipeline.from_pretrained(args.model, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    scheduler = {"DDIM": DDIMScheduler, "DDPM": DDPMScheduler}[fields["Sampler"]]
    pipe.scheduler = scheduler.from_config(pipe.scheduler.config)
    want = pipe(
        prompt, negative_prompt=negative, num_inference_steps=int(fields["Steps"]),
        guidance_scale=float(fields["CFG scale"]), eta=float(fields.get("Eta DDIM", 0)), width=width, height=height,
        generator=torch.Generator("cpu").manual_seed(int(fields["Seed"])), output_type="np",
    ).images[0]
    want = np.round(want * 255)
    if args.out:
        Image.fromarray(want.astype(np.uint8)).save(args.out)

    off = np.asarray(image.convert("RGB"), dtype=np.float64) - want
    mse = (off**2).mean()
    psnr = 10 * math.log10(255**2 / mse) if mse else math.inf
    print(f"{prompt!r}, {fields['Steps']} steps of {fields['Sampler']}, guidance {fields['CFG scale']}, seed {fields['Seed']}:")
    print(f"PSNR {psnr:.1f} dB; {(off != 0).mean():.2%} of the values differ, by at most {abs(off).max():.0f}")
    return 0 if psnr >= LIMIT else 1


if __name__ == "__main__":
    raise SystemExit(main())
