"""Writes goldens.json: tables and trajectories of diffusers' schedulers.

    python make_goldens.py     # needs torch, diffusers and scipy

diffusers computes its tables in float32. To compare more than four digits, its
modules are shown float64 wherever they name float32 (see Precise); each
trajectory is also run as it is and must come out the same but for rounding.

The model of the trajectories is made up (see model below), and so is the noise
(see noise), which replaces what a scheduler draws.
"""
import contextlib
import itertools
import json
import math
import pathlib
import sys

import diffusers
import numpy as np
import torch
from diffusers import (
    DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, DPMSolverSDEScheduler,
    EulerAncestralDiscreteScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler, LCMScheduler, PNDMScheduler,
    TCDScheduler, UniPCMultistepScheduler)

diffusers.logging.set_verbosity_error()
STEPS = 6
X0, Z = -0.8, 1.1  # a latent, and the noise that trajectories start with
TABLE_TIMESTEPS = [0, 1, 10, 100, 250, 500, 750, 900, 990, 998, 999]
SD = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
SPACINGS = ["leading", "trailing", "linspace"]
SIGMAS = ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]
WHOLE = (DPMSolverMultistepScheduler, UniPCMultistepScheduler)  # truncate timesteps


class Precise:
    """A module that calls float64 float32."""

    def __init__(self, module):
        self.module, self.float32 = module, module.float64

    def __getattr__(self, name):
        return getattr(self.module, name)


@contextlib.contextmanager
def precise(cls):
    module = sys.modules[cls.__module__]
    torch.set_default_dtype(torch.float64)
    module.torch, module.np = Precise(torch), Precise(np)
    yield
    module.torch, module.np = torch, np
    torch.set_default_dtype(torch.float32)


def model(x, t):
    return 0.6 * x * math.cos(t / 300) + 0.4 * math.sin(t / 100)


def noise(call):
    return torch.tensor([[1.2 * math.sin(1.7 * call + 1)]])


class Brownian:
    """The increments that DPMSolverSDEScheduler asks its tree for, two for each
    interval: over its first part, then over all of it."""

    def __init__(self):
        self.calls = 0

    def __call__(self, sigma, to):
        call, self.calls = self.calls, self.calls + 1
        if call % 2 == 0:
            self.middle = to
            return noise(call)
        first, second = sigma - self.middle, self.middle - to
        return (first.sqrt() * noise(call - 1) + second.sqrt() * noise(call)) / (first + second).sqrt()


def run(cls, make, steps, eta, strength, known, timesteps=None):
    """Runs a scheduler and returns its timesteps, x after each call of the model,
    and before each call what inpainting would put into known regions."""
    s = make()
    calls = -1
    sys.modules[cls.__module__].randn_tensor = lambda *_, **__: noise(calls)
    s.set_timesteps(steps)
    if timesteps is not None:
        s.timesteps = timesteps
    x0, z = torch.tensor([[X0]]), torch.tensor([[Z]])
    todo = s.timesteps
    x = z * s.init_noise_sigma
    skip = (steps - int(steps * (strength or 1))) * s.order
    todo = todo[skip:]
    if hasattr(s, "set_begin_index"):  # else a repeated first timestep would be taken for the second
        s.set_begin_index(skip)
    if strength:
        x = s.add_noise(x0, z, todo[:1])
    if cls is DPMSolverSDEScheduler:
        s.noise_sampler = Brownian()
    xs, knowns = [], []
    for t in todo:
        calls += 1
        if known:
            knowns.append(s.add_noise(x0, z, t[None]).item())
        kwargs = {"eta": eta} if cls in (DDIMScheduler, TCDScheduler) and eta is not None else {}
        x = s.step(model(s.scale_model_input(x, t), float(t)), t, x, **kwargs).prev_sample
        xs.append(x.item())
    return {"timesteps": rounded(todo.tolist(), 7), "x": xs} | ({"known": knowns} if known else {}), s.timesteps


def trajectory(sampler, cls, config, steps=STEPS, eta=None, strength=None, known=False):
    """config is the arguments of the class, or with a _class_name the file of any."""
    def make():
        if "_class_name" in config:
            file = getattr(diffusers, config["_class_name"]).from_config(config)
            return cls.from_config(file.config)
        return cls(**config)
    real, timesteps = run(cls, make, steps, eta, strength, known)
    with precise(cls):
        # Truncation hangs on the last bit, so whole timesteps stay as they are.
        got, _ = run(cls, make, steps, eta, strength, known, timesteps if cls in WHOLE else None)
    np.testing.assert_allclose(got["x"], real["x"], rtol=1e-4, atol=1e-4, equal_nan=False)
    case = {"sampler": sampler, "config": {"_class_name": cls.__name__} | config, "steps": steps}
    return case | ({"eta": eta} if eta else {}) | ({"strength": strength} if strength else {}) | got


def trajectories():
    epsilon, v, sample = ({"prediction_type": p} for p in ["epsilon", "v_prediction", "sample"])
    spacings = [{"timestep_spacing": s, "steps_offset": 1} for s in SPACINGS]
    falls = [{s: True} for s in SIGMAS]
    fine = {"clip_sample": False, "set_alpha_to_one": False}
    trailing = {"timestep_spacing": "trailing"}
    zero = trailing | {"rescale_betas_zero_snr": True}

    for p, s, eta in itertools.product([epsilon, v, sample], spacings, [0.0, 0.5]):
        yield trajectory("ddim", DDIMScheduler, SD | p | s | fine, eta=eta)
    for p, s, large in itertools.product([epsilon, v, sample], spacings, ["fixed_small", "fixed_large"]):
        yield trajectory("ddpm", DDPMScheduler, SD | p | s | {"clip_sample": False, "variance_type": large})
    for p in [epsilon, v, sample]:  # clipping, another schedule, a number of steps that does not divide T
        yield trajectory("ddim", DDIMScheduler, {"beta_schedule": "squaredcos_cap_v2"} | p, steps=7, eta=1.0)
        yield trajectory("ddpm", DDPMScheduler, {"clip_sample_range": 0.7} | p, steps=7)
    for p, s in itertools.product([epsilon, v], spacings):
        yield trajectory("plms", PNDMScheduler, SD | p | s | {"skip_prk_steps": True})

    karras = [("euler", EulerDiscreteScheduler), ("heun", HeunDiscreteScheduler), ("dpmpp_sde", DPMSolverSDEScheduler)]
    for (name, cls), p, s in itertools.product(karras, [epsilon, v, sample], spacings + falls):
        if name != "dpmpp_sde" or p != sample:
            yield trajectory(name, cls, SD | p | s)
    for p, s in itertools.product([epsilon, v], spacings):
        yield trajectory("euler_a", EulerAncestralDiscreteScheduler, SD | p | s)
    yield trajectory("heun", HeunDiscreteScheduler, SD | {"clip_sample": True, "clip_sample_range": 0.7})
    yield trajectory("euler", EulerDiscreteScheduler, SD | falls[0] | spacings[0])
    yield trajectory("euler", EulerDiscreteScheduler, SD | falls[0] | {"sigma_min": 0.1, "sigma_max": 10.0})

    solvers = [("dpmpp_2m", DPMSolverMultistepScheduler, {}),
               ("dpmpp_2m_sde", DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
               ("unipc", UniPCMultistepScheduler, {})]
    for (name, cls, kind), p, s in itertools.product(solvers, [epsilon, v, sample], spacings + falls):
        yield trajectory(name, cls, SD | kind | p | s)
    for (name, cls, kind), s in itertools.product(solvers, [{}, falls[0]]):  # no longer short
        yield trajectory(name, cls, SD | kind | v | s, steps=16)
    for name, cls, kind in solvers[:2]:
        yield trajectory(name, cls, SD | kind | {"solver_type": "heun"})
        yield trajectory(name, cls, SD | kind | {"euler_at_final": True, "final_sigmas_type": "sigma_min"}, steps=16)
        yield trajectory(name, cls, SD | kind | {"lower_order_final": False, "final_sigmas_type": "sigma_min"})
        yield trajectory(name, cls, kind | {"beta_schedule": "squaredcos_cap_v2"} | falls[0])
    last = {"final_sigmas_type": "sigma_min"}  # at σ = 0 bh1 gives NaN in diffusers
    for s in [{"solver_order": 3}, {"solver_order": 3} | falls[0], {"solver_order": 3, "solver_type": "bh1"} | last,
              {"solver_order": 1}, {"solver_type": "bh1"} | last, last,
              {"solver_order": 3, "lower_order_final": False} | last]:
        yield trajectory("unipc", UniPCMultistepScheduler, SD | s | v, steps=8)
    for name, cls in [("euler", EulerDiscreteScheduler), ("euler_a", EulerAncestralDiscreteScheduler),
                      ("dpmpp_2m", DPMSolverMultistepScheduler), ("unipc", UniPCMultistepScheduler)]:
        for p in [epsilon, v]:
            yield trajectory(name, cls, SD | p | zero)
    yield trajectory("euler", EulerDiscreteScheduler, SD | v | {"final_sigmas_type": "sigma_min"} | trailing)
    for p in [v, sample]:
        yield trajectory("ddim", DDIMScheduler, SD | p | zero | {"clip_sample": False}, eta=0.5)

    for p in [epsilon, v, sample]:
        for steps in [1, 4]:
            yield trajectory("lcm", LCMScheduler, p, steps=steps)
        for eta in [None, 0.8]:
            yield trajectory("tcd", TCDScheduler, p, steps=4, eta=eta)
    yield trajectory("lcm", LCMScheduler, {"clip_sample": True, "clip_sample_range": 0.7, "timestep_scaling": 0.01}, steps=3)

    # Files of other classes, as they come with models, and known regions.
    common = {"num_train_timesteps": 1000, "trained_betas": None, "skip_prk_steps": True} | SD | fine
    files = [{"_class_name": "PNDMScheduler", "steps_offset": 1} | common,
             {"_class_name": "DDIMScheduler", "steps_offset": 1} | common | v,
             {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading", "steps_offset": 1,
              "use_karras_sigmas": False, "interpolation_type": "linear"} | common]
    for file in files:
        for name, cls in [("ddim", DDIMScheduler), ("plms", PNDMScheduler), ("euler_a", EulerAncestralDiscreteScheduler),
                          ("lcm", LCMScheduler), ("tcd", TCDScheduler)] + karras + [s[:2] for s in solvers[::2]]:
            yield trajectory(name, cls, file, steps=5, known=True)
    for strength in [0.5, 0.99]:
        for name, cls in [("ddim", DDIMScheduler), ("euler_a", EulerAncestralDiscreteScheduler),
                          ("lcm", LCMScheduler)] + karras + [s[:2] for s in solvers[::2]]:
            yield trajectory(name, cls, files[0], strength=strength)


def config_of(scheduler, *keys):
    return {k: scheduler.config[k] for k in keys} | {"_class_name": type(scheduler).__name__}


def tables():
    for schedule, rescale in itertools.product(["linear", "scaled_linear", "squaredcos_cap_v2"], [False, True]):
        config = SD | {"beta_schedule": schedule, "rescale_betas_zero_snr": rescale}
        with precise(DDIMScheduler):
            s = DDIMScheduler(**config)
        yield {"config": config | {"_class_name": "DDIMScheduler"}, "timesteps": TABLE_TIMESTEPS,
               "betas": s.betas[TABLE_TIMESTEPS].tolist(), "alphas_cumprod": s.alphas_cumprod[TABLE_TIMESTEPS].tolist()}


def timesteps():
    for spacing, total in itertools.product(SPACINGS, [1000, 300]):
        config = {"num_train_timesteps": total, "timestep_spacing": spacing, "steps_offset": 1}
        s = DDIMScheduler(**config)
        for n in [2, 7, 10, 30, 48, 128]:
            s.set_timesteps(n)
            # By rounding, diffusers' trailing spacing sometimes adds timestep -1 after the last.
            yield {"config": config | {"_class_name": "DDIMScheduler"}, "steps": n, "timesteps": s.timesteps.tolist()[:n]}


def betas():
    """Quantiles of Beta(0.6, 0.6)."""
    import scipy.stats
    for u in [0, 1e-12, 1e-3, 0.05, 0.25, 0.5, 0.7, 0.95, 1 - 1e-6, 1]:
        yield {"share": u, "quantile": scipy.stats.beta.ppf(u, 0.6, 0.6)}


def rounded(value, digits):
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, list):
        return [rounded(v, digits) for v in value]
    return {k: rounded(v, digits) for k, v in value.items()} if isinstance(value, dict) else value


golden = {"diffusers": diffusers.__version__, "tables": rounded(list(tables()), 12), "timesteps": list(timesteps()),
          "betas": list(betas()), "trajectories": rounded(list(trajectories()), 10)}
path = pathlib.Path(__file__).parent / "goldens.json"
lines = json.dumps(golden, separators=(",", ":")).replace('{"sampler"', '\n{"sampler"')
path.write_text(lines + "\n")
print(len(golden["trajectories"]), "trajectories,", path.stat().st_size, "bytes")
