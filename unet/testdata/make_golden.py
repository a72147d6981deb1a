"""Small U-Nets with random weights, what diffusers computes with them, and its
gradients. Each case becomes a folder: the model as diffusers saves it (weights
rounded to f16) and golden.safetensors, tensors channels last.

    python unet/testdata/make_golden.py
"""
import pathlib
import shutil
import sys

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.resolve().parents[1] / "gpu/nn/golden"))
from small import nhwc, randomize, samples  # noqa: E402
BASE = dict(
    sample_size=8, norm_num_groups=4, block_out_channels=(8, 16), layers_per_block=1,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=12, attention_head_dim=2,
)
CASES = {
    # Stable Diffusion 1: projections are convolutions; an odd size, so that the
    # way up has to crop.
    "sd1": (dict(), (6, 5)),
    # 2: linear projections, heads per block.
    "sd2": (dict(use_linear_projection=True, attention_head_dim=(2, 4), upcast_attention=True), (4, 6)),
    # XL: deeper transformers, no attention at the top, pooled text and sizes.
    "sdxl": (dict(
        use_linear_projection=True, attention_head_dim=(2, 4), layers_per_block=(2, 1),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2), addition_embed_type="text_time",
        addition_time_embed_dim=4, projection_class_embeddings_input_dim=10 + 6 * 4,
    ), (4, 4)),
    # The pooled text as class embedding, three levels.
    "pooled": (dict(
        block_out_channels=(8, 8, 8), down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",), use_linear_projection=True,
        class_embed_type="projection", projection_class_embeddings_input_dim=10,
    ), (8, 8)),
    # A guidance embedding (LCM), text pooled by attention, no middle, other ends.
    "lcm": (dict(
        time_cond_proj_dim=6, addition_embed_type="text", addition_embed_type_num_heads=3,
        mid_block_type=None, in_channels=5, out_channels=3, conv_in_kernel=1, conv_out_kernel=5,
        flip_sin_to_cos=False, freq_shift=1, time_embedding_dim=24,
    ), (4, 4)),
}


for case, (config, (h, w)) in CASES.items():
    torch.manual_seed(len(case))
    model = UNet2DConditionModel(**{**BASE, **config})
    randomize(model)
    folder = HERE / case
    shutil.rmtree(folder, ignore_errors=True)
    model.half().save_pretrained(folder)
    model.float().eval()

    x = torch.randn(2, model.config.in_channels, h, w)
    t = torch.tensor([3.0, 871.0])
    cond = torch.randn(2, 7, 12, requires_grad=True)
    target = torch.randn(2, model.config.out_channels, h, w)
    golden = {"x": nhwc(x), "t": t, "cond": cond.detach(), "target": nhwc(target)}
    kwargs = {}
    if model.config.addition_embed_type == "text_time":
        golden["pooled"] = torch.randn(2, 10)
        golden["time_ids"] = torch.tensor([[64.0, 48, 0, 0, 64, 48], [32, 32, 8, 4, 64, 64]])
        kwargs["added_cond_kwargs"] = dict(text_embeds=golden["pooled"], time_ids=golden["time_ids"])
    if model.config.class_embed_type == "projection":
        golden["class_labels"] = kwargs["class_labels"] = torch.randn(2, 10)
    if model.config.time_cond_proj_dim:
        golden["timestep_cond"] = kwargs["timestep_cond"] = torch.randn(2, 6)

    y = model(x, t, cond, **kwargs).sample
    loss = torch.nn.functional.mse_loss(y, target)
    loss.backward()
    golden |= {"y": nhwc(y), "loss": loss.detach()[None], "grad_cond": cond.grad}
    golden |= {"grad." + k: samples(p.grad) for k, p in model.named_parameters()}
    save_file(golden, folder / "golden.safetensors")
