"""DoRAs for the small Stable Diffusion 1 of make_golden.py, as PEFT and as kohya's
programs name them, and what the U-Net with PEFT's layers computes.

    python app/library/lora/testdata/make_dora_golden.py

Made with diffusers 0.42.1, PEFT 0.21.2 and torch 2.15.0. What PEFT does not have
(magnitudes of the columns, DoRA over LoHa, part of a strength) is computed here from
the definition W₀ + s·(m·V/‖V‖ − W₀), V = W₀ + ΔW.
"""
import copy
import pathlib

import peft
import torch
from diffusers import UNet2DConditionModel
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
LINEAR, CONV = ["attn1.to_q", "attn2.to_k", "ff.net.2", "time_emb_proj"], ["conv1", "conv_shortcut", "downsamplers.0.conv"]
torch.manual_seed(5)
unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(HERE / "sd1/unet")).eval()
unet.load_state_dict({k: v.float() for k, v in load_file(HERE / "sd1/unet/model.safetensors").items()})
inputs = load_file(HERE / "golden.safetensors")
golden = {}


@torch.no_grad()
def record(name, model):
    x = inputs["sd1.x"].permute(0, 3, 1, 2)
    y = model(x, torch.tensor([3.0, 871.0]), encoder_hidden_states=inputs["sd1.cond"]).sample
    golden[f"sd1.{name}.y"] = y.permute(0, 2, 3, 1).contiguous()


def half(x):
    return x.detach().half().float()


record("base", unet)
torch.testing.assert_close(golden["sd1.base.y"], inputs["sd1.base.y"])  # the weights and inputs are those
del golden["sd1.base.y"]

model = copy.deepcopy(unet)
model.add_adapter(peft.LoraConfig(r=3, lora_alpha=6, use_dora=True, target_modules=LINEAR + CONV), "made")
for name, p in model.named_parameters():
    if "lora_magnitude_vector" in name:
        p.data = half(p.data * (1 + 0.3 * torch.randn_like(p)))
    elif "lora_" in name:
        p.data = half(torch.randn_like(p) * 0.3)
record("sd1_dora_peft", model)
layers = {k: v.half().contiguous() for k, v in get_peft_model_state_dict(model, adapter_name="made").items()}
files = {"sd1_dora_peft": {"unet." + k: v for k, v in layers.items()}}
alphas = {k.rpartition(".lora_A")[0]: torch.tensor(6.0) for k in layers if ".lora_A" in k}
files["sd1_dora_peft"] |= {"unet." + k + ".alpha": v for k, v in alphas.items()}

kohya = {}
for key, v in layers.items():
    layer, _, factor = key.rpartition(".lora_magnitude_vector") if "magnitude" in key else key.partition(".lora_")
    name = "lora_unet_" + layer.replace(".", "_")
    if "magnitude" in key:
        w = unet.get_submodule(layer).weight
        kohya[name + ".dora_scale"] = v.reshape(-1, *[1] * (w.dim() - 1))
    else:
        kohya[f"{name}.lora_{'down' if factor.startswith('A') else 'up'}.weight"] = v
    kohya[name + ".alpha"] = torch.tensor(6.0)
files["sd1_dora"] = kohya


def change(model, layer, delta, m, strength=1.0, dims=None):
    """W₀ becomes W₀ + s·(m·V/‖V‖ − W₀), the norm over dims."""
    w = model.get_submodule(layer).weight
    v = w.data + delta.reshape(w.shape)
    w.data += strength * (m.float() * v / torch.linalg.vector_norm(v, dim=dims, keepdim=True) - w.data)


def delta_of(layer, scale):
    name = "lora_unet_" + layer.replace(".", "_")
    up, down = kohya[name + ".lora_up.weight"].float(), kohya[name + ".lora_down.weight"].float()
    return scale * up.flatten(1) @ down.flatten(1)


found = sorted(alphas)
for label, strength in [("whole", 1.0), ("part", 0.4)]:
    model = copy.deepcopy(unet)
    for layer in found:
        w = model.get_submodule(layer).weight
        m = kohya["lora_unet_" + layer.replace(".", "_") + ".dora_scale"]
        change(model, layer, delta_of(layer, 2.0), m, strength, tuple(range(1, w.dim())))
    record(label, model)
# The definition is PEFT's.
torch.testing.assert_close(golden.pop("sd1.whole.y"), golden["sd1.sd1_dora_peft.y"], rtol=1e-5, atol=1e-5)
golden["sd1.sd1_dora_part.y"] = golden.pop("sd1.part.y")

# Magnitudes of the columns, and of LoHa.
model, columns, loha, hada = copy.deepcopy(unet), {}, copy.deepcopy(unet), {}
for layer in found:
    w = unet.get_submodule(layer).weight
    name = "lora_unet_" + layer.replace(".", "_")
    dims = (0, *range(2, w.dim()))
    m = (torch.linalg.vector_norm(w, dim=dims, keepdim=True) * (1 + 0.3 * torch.randn(1, w.shape[1], *[1] * (w.dim() - 2)))).detach().half()
    columns |= {k: v for k, v in kohya.items() if k.startswith(name + ".")} | {name + ".dora_scale": m}
    change(model, layer, delta_of(layer, 2.0), m, dims=dims)
    o, i = w.shape[0], w[0].numel()
    parts = {k: torch.randn(*s).mul(0.5).half() for k, s in
             {"hada_w1_a": (o, 2), "hada_w1_b": (2, i), "hada_w2_a": (o, 2), "hada_w2_b": (2, i)}.items()}
    m = kohya[name + ".dora_scale"]
    hada |= {f"{name}.{k}": v for k, v in parts.items()} | {name + ".dora_scale": m, name + ".alpha": torch.tensor(1.0)}
    a, b, c, d = (v.float() for v in parts.values())
    change(loha, layer, 0.5 * (a @ b) * (c @ d), m, dims=tuple(range(1, w.dim())))
record("sd1_dora_columns", model)
record("sd1_dora_loha", loha)
files |= {"sd1_dora_columns": columns, "sd1_dora_loha": hada}
for name, tensors in files.items():
    save_file({k: v.half().contiguous().clone() for k, v in tensors.items()}, HERE / f"{name}.safetensors")
save_file(golden, HERE / "golden_dora.safetensors")
