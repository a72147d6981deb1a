"""Writes ops.safetensors: rows of the op table computed by PyTorch in float64.

Each row NAME has NAME.in.K (inputs in the layouts of package gpu), NAME.y, the
weights NAME.w of the loss Σ w·y, and NAME.grad.K for each input with a gradient.

    python make_ops_golden.py
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(0)
tensors = {}


def normal(*shape):
    # Numbers of bf16, so that every dtype can hold them.
    return torch.randn(shape).bfloat16().double()


def row(name, f, *inputs, frozen=()):
    inputs = [x if isinstance(x, torch.Tensor) else normal(*x) for x in inputs]
    for k, x in enumerate(inputs):
        if x.is_floating_point() and k not in frozen:
            x.requires_grad_()
    y = f(*inputs)
    w = normal(*y.shape)
    (w * y).sum().backward()
    tensors[f"{name}.y"], tensors[f"{name}.w"] = y, w
    for k, x in enumerate(inputs):
        tensors[f"{name}.in.{k}"] = x
        if x.grad is not None:
            tensors[f"{name}.grad.{k}"] = x.grad


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def conv(stride=1, pad=(0, 0, 0, 0)):  # pad: left, right, top, bottom
    def f(x, w, b, res=0):
        return nhwc(F.conv2d(F.pad(nchw(x), pad), nchw(w), b, stride)) + res
    return f


def attention(heads, causal=False):
    def f(q, k, v):
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)
    return f


def group_norm(groups, silu=False):
    def f(x, gamma, beta):
        y = nhwc(F.group_norm(nchw(x), groups, gamma, beta, 1e-5))
        return F.silu(y) if silu else y
    return f


def geglu(x):
    a, g = x.chunk(2, -1)
    return a * F.gelu(g)


def gaussian_sample(moments, noise):
    mean, logvar = moments.chunk(2, -1)
    return mean + torch.exp(0.5 * logvar.clamp(-30, 20)) * noise


def gaussian_kl(moments):
    mean, logvar = moments.chunk(2, -1)
    return (0.5 * (mean**2 + logvar.exp() - 1 - logvar)).mean().reshape(1)


def upsample(x):
    return nhwc(F.interpolate(nchw(x), scale_factor=2, mode="nearest"))


one = (1, 1, 1, 1)
row("conv 3x3", conv(pad=one), (2, 5, 7, 3), (5, 3, 3, 3), (5,), (2, 5, 7, 5))
row("conv 3x3 stride 2", conv(2, one), (2, 7, 6, 4), (6, 3, 3, 4), (6,))
row("conv 3x3 stride 2 padded below and right", conv(2, (0, 1, 0, 1)), (1, 8, 6, 16), (16, 3, 3, 16), (16,))
row("conv 2x3 without padding", conv(), (1, 4, 5, 3), (2, 2, 3, 3), (2,))
row("conv 3x2 with four paddings", conv(2, (0, 1, 2, 1)), (2, 5, 6, 3), (4, 3, 2, 3), (4,))
row("linear", lambda x, w, b, res: F.linear(x, w, b) + res, (2, 3, 5), (7, 5), (7,), (2, 3, 7))
row("attention", attention(2), (2, 5, 6), (2, 5, 6), (2, 5, 6))
row("cross attention", attention(3), (2, 9, 24), (2, 77, 24), (2, 77, 24))
row("causal attention", attention(2, True), (1, 77, 16), (1, 77, 16), (1, 77, 16))
row("softmax", lambda x: x.softmax(-1), (3, 4, 7))
row("group norm", group_norm(4), (2, 3, 5, 12), (12,), (12,))
row("group norm and silu", group_norm(3, True), (2, 3, 5, 9), (9,), (9,))
row("layer norm", lambda x, g, b: F.layer_norm(x, x.shape[-1:], g, b, 1e-5), (2, 3, 10), (10,), (10,))
row("silu", F.silu, (5, 37))
row("gelu", F.gelu, (5, 37))
row("quick gelu", lambda x: x * torch.sigmoid(1.702 * x), (5, 37))
row("tanh", torch.tanh, (5, 37))
row("exp", torch.exp, (5, 37))
row("geglu", geglu, (3, 5, 14))
row("combine", lambda a, b, c: 0.3 * a + b - 1.7 * c, (2, 3, 7), (2, 3, 7), (2, 3, 7))
row("add channels", lambda x, t: x + t[:, None, None, :], (2, 3, 5, 7), (2, 7))
row("rows", lambda x: x[1:4], (5, 3, 3))
row("channels", lambda x: x[..., 2:7], (2, 3, 9))
row("concat", lambda *xs: torch.cat(xs, -1), (2, 3, 5), (2, 3, 1), (2, 3, 8))
row("stack", lambda *xs: torch.cat(xs, 0), (2, 3, 5), (1, 3, 5))
row("upsample", upsample, (2, 3, 5, 7))
row("average pool", lambda x: nhwc(F.avg_pool2d(nchw(x), 2)), (2, 6, 4, 7))
row("embedding", lambda table, ids: F.embedding(ids, table), (6, 5), torch.randint(6, (3, 7)))
row("mse", lambda a, b: F.mse_loss(a, b).reshape(1), (3, 5, 7), (3, 5, 7), frozen=(1,))
row("weighted mse", lambda a, b, w: (w[:, None, None] * (a - b) ** 2).mean().reshape(1), (3, 5, 7), (3, 5, 7), (3,), frozen=(1, 2))
row("l1", lambda a, b: F.l1_loss(a, b).reshape(1), (3, 5, 7), (3, 5, 7), frozen=(1,))
row("gaussian sample", gaussian_sample, (2, 3, 5, 6), (2, 3, 5, 3), frozen=(1,))


def moments(mean, logvar):
    return torch.tensor([mean] * 3 + [logvar] * 3).double().repeat(5, 1)


row("gaussian sample below the limit", gaussian_sample, moments(0, -40), (5, 3), frozen=(1,))
row("gaussian sample above the limit", gaussian_sample, moments(1, 25), 0.5 * normal(5, 3), frozen=(1,))
row("gaussian kl", gaussian_kl, (2, 3, 5, 6))


def stored(name, x):
    exact = ".in." in name or name.endswith(".w")
    return x.detach().to(torch.bfloat16 if exact else torch.float32).contiguous()


save_file({k: stored(k, v) for k, v in tensors.items()},
          pathlib.Path(__file__).with_name("ops.safetensors"))
