"""What the scripts that make goldens of small models share."""
import torch


def randomize(model, gain=1.0, dtype=torch.half):
    """No parameter keeps a neutral value that would hide a mistake. The values are
    numbers of dtype."""
    for name, p in model.named_parameters():
        fan_in = p[0].numel() if p.dim() > 1 else 0
        value = gain * torch.randn_like(p) * (fan_in**-0.5 if fan_in else 0.2)
        if "norm" in name and name.endswith("weight"):
            value += 1
        p.data = value.to(dtype).float()
    return model.eval()


def samples(g):
    """The norm, then at most 32 elements at even steps."""
    flat = g.flatten()
    return torch.cat([flat.norm()[None], flat[:: -(-flat.numel() // 32)]])


def nhwc(x):
    return x.detach().permute(0, 2, 3, 1).contiguous()
