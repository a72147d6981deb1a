"""Ten steps of AdamW in torch on a small U-Net and its text encoder with random
weights (saved rounded to f16): inputs, losses and gradient norms of each step,
for a constant and a cosine learning rate, both with warm-up.

    python gpu/optim/testdata/make_golden.py
"""
import math
import pathlib
import sys

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.resolve().parents[2] / "gpu/nn/golden"))
from small import randomize  # noqa: E402
STEPS, BATCH, WARMUP, LR = 10, 2, 3, 3e-3


def build():
    torch.manual_seed(3)
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=20, hidden_size=12, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=6, projection_dim=12, hidden_act="gelu",
        bos_token_id=18, eos_token_id=19, pad_token_id=19,
    ))
    unet = UNet2DConditionModel(
        sample_size=4, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=12, attention_head_dim=2, use_linear_projection=True,
        addition_embed_type="text", addition_embed_type_num_heads=2,
    )
    return randomize(text), randomize(unet)


def constant(step):
    return min((step + 1) / WARMUP, 1)


def cosine(step):
    return (step + 1) / WARMUP if step < WARMUP else 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


def nhwc(x):
    return x.transpose(-3, -2).transpose(-2, -1).contiguous()


text, unet = build()
for model, folder in (text, "text_encoder"), (unet, "unet"):
    (HERE / folder).mkdir(exist_ok=True)
    prefix = "text_model." if model is text else ""
    save_file({prefix + k: v.half().contiguous() for k, v in model.state_dict().items()}, HERE / folder / "model.safetensors")
    model.config.architectures = ["CLIPTextModel"]
    if model is text:
        model.config.save_pretrained(HERE / folder)
    else:
        model.save_config(HERE / folder)

x = torch.randn(STEPS, BATCH, 4, 4, 4)
target = torch.randn(STEPS, BATCH, 4, 4, 4)
t = torch.randint(1000, (STEPS, BATCH))
ids = torch.randint(18, (STEPS, BATCH, 6))
ids[..., 0], ids[..., -1] = 18, 19
golden = {"x": nhwc(x), "target": nhwc(target), "t": t.float(), "ids": ids.float()}

for name, factor in ("constant", constant), ("cosine", cosine):
    text, unet = build()
    params = [*unet.parameters(), *text.parameters()]
    optimizer = torch.optim.AdamW([
        {"params": [p for p in params if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in params if p.dim() == 1], "weight_decay": 0.0},
    ], lr=LR, betas=(0.9, 0.99), eps=1e-8)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    losses, norms = [], []
    for i in range(STEPS):
        y = unet(x[i], t[i], text(ids[i]).last_hidden_state).sample
        loss = torch.nn.functional.mse_loss(y, target[i])
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(params, 1.0))
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses.append(loss.detach())
    golden |= {f"{name}.loss": torch.stack(losses), f"{name}.norm": torch.stack(norms)}
    golden[f"{name}.conv_in"] = unet.conv_in.weight.detach().permute(0, 2, 3, 1).contiguous()
    golden[f"{name}.final_layer_norm"] = text.final_layer_norm.weight.detach().clone()
    print(name, golden[f"{name}.loss"], golden[f"{name}.norm"])
save_file(golden, HERE / "golden.safetensors")
