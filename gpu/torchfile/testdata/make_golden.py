"""Files of torch.save in its two formats, the same tensors in a safetensors file,
and files that want to run something.

    python gpu/torchfile/testdata/make_golden.py
"""
import argparse
import collections
import io
import os
import pathlib
import pickle
import zipfile

import numpy
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
torch.manual_seed(1)
base = torch.randn(6, 5)
tensors = collections.OrderedDict(
    f32=base, transposed=base.T, rows=base[2:5], column=base[:, 3], f16=base.half(), bf16=base.bfloat16(),
    f64=base.double(), i64=torch.arange(7), u8=torch.arange(5, dtype=torch.uint8), flags=torch.tensor([True, False]),
    scalar=torch.tensor(2.5), empty=torch.zeros(0, 3), parameter=torch.nn.Parameter(torch.randn(2, 3)),
    channels_last=torch.randn(1, 3, 4, 2).contiguous(memory_format=torch.channels_last),
)
model = torch.nn.Linear(3, 2)
value = {
    "state_dict": tensors, "global_step": 875000, "epoch": 3, "lr": 1e-4, "big": 2**70, "negative": -5, "none": None,
    "version": "1.4.2", "long": "x" * 300, "tuple": (1, 2, 3, 4), "set": {1, 2}, "shape": torch.Size([2, 3]),
    "dtype": torch.float16, "device": torch.device("cpu"), "numpy": numpy.float64(3), "bytes": b"\x00\xff",
    "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(2)}}}], "inner": {"more": {"x": torch.ones(2)}},
    "lists": [[1], []], "module": model.state_dict(),
}
torch.save(value, HERE / "zip.pt")
torch.save(value, HERE / "legacy.pt", _use_new_zipfile_serialization=False)
golden = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
golden |= {"inner.more.x": torch.ones(2)} | {"module." + k: v.clone() for k, v in model.state_dict().items()}
save_file(golden, HERE / "golden.safetensors")
# The 8-bit formats, in either format of the file.
eight = {str(d).removeprefix("torch."): torch.linspace(-3, 3, 10).reshape(2, 5).to(d) for d in (torch.float8_e4m3fn, torch.float8_e5m2)}
eight["scale"] = torch.tensor(0.25)
torch.save(eight, HERE / "eight.pt")
torch.save(eight, HERE / "eight_legacy.pt", _use_new_zipfile_serialization=False)
save_file(eight, HERE / "eight.safetensors")
# An embedding as the first program for textual inversion wrote it. The old format
# adds the source of the module's class, which is left empty here.
torch.serialization.get_source_lines_and_file = lambda cls: ([""], 0, "")
torch.save({
    "string_to_token": {"*": torch.tensor(265)}, "name": "thing", "step": 100, "sd_checkpoint": None,
    "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.randn(2, 8))}),
}, HERE / "embedding.pt", _use_new_zipfile_serialization=False)


class Evil:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


harm = {
    "system": Evil(os.system, ("touch /tmp/harm",)),
    "eval": Evil(eval, ("1",)),
    "getattr": Evil(getattr, (argparse.ArgumentParser, "parse_args")),
    "load": Evil(torch.storage._load_from_bytes, (b"",)),
}
for name, evil in harm.items():
    torch.save({"state_dict": {"w": torch.ones(2), "x": evil}}, HERE / f"harm_{name}.pt")
torch.save({"w": torch.ones(2), "x": harm["system"]}, HERE / "harm_legacy.pt", _use_new_zipfile_serialization=False)
(HERE / "harm_bare.pkl").write_bytes(pickle.dumps(harm["system"], protocol=2))


def rewrite(name, change):
    """A copy of a small archive with another program."""
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(4)}, buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(HERE / name, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                assert change(data) != data
                data = change(data)
            new.writestr(entry.filename, data)


# Sizes that reach beyond the storage, or repeat its bytes over a vast shape.
size, stride = b"K\x04\x85", b"K\x01\x85"
rewrite("beyond.pt", lambda d: d.replace(size, b"K\x05\x85", 1))
rewrite("repeated.pt", lambda d: d.replace(stride, b"K\x00\x85").replace(size, b"J\xff\xff\xff\x7f\x85", 1))
