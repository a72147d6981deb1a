"""Times a whole picture, from the start of the program to the PNG and from the loaded
model to the PNG, in diffusers on PyTorch's CPU and in Latent, turn by turn in one run.

    python bench_picture.py --latent ../../../bin/latent-headless --model DIR [--rounds 3]

DIR is what make.py sd15 made. 512x512, 20 steps of DDIM, guidance, bf16, channels last.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

PROMPT = "a photograph of an astronaut riding a horse, golden hour"
STEPS, SIDE, GUIDANCE, SEED = 20, 512, 7.5, 1


def rival(folder, out):
    """One picture by diffusers in this process; prints how long it took once loaded."""
    import diffusers
    import torch

    pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.bfloat16, safety_checker=None)
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    pipe.set_progress_bar_config(disable=True)
    start = time.perf_counter()
    pipe(PROMPT, num_inference_steps=STEPS, guidance_scale=GUIDANCE, width=SIDE, height=SIDE,
         generator=torch.Generator("cpu").manual_seed(SEED)).images[0].save(out)
    print(time.perf_counter() - start)


def run(command):
    start = time.perf_counter()
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - start, out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--latent", type=pathlib.Path)
    p.add_argument("--model", required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--rival", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.rival:
        return rival(args.model, args.rival)
    loaded, whole, ours = [], [], []
    with tempfile.TemporaryDirectory() as tmp:
        for i in range(args.rounds):
            seconds, out = run([sys.executable, __file__, "--model", args.model, "--rival", tmp + "/rival.png"])
            whole.append(seconds)
            loaded.append(float(out.split()[-1]))
            ours.append(run([
                args.latent, "generate", "--model", args.model, "--prompt", PROMPT, "--steps", str(STEPS), "--cfg", str(GUIDANCE),
                "--size", f"{SIDE}x{SIDE}", "--sampler", "ddim", "--seed", str(SEED), "--precision", "bf16", "--out", tmp + "/ours.png"])[0])
            print(f"round {i + 1}: diffusers {whole[-1]:.1f} s, {loaded[-1]:.1f} s once loaded; Latent {ours[-1]:.1f} s", flush=True)
    m = statistics.median
    print(f"medians: diffusers {m(whole):.1f} s, {m(loaded):.1f} s once loaded; Latent {m(ours):.1f} s from start to PNG: "
          f"{m(whole) / m(ours):.2f} and {m(loaded) / m(ours):.2f} times as fast")


if __name__ == "__main__":
    main()
