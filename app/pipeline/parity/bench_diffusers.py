"""Times a step and a decode of Stable Diffusion 1.5's size in diffusers on PyTorch's
CPU, turn by turn with Latent's in one run. Weights are random on both sides.

    python bench_diffusers.py --latent ../../../bin/latent-headless [--rounds 3] [--variants ...]

A step is the U-Net on two latents of 64x64, as guidance wants it; a decode makes one
picture of 512x512. Every round takes each variant and Latent in turn, the best of
three runs each; the table has the median and the best of the rounds, and the processor
time of the best one, which other programs disturb less.
"""

import argparse
import json
import resource
import statistics
import subprocess
import time

import diffusers
import torch

VARIANTS = {
    "bf16 eager": (torch.bfloat16, False),
    "bf16 compiled": (torch.bfloat16, True),
    "f32 eager": (torch.float32, False),
    "f32 compiled": (torch.float32, True),
}


def empty(make, dtype):
    with torch.device("meta"):
        m = make()
    m = m.to(dtype).to_empty(device="cpu").eval()
    for p in m.parameters():
        p.uniform_(-0.02, 0.02) if p.ndim > 1 else p.fill_(1)
    return m.to(memory_format=torch.channels_last)


def unet():
    down, up = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    return diffusers.UNet2DConditionModel(
        sample_size=64, cross_attention_dim=768, attention_head_dim=8,
        down_block_types=(down, down, down, "DownBlock2D"), up_block_types=("UpBlock2D", up, up, up))


def vae():
    return diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)


class Rival:
    def __init__(self, dtype, compiled):
        self.unet, self.vae = empty(unet, dtype), empty(vae, dtype)
        self.vae.encoder = None
        self.x = torch.randn(2, 4, 64, 64, dtype=dtype).to(memory_format=torch.channels_last)
        self.cond = torch.randn(2, 77, 768, dtype=dtype)
        self.z = torch.randn(1, 4, 64, 64, dtype=dtype).to(memory_format=torch.channels_last)
        self.t = torch.tensor(500)
        if compiled:
            self.unet = torch.compile(self.unet)
            self.vae.decode = torch.compile(self.vae.decode)

    def step(self):
        self.unet(self.x, self.t, self.cond)

    def decode(self):
        self.vae.decode(self.z)


def timed(f):
    """The best of three, as latent bench has it: seconds by the clock, of processor time."""
    times = []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        f()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(times)


def row(name, times):
    wall = [w for w, _ in times]
    best = min(times)
    return f"{name:28s}{statistics.median(wall):8.2f} s{best[0]:8.2f} s{best[1]:8.2f} s"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--latent", required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    p.add_argument("--prefix", nargs="*", default=[], help="what to start Latent with, such as: nice -n 5")
    args = p.parse_args()
    torch.manual_seed(0)
    steps, decodes = {}, {}
    with torch.inference_mode():
        rivals = {v: Rival(*VARIANTS[v]) for v in args.variants}
        for r in rivals.values():  # kernels are prepared, weights reordered
            r.step(), r.decode()
        for i in range(args.rounds):
            for name, r in rivals.items():
                steps.setdefault(name, []).append(timed(r.step))
                decodes.setdefault(name, []).append(timed(r.decode))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            out = json.loads(subprocess.run(
                args.prefix + [args.latent, "bench", "--arch", "sd15", "--json"], check=True, capture_output=True).stdout)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            m = out["model"]
            steps.setdefault("Latent", []).append((m["step"]["ms"] / 1000, float("nan")))
            decodes.setdefault("Latent", []).append((m["decode"]["ms"] / 1000, float("nan")))
            print(f"round {i + 1}: Latent {m['step']['ms']:.0f} ms a step, {100 * m['step']['share']:.0f} % of the peak, "
                  f"{m['decode']['ms']:.0f} ms a decode, {m['peak_memory_mb']:.0f} MB, "
                  f"{after.ru_utime - before.ru_utime:.1f} s of processor time in all", flush=True)
    print(f"torch {torch.__version__}, diffusers {diffusers.__version__}, {torch.get_num_threads()} threads")
    for what, table in (("step", steps), ("decode", decodes)):
        print(f"{what:28s}{'median':>10s}{'best':>10s}{'cpu':>10s}")
        for name, times in table.items():
            print(row(name, times))
        best = {n: min(w for w, _ in t) for n, t in table.items()}
        rival = min(v for n, v in best.items() if n != "Latent")
        print(f"Latent is {rival / best['Latent']:.2f} times as fast as the best of them\n")


if __name__ == "__main__":
    main()
