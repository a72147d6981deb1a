"""What spandrel's ESRGAN makes of a picture with small networks under the three sets of
names that files have. Weights are computed from their index, here and in the test, so
that only names and shapes need be kept.

    python make_golden.py      (spandrel 0.4.2, torch 2.15.0)
"""
import json
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from spandrel.architectures.ESRGAN import ESRGANArch

here = pathlib.Path(__file__).parent
torch.manual_seed(0)
torch.set_grad_enabled(False)
WIDTH, GROWTH, BLOCKS = 8, 32, 2  # spandrel takes any width, but no other growth


def value(seed, shape, scale):
    """scale times a number of [-1,1) for each element: a hash of its index."""
    i = np.arange(np.prod(shape), dtype=np.uint32) * np.uint32(2654435761) + np.uint32(seed * 40503)
    i ^= i >> np.uint32(15)
    i *= np.uint32(2246822519)
    i ^= i >> np.uint32(13)
    v = (i >> np.uint32(8)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)
    return torch.from_numpy(v * np.float32(scale)).reshape(shape)


def layers(doubling, shuffle):
    """Names of Real-ESRGAN, inputs and outputs."""
    yield "conv_first", 3 * shuffle**2, WIDTH
    for b in range(BLOCKS):
        for r in range(1, 4):
            for k in range(5):
                yield f"body.{b}.rdb{r}.conv{k + 1}", WIDTH + k * GROWTH, WIDTH if k == 4 else GROWTH
    yield "conv_body", WIDTH, WIDTH
    for d in range(doubling):
        yield f"conv_up{d + 1}", WIDTH, WIDTH
    yield "conv_hr", WIDTH, WIDTH
    yield "conv_last", WIDTH, 3


def middle(name, doubling):
    """The names of the first ESRGAN's code, as published."""
    for new, old in {"body.": "RRDB_trunk.", ".rdb": ".RDB", "conv_body": "trunk_conv", "conv_up": "upconv", "conv_hr": "HRconv"}.items():
        name = name.replace(new, old) if name != "conv_body" or new == "conv_body" else name
    return name


def first(name, doubling):
    """The names of the first ESRGAN's files: numbers of layers."""
    table = {"conv_first": "model.0", "conv_body": f"model.1.sub.{BLOCKS}"}
    table |= {f"conv_up{d + 1}": f"model.{3 * d + 3}" for d in range(doubling)}
    table |= {"conv_hr": f"model.{3 * doubling + 2}", "conv_last": f"model.{3 * doubling + 4}"}
    if name in table:
        return table[name]
    _, b, r, c = name.split(".")
    return f"model.1.sub.{b}.RDB{r[-1]}.{c}.0"


x = torch.rand(1, 3, 6, 10)
golden, files = {"x": x.permute(0, 2, 3, 1).contiguous()}, {}
for name, doubling, shuffle, rename in [
    ("real_x4", 2, 1, None), ("real_x2", 2, 2, None), ("middle_x4", 2, 1, middle),
    ("first_x4", 2, 1, first), ("first_x2", 1, 1, first), ("first_x1", 0, 1, first),
]:
    rows = []
    for layer, i, o in layers(doubling, shuffle):
        stem = rename(layer, doubling) if rename else layer
        rows.append([stem + ".weight", [o, i, 3, 3], len(rows), 2.2 * (9 * i) ** -0.5])
        rows.append([stem + ".bias", [o], len(rows), 0.1])
    state = {key: value(seed, shape, scale) for key, shape, seed, scale in rows}
    net = ESRGANArch().load(dict(state))
    y = net.model.eval()(x)
    print(name, net.scale, tuple(y.shape), f"{y.mean():.3f} ± {y.std():.3f}")
    golden[name] = y.permute(0, 2, 3, 1).contiguous()
    files[name] = rows
save_file(golden, here / "golden.safetensors")
(here / "files.json").write_text("{\n" + ",\n".join(f'"{k}": {json.dumps(v, separators=(",", ":"))}' for k, v in files.items()) + "\n}\n")
