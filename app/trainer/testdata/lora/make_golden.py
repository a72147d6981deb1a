"""Ten steps of a LoRA in torch and PEFT on the small U-Net and text encoder of
gpu/optim/testdata, with AdamW and a linear learning rate with warm-up, half as
large for the text encoder: the factors before, the losses, the factors after.

    python app/trainer/testdata/lora/make_golden.py
"""
import pathlib

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

HERE = pathlib.Path(__file__).parent
SMALL = HERE.parents[3] / "gpu/optim/testdata"
STEPS, WARMUP, LR, RANK, ALPHA = 10, 3, 2e-2, 3, 2.0

torch.manual_seed(5)
text = CLIPTextModel(CLIPTextConfig.from_pretrained(SMALL / "text_encoder"))
text_names = {k.removeprefix("text_model."): k for k in text.state_dict()}
text.load_state_dict({text_names[k.removeprefix("text_model.")]: v.float() for k, v in load_file(SMALL / "text_encoder/model.safetensors").items()})
unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(SMALL / "unet"))
unet.load_state_dict({k: v.float() for k, v in load_file(SMALL / "unet/model.safetensors").items()})
unet.eval(), text.eval()

config = dict(r=RANK, lora_alpha=ALPHA)
inject_adapter_in_model(LoraConfig(target_modules=(
    r".*attentions\.\d+\.(proj_in|proj_out|transformer_blocks.*(to_q|to_k|to_v|to_out\.0|net\.0\.proj|net\.2))"
    r"|.*(conv1|conv2|conv_shortcut|time_emb_proj|samplers\.0\.conv)"), **config), unet)
inject_adapter_in_model(LoraConfig(target_modules=r".*(q_proj|k_proj|v_proj|out_proj|fc1|fc2)", **config), text)


def factors():
    out = {}
    for part, model in ("unet", unet), ("te1", text):
        for name, p in model.named_parameters():
            if "lora_" in name:
                name = name.replace(".lora_A.default", ".lora_down").replace(".lora_B.default", ".lora_up")
                if part == "te1":
                    name = "text_model." + name.removeprefix("text_model.")
                p = p.detach().clone()
                out[f"{part}.{name}"] = p.permute(0, 2, 3, 1).contiguous() if p.dim() == 4 else p
    return out


golden = {"before." + k: v for k, v in factors().items() if "lora_down" in k}
trained = [[p for n, p in m.named_parameters() if "lora_" in n] for m in (unet, text)]
for m in unet, text:
    for n, p in m.named_parameters():
        p.requires_grad = "lora_" in n
optimizer = torch.optim.AdamW([{"params": trained[0], "lr": LR}, {"params": trained[1], "lr": LR / 2}],
                              betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)
schedule = torch.optim.lr_scheduler.LambdaLR(
    optimizer, lambda i: (i + 1) / WARMUP if i < WARMUP else 1 - (i - WARMUP) / (STEPS - WARMUP))
given = load_file(SMALL / "golden.safetensors")
losses = []
for i in range(STEPS):
    y = unet(given["x"][i].permute(0, 3, 1, 2), given["t"][i].long(), text(given["ids"][i].long()).last_hidden_state).sample
    loss = torch.nn.functional.mse_loss(y, given["target"][i].permute(0, 3, 1, 2))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained[0] + trained[1], 1.0)
    optimizer.step()
    optimizer.zero_grad()
    schedule.step()
    losses.append(loss.detach())
golden["loss"] = torch.stack(losses)
keep = ("unet.mid_block.attentions.0.proj_in", "unet.down_blocks.1.resnets.0.conv1", "te1.text_model.encoder.layers.0.mlp.fc1")
golden |= {"after." + k: v for k, v in factors().items() if k.startswith(keep)}
save_file(golden, HERE / "golden.safetensors")
print(golden["loss"], len(golden))
