"""A narrow TAESD with random weights, under diffusers' names and under the
original ones, and what diffusers' AutoencoderTiny computes with it (tensors
channels last). The published architecture, written out as a torch.nn.Sequential
with the original names, must compute the same.

    python vae/testdata/make_tiny_golden.py
"""
import pathlib
import shutil

import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file
from torch import nn

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "tiny"
WIDTH = 4


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for _ in range(3):
            layers += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU()]
        self.conv = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return (self.conv(x) + x).relu()


class Clamp(nn.Module):
    def forward(self, x):
        return torch.tanh(x / 3) * 3


def conv(i, o, **more):
    return nn.Conv2d(i, o, 3, padding=1, **more)


def blocks(n):
    return [Block() for _ in range(n)]


def original_encoder():
    down = lambda: conv(WIDTH, WIDTH, stride=2, bias=False)
    return nn.Sequential(
        conv(3, WIDTH), *blocks(1), down(), *blocks(3), down(), *blocks(3), down(), *blocks(3), conv(WIDTH, 4))


def original_decoder():
    up = lambda: [nn.Upsample(scale_factor=2), conv(WIDTH, WIDTH, bias=False)]
    return nn.Sequential(
        Clamp(), conv(4, WIDTH), nn.ReLU(), *blocks(3), *up(), *blocks(3), *up(), *blocks(3), *up(), *blocks(1),
        conv(WIDTH, 3))


def nhwc(x):
    return x.detach().permute(0, 2, 3, 1).contiguous()


torch.manual_seed(5)
model = AutoencoderTiny(encoder_block_out_channels=(WIDTH,) * 4, decoder_block_out_channels=(WIDTH,) * 4).eval()
for name, p in model.named_parameters():
    fan_in = p[0].numel() if p.dim() > 1 else 0
    p.data = (torch.randn_like(p) * (fan_in**-0.5 if fan_in else 0.2)).half().float()
shutil.rmtree(FOLDER, ignore_errors=True)
model.half().save_pretrained(FOLDER)
model.float()

x, z = torch.rand(2, 3, 16, 24) * 2 - 1, 2 * torch.randn(2, 4, 2, 3)
latent, picture = model.encode(x).latents, model.decode(z).sample
save_file({"x": nhwc(x), "latent": nhwc(latent), "z": nhwc(z), "picture": nhwc(picture)}, FOLDER / "golden.safetensors")

weights = model.half().state_dict()
for coder, net, shift in (("encoder", original_encoder(), 0), ("decoder", original_decoder(), 1)):
    named = {}
    for key, value in weights.items():
        part, _, number, rest = key.split(".", 3)
        if part == coder:
            named[f"{int(number) + shift}.{rest}"] = value.contiguous()
    net.load_state_dict({k: v.float() for k, v in named.items()})
    if coder == "encoder":
        assert torch.allclose(net((x + 1) / 2), latent, atol=1e-5)
    else:
        assert torch.allclose(net(z) * 2 - 1, picture, atol=1e-5)
    save_file(named, FOLDER / f"taesd_{coder}.safetensors")
print("latent", latent.std().item(), "picture", picture.mean().item(), picture.std().item())
