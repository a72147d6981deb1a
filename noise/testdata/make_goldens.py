"""Writes torch.json and philox.json, the goldens of package noise.

    python make_goldens.py     # needs torch (CPU) and numpy

torch.json is drawn with torch itself. philox.json is not drawn on a GPU: it
comes from the numpy implementation of Philox4x32-10 and cuRAND's Box-Muller
below, written from the papers independently of the Go code.
"""
import json
import pathlib

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
SEEDS = [0, 1, 42, 2**32 + 42, 2**63 + 12345]


def draw(n, values):
    """A draw of n numbers; of a long one, every 37th is kept."""
    stride = 37 if n > 1000 else 1
    return {"n": n, "stride": stride, "values": [float(v) for v in values[::stride]]}


def torch_draws():
    # Odd short draws leave a number in the cache for the next short draw.
    sizes = [1, 2, 15, 16, 17, 100, 3, 4 * 64 * 64, 1, 31, 7]
    cases = []
    for seed in SEEDS:
        gen = torch.Generator("cpu").manual_seed(seed)
        cases.append({"seed": str(seed), "draws": [draw(n, torch.randn(n, generator=gen)) for n in sizes]})
    gen = torch.Generator("cpu").manual_seed(7)
    h, w, c = 5, 3, 4
    nhwc = torch.randn(1, c, h, w, generator=gen).permute(0, 2, 3, 1).flatten()
    return {"torch": torch.__version__, "cases": cases,
            "latent": {"seed": "7", "h": h, "w": w, "c": c, "values": nhwc.tolist()}}


def philox4x32_10(counter, key):
    c = [counter[:, i].astype(np.uint64) for i in range(4)]
    k0, k1 = key
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), b & low,
             (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), a & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def philox_randn(seed, call, n):
    counter = np.zeros((n, 4), np.uint32)
    counter[:, 0] = call
    counter[:, 2] = np.arange(n)
    x = philox4x32_10(counter, (seed & 0xFFFFFFFF, seed >> 32))
    u = (x[0].astype(np.float64) + 0.5) / 2**32
    v = (x[1].astype(np.float64) + 0.5) / 2**32
    return (np.sqrt(-2 * np.log(u)) * np.sin(2 * np.pi * v)).astype(np.float32)


def philox_draws():
    sizes = [1, 2, 15, 16, 17, 100, 4 * 64 * 64, 5]
    return {"cases": [{"seed": str(seed), "draws": [draw(n, philox_randn(seed, call, n)) for call, n in enumerate(sizes)]}
                      for seed in SEEDS]}


for name, golden in [("torch.json", torch_draws()), ("philox.json", philox_draws())]:
    (HERE / name).write_text(json.dumps(golden, separators=(",", ":")) + "\n")
