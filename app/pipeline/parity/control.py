"""Builds a ControlNet for Stable Diffusion 1.5 of full size with seeded random weights,
saves it as its authors did, and writes down what diffusers computes with it in
float32 for one step at 64x64 latents.

    python app/pipeline/parity/control.py DIR
"""
import pathlib
import sys

import torch
from diffusers import ControlNetModel
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "unet" / "testdata"))
from ldm_control import ldm

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)
net = ControlNetModel(cross_attention_dim=768).eval()
for name, p in net.named_parameters():
    if name.startswith(("controlnet_", "controlnet_cond_embedding.conv_out")) and p.dim() > 1:
        torch.nn.init.normal_(p, std=p[0].numel() ** -0.5)  # zeros would show nothing
    p.data = p.data.half().float()
torch.save({"control_model." + k: v.half() for k, v in ldm(net.state_dict(), net.config).items()}, folder / "control_sd15_random.pth")

y, x = torch.meshgrid(torch.arange(512), torch.arange(512), indexing="ij")
picture = (((x // 40 + y // 30) % 2) * torch.tensor([1.0, 0.5, 0.25])[:, None, None])[None]
latents, cond = torch.randn(1, 4, 64, 64), torch.randn(1, 77, 768)
with torch.no_grad():
    down, mid = net(latents, torch.tensor([501.0]), cond, picture, return_dict=False)
nhwc = lambda t: t.permute(0, 2, 3, 1).contiguous()
golden = {"picture": nhwc(picture), "x": nhwc(latents), "cond": cond, "mid": nhwc(mid)}
golden |= {f"down.{i}": nhwc(r) for i, r in enumerate(down)}
save_file(golden, folder / "golden.safetensors")
print("residuals", [round(r.std().item(), 3) for r in [*down, mid]])
