"""All numbers of torch's 8-bit formats, and what torch makes of them in float32.

    python gpu/half/testdata/make_golden.py
"""
import pathlib

import torch
from safetensors.torch import save_file

codes = torch.arange(256, dtype=torch.uint8)
golden = {}
for dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
    name = str(dtype).removeprefix("torch.")
    golden[name] = codes.clone().view(dtype)
    golden[name + ".f32"] = codes.view(dtype).float()
save_file(golden, pathlib.Path(__file__).parent / "float8.safetensors")
