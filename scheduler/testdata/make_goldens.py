"""Writes goldens.json: tables and trajectories of diffusers' schedulers.

    python make_goldens.py     # needs torch and diffusers

The model of the trajectories is made up (see model below). The noise that a
scheduler draws is recorded, so that the reader needs no generator.
"""
import itertools
import json
import math
import pathlib

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler

SIZE, STEPS = 6, 10
TABLE_TIMESTEPS = [0, 1, 10, 100, 250, 500, 750, 900, 990, 998, 999]


def model(x, t):
    ramp = torch.arange(SIZE) / SIZE
    return 0.6 * x * math.cos(t / 300) + 0.8 * math.sin(t / 100) * ramp


def config_of(scheduler):
    return {k: v for k, v in scheduler.config.items() if not k.startswith("_")} | {
        "_class_name": type(scheduler).__name__}


def tables():
    for schedule, rescale in itertools.product(["linear", "scaled_linear", "squaredcos_cap_v2"], [False, True]):
        s = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule=schedule, rescale_betas_zero_snr=rescale)
        yield {"config": config_of(s), "timesteps": TABLE_TIMESTEPS,
               "betas": s.betas[TABLE_TIMESTEPS].tolist(), "alphas_cumprod": s.alphas_cumprod[TABLE_TIMESTEPS].tolist()}


def timesteps():
    for spacing, total in itertools.product(["leading", "trailing", "linspace"], [1000, 300]):
        s = DDIMScheduler(num_train_timesteps=total, timestep_spacing=spacing, steps_offset=1)
        for n in [2, 7, 10, 20, 30, 48, 128, 240]:
            s.set_timesteps(n)
            # By rounding, diffusers' trailing spacing sometimes adds timestep -1 after the last.
            yield {"config": config_of(s), "steps": n, "timesteps": s.timesteps.tolist()[:n]}


def trajectory(s, sampler, steps, eta):
    gen = torch.Generator().manual_seed(steps)
    x = torch.randn(1, SIZE, generator=gen)
    case = {"config": config_of(s), "sampler": sampler, "steps": steps, "eta": eta, "start": x[0].tolist(),
            "noise": [], "x": [], "x0": []}
    s.set_timesteps(steps)
    for t in s.timesteps:
        kwargs = {"eta": eta} if sampler == "ddim" else {}
        # The scheduler draws from its generator; draw the same numbers beside it.
        state = gen.get_state()
        out = s.step(model(x, int(t)), t, x, generator=gen, **kwargs)
        drawn = torch.Generator()
        drawn.set_state(state)
        case["noise"].append(torch.randn(SIZE, generator=drawn).tolist())
        x = out.prev_sample
        case["x"].append(x[0].tolist())
        case["x0"].append(out.pred_original_sample[0].tolist())
    return case


def trajectories():
    sd = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    predictions = ["epsilon", "v_prediction", "sample"]
    spacings = ["leading", "trailing", "linspace"]
    for prediction, spacing, eta in itertools.product(predictions, spacings, [0.0, 0.5]):
        s = DDIMScheduler(**sd, prediction_type=prediction, timestep_spacing=spacing, clip_sample=False,
                          steps_offset=1, set_alpha_to_one=False)
        yield trajectory(s, "ddim", STEPS, eta)
    for prediction, spacing, variance in itertools.product(predictions, spacings, ["fixed_small", "fixed_large"]):
        s = DDPMScheduler(**sd, prediction_type=prediction, timestep_spacing=spacing, clip_sample=False,
                          variance_type=variance, steps_offset=1)
        yield trajectory(s, "ddpm", STEPS, 0.0)
    for prediction in predictions:  # clipping, another schedule, a number of steps that does not divide T
        yield trajectory(DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type=prediction), "ddim", 7, 1.0)
        yield trajectory(DDPMScheduler(prediction_type=prediction, clip_sample_range=0.7), "ddpm", 7, 0.0)
    for prediction in ["v_prediction", "sample"]:  # from zero terminal SNR
        s = DDIMScheduler(**sd, prediction_type=prediction, timestep_spacing="trailing", rescale_betas_zero_snr=True,
                          clip_sample=False)
        yield trajectory(s, "ddim", STEPS, 0.5)


def rounded(value):
    """float32 has no more than nine digits to tell."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


golden = {"diffusers": diffusers.__version__, "tables": list(tables()), "timesteps": list(timesteps()),
          "trajectories": list(trajectories())}
path = pathlib.Path(__file__).parent / "goldens.json"
path.write_text(json.dumps(rounded(golden), separators=(",", ":")) + "\n")
