"""Times a U-Net of Stable Diffusion 1.5's shape in PyTorch: plain layers with
scaled_dot_product_attention, channels last, two samples a step, fp16; eager,
compiled, and as a CUDA graph; with "train" LoRA training steps instead. Weights are
random: they do not change the time."""
import statistics
import sys

import torch
import torch.nn.functional as F
from torch import nn

WIDTHS, CONTEXT, HEADS, EMBED = (320, 640, 1280, 1280), 768, 8, 1280


class Residual(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(32, i), nn.Conv2d(i, o, 3, padding=1)
        self.time = nn.Linear(EMBED, o)
        self.norm2, self.conv2 = nn.GroupNorm(32, o), nn.Conv2d(o, o, 3, padding=1)
        self.skip = nn.Conv2d(i, o, 1) if i != o else nn.Identity()

    def forward(self, x, t):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(t))[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    def __init__(self, c, context):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(n, c, bias=False) for n in (c, context, context))
        self.out = nn.Linear(c, c)

    def forward(self, x, z):
        q, k, v = (m.unflatten(-1, (HEADS, -1)).transpose(1, 2) for m in (self.q(x), self.k(z), self.v(z)))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm, self.proj_in, self.proj_out = nn.GroupNorm(32, c, eps=1e-6), nn.Conv2d(c, c, 1), nn.Conv2d(c, c, 1)
        self.norms = nn.ModuleList(nn.LayerNorm(c) for _ in range(3))
        self.self_attention, self.cross_attention = Attention(c, c), Attention(c, CONTEXT)
        self.up, self.down = nn.Linear(c, 8 * c), nn.Linear(4 * c, c)

    def forward(self, x, context):
        n, c, h, w = x.shape
        y = self.proj_in(self.norm(x)).permute(0, 2, 3, 1).reshape(n, h * w, c)
        z = self.norms[0](y)
        y = y + self.self_attention(z, z)
        y = y + self.cross_attention(self.norms[1](y), context)
        a, g = self.up(self.norms[2](y)).chunk(2, -1)
        y = y + self.down(a * F.gelu(g))
        return x + self.proj_out(y.reshape(n, h, w, c).permute(0, 3, 1, 2))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(320, EMBED), nn.SiLU(), nn.Linear(EMBED, EMBED))
        self.conv_in = nn.Conv2d(4, 320, 3, padding=1)
        skips, c = [320], 320
        self.down = nn.ModuleList()
        for level, o in enumerate(WIDTHS):
            for _ in range(2):
                self.down.append(nn.ModuleList([Residual(c, o)] + [Transformer(o)] * (level < 3)))
                c = o
                skips.append(c)
            if level < 3:
                self.down.append(nn.ModuleList([nn.Conv2d(c, c, 3, stride=2, padding=1)]))
                skips.append(c)
        self.mid = nn.ModuleList([Residual(c, c), Transformer(c), Residual(c, c)])
        self.up = nn.ModuleList()
        for level, o in reversed(list(enumerate(WIDTHS))):
            for i in range(3):
                block = [Residual(c + skips.pop(), o)] + [Transformer(o)] * (level < 3)
                c = o
                if i == 2 and level > 0:
                    block.append(nn.Conv2d(c, c, 3, padding=1))
                self.up.append(nn.ModuleList(block))
        self.norm_out, self.conv_out = nn.GroupNorm(32, 320), nn.Conv2d(320, 4, 3, padding=1)

    @staticmethod
    def apply_block(block, x, t, context):
        for layer in block:
            if isinstance(layer, Residual):
                x = layer(x, t)
            elif isinstance(layer, Transformer):
                x = layer(x, context)
            elif layer.stride == (2, 2):
                x = layer(x)
            else:
                x = layer(F.interpolate(x, scale_factor=2, mode="nearest"))
        return x

    def forward(self, x, t, context):
        t = self.time(t)
        x = self.conv_in(x)
        skips = [x]
        for block in self.down:
            x = self.apply_block(block, x, t, context)
            skips.append(x)
        x = self.apply_block(self.mid, x, t, context)
        for block in self.up:
            x = self.apply_block(block, torch.cat([x, skips.pop()], 1), t, context)
        return self.conv_out(F.silu(self.norm_out(x)))


class LoRA(nn.Module):
    """A frozen layer with a branch of rank 16 in float32 (Hu et al. 2022)."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        if isinstance(layer, nn.Conv2d):
            self.down, self.up = nn.Conv2d(layer.in_channels, 16, 1, bias=False), nn.Conv2d(16, layer.out_channels, 1, bias=False)
        else:
            self.down, self.up = nn.Linear(layer.in_features, 16, bias=False), nn.Linear(16, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.layer(x) + self.up(self.down(x))


def train(batch=4):
    """Times training steps of LoRAs on all layers of the transformers: what
    latent bench --arch sd15 --train lora does."""
    model = UNet().bfloat16().to(memory_format=torch.channels_last).requires_grad_(False)
    for transformer in [m for m in model.modules() if isinstance(m, Transformer)]:
        for parent in list(transformer.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, (nn.Linear, nn.Conv2d)):
                    setattr(parent, name, LoRA(child))
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=1e-4, fused=True)
    x, target = (torch.randn(batch, 4, 64, 64).bfloat16().to(memory_format=torch.channels_last) for _ in range(2))
    t, context = torch.randn(batch, 320).bfloat16(), torch.randn(batch, 77, CONTEXT).bfloat16()

    def step(forward):
        with torch.autocast("cuda", torch.bfloat16):
            loss = F.mse_loss(forward(x, t, context).float(), target.float())
        loss.backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    print(f"LoRA of {sum(p.numel() for p in params) / 1e6:.2f} million parameters, batch {batch}")
    for name, forward in ("eager", model), ("compiled", torch.compile(model)):
        torch.cuda.reset_peak_memory_stats()
        ms = median(lambda: step(forward))
        print(f"{name:16s} {ms:7.2f} ms a step, {1000 * batch / ms:6.1f} samples/s, peak memory {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB")


def median(step):
    for _ in range(5):
        step()
    times = []
    for _ in range(30):
        a, b = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        a.record()
        step()
        b.record()
        b.synchronize()
        times.append(a.elapsed_time(b))
    return statistics.median(times)


def main():
    with torch.device("meta"):
        count = sum(p.numel() for p in UNet().parameters())
    print(f"PyTorch {torch.__version__}, {count / 1e6:.1f} million parameters")
    if not torch.cuda.is_available():
        sys.exit("no GPU")
    torch.backends.cudnn.benchmark = True
    print(torch.cuda.get_device_name())
    if "train" in sys.argv[1:]:
        with torch.device("cuda"):
            return train()
    with torch.inference_mode(), torch.device("cuda"):
        model = UNet().half().eval().to(memory_format=torch.channels_last)
        x = torch.randn(2, 4, 64, 64).half().to(memory_format=torch.channels_last)
        t, context = torch.randn(2, 320).half(), torch.randn(2, 77, CONTEXT).half()
        report = lambda name, ms: print(f"{name:16s} {ms:7.2f} ms a step, {1000 / ms:6.1f} steps/s")
        report("eager", median(lambda: model(x, t, context)))
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                model(x, t, context)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            model(x, t, context)
        report("eager, graph", median(graph.replay))
        compiled = torch.compile(model, mode="max-autotune", fullgraph=True)
        report("max-autotune", median(lambda: compiled(x, t, context)))
        print(f"peak memory {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB")


main()
