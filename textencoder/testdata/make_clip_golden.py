"""Small CLIP text encoders with random weights, what transformers computes with
them, and its gradients. Each case becomes a folder: the model (weights rounded
to f16) and golden.safetensors.

    python textencoder/testdata/make_clip_golden.py
"""
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.resolve().parents[1] / "gpu/nn/golden"))
from small import randomize, samples  # noqa: E402
BASE = dict(
    vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
    max_position_embeddings=9, projection_dim=12, bos_token_id=38, eos_token_id=39, pad_token_id=39,
)
IDS = [[38, 5, 6, 30, 39, 39, 39, 39, 39], [38, 1, 39, 39, 39, 39, 39, 39, 39], [38, 9, 9, 2, 0, 11, 12, 13, 39]]
CASES = {
    # The configuration of Stable Diffusion 1: "eos_token_id" is wrong, so the
    # text ends at the largest id.
    "clip_sd1": (CLIPTextModel, dict(eos_token_id=2, pad_token_id=1), "text_model."),
    # OpenCLIP's activation; the first end token counts, padding is 0.
    "clip_sd2": (CLIPTextModel, dict(hidden_act="gelu", pad_token_id=0, eos_token_id=37), ""),
    "clip_sdxl": (CLIPTextModelWithProjection, dict(hidden_act="gelu"), ""),
}


for case, (cls, config, prefix) in CASES.items():
    torch.manual_seed(len(case))
    model = cls(CLIPTextConfig(**{**BASE, **config})).float().eval()
    randomize(model)
    folder = HERE / case
    shutil.rmtree(folder, ignore_errors=True)
    model.config.architectures = [cls.__name__]
    model.config.save_pretrained(folder)
    # Files of transformers 4 name the parameters under "text_model.", those of
    # 5 do not where there is no projection.
    save_file({prefix + k: v.half().contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")

    ids = torch.tensor(IDS)
    if case == "clip_sd2":
        ids[ids == 39] = 0
        ids[torch.arange(3), torch.tensor([4, 2, 8])] = 37
        ids[0, 6] = 37
    out = model(ids, output_hidden_states=True)
    pooled = out.text_embeds if cls is CLIPTextModelWithProjection else out.pooler_output
    target, pooled_target = torch.randn_like(out.last_hidden_state), torch.randn_like(pooled)
    mse = torch.nn.functional.mse_loss
    loss = mse(out.last_hidden_state, target) + mse(pooled, pooled_target)
    loss.backward()
    full = "" if cls is CLIPTextModelWithProjection else "text_model."
    golden = {
        "ids": ids.float(), "last": out.last_hidden_state, "pooled": pooled,
        "hidden": torch.stack(out.hidden_states), "target": target, "pooled_target": pooled_target,
        "loss": loss[None],
    }
    golden |= {"grad." + full + k: samples(p.grad) for k, p in model.named_parameters()}
    save_file({k: v.detach().contiguous() for k, v in golden.items()}, folder / "golden.safetensors")
