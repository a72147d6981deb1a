"""Writes golden.safetensors with Python's safetensors: one tensor of every
format that PyTorch has, a scalar, an empty one, and names that need care.

    python make_golden.py              write the golden file
    python make_golden.py check FILE   compare FILE, written by Go, with it
"""

import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8,
    "F8_E5M2": torch.float8_e5m2, "F8_E4M3": torch.float8_e4m3fn,
    "I16": torch.int16, "U16": torch.uint16, "F16": torch.float16, "BF16": torch.bfloat16,
    "I32": torch.int32, "U32": torch.uint32, "F32": torch.float32,
    "C64": torch.complex64, "F64": torch.float64, "I64": torch.int64, "U64": torch.uint64,
}


def tensors():
    out = {}
    for name, dtype in DTYPES.items():
        size = torch.tensor([], dtype=dtype).element_size()
        raw = torch.arange(6 * size, dtype=torch.uint8)
        if dtype == torch.bool:
            raw = raw % 2
        out["every." + name] = raw.view(dtype).reshape(2, 3)
    out["scalar"] = torch.tensor(1.5)
    out["empty"] = torch.zeros(0, 4)
    out['"quoted" <ünïcode> & \\ 🎨'] = torch.tensor([-1.0, 2.5], dtype=torch.bfloat16)
    return out


if len(sys.argv) == 3:
    with safe_open("golden.safetensors", "pt") as want, safe_open(sys.argv[2], "pt") as got:
        assert want.keys() == got.keys() and want.metadata() == got.metadata()
        for k in want.keys():
            w, g = want.get_tensor(k), got.get_tensor(k)
            assert w.dtype == g.dtype and w.shape == g.shape, k
            assert w.flatten().view(torch.uint8).equal(g.flatten().view(torch.uint8)) if w.dim() else w == g, k
    print("same tensors")
else:
    save_file(tensors(), "golden.safetensors", {"format": "pt"})
