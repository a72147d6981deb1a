"""Small ControlNets with random weights and what diffusers computes with them: the
embedded picture, the residuals, and where one of the U-Nets of make_golden.py has the
same widths, what that gives with the residuals for two pictures. Each case becomes a
folder in control/: the model as diffusers saves it (weights rounded to f16), for some
the same tensors under the names of latent diffusion, and golden.safetensors, tensors
channels last.

    python unet/testdata/make_control_golden.py
"""
import pathlib
import shutil

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from ldm_control import ldm
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
OUT = HERE / "control"
XL = dict(
    block_out_channels=(4, 4, 8), norm_num_groups=2, use_linear_projection=True, attention_head_dim=(1, 2, 2),
    cross_attention_dim=12, addition_embed_type="text_time", addition_time_embed_dim=4,
    projection_class_embeddings_input_dim=10 + 6 * 4,
)
CASES = {
    # Of the U-Net's own configuration. An odd size.
    "sd1": (None, dict(), (6, 5)),
    "sd2": (None, dict(controlnet_conditioning_channel_order="bgr", conditioning_embedding_out_channels=(4, 6, 8, 12)), (4, 6)),
    # A copy of XL's encoder, and the ones with fewer transformers that were published.
    "sdxl": (XL, dict(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), layers_per_block=2,
        transformer_layers_per_block=(1, 1, 2),
    ), (4, 4)),
    "sdxl_mid": (XL, dict(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), layers_per_block=1,
        transformer_layers_per_block=(0, 0, 1),
    ), (4, 4)),
    "sdxl_small": (XL, dict(
        down_block_types=("DownBlock2D",) * 3, layers_per_block=1, transformer_layers_per_block=(0, 0, 0),
        mid_block_type="UNetMidBlock2D",
    ), (4, 4)),
}


def randomize(model):
    """No parameter keeps a neutral value that would hide a mistake."""
    for name, p in model.named_parameters():
        fan_in = p[0].numel() if p.dim() > 1 else 0
        value = torch.randn_like(p) * (fan_in**-0.5 if fan_in else 0.2)
        if "norm" in name and name.endswith("weight"):
            value += 1
        p.data = value.half().float()
    return model.eval()


def same(got, want):
    """diffusers' converter gives back exactly the tensors that its folder holds."""
    got = {k: v for k, v in got.items() if v is not None}
    assert got.keys() == want.keys(), got.keys() ^ want.keys()
    for k in want:
        assert torch.equal(got[k].reshape(want[k].shape), want[k]), k


def nhwc(x):
    return x.detach().permute(0, 2, 3, 1).contiguous()


shutil.rmtree(OUT, ignore_errors=True)
for seed, (case, (config, change, (h, w))) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    unet = None
    if config is None:
        unet = UNet2DConditionModel.from_pretrained(HERE / case, torch_dtype=torch.float32)
        config = {k: unet.config[k] for k in (
            "in_channels", "down_block_types", "block_out_channels", "layers_per_block", "norm_num_groups",
            "cross_attention_dim", "attention_head_dim", "use_linear_projection", "upcast_attention")}
    hint = dict(conditioning_embedding_out_channels=(2, 3, 4, 5))
    net = randomize(ControlNetModel(**{**config, **hint, **change}))
    folder = OUT / case
    net.half().save_pretrained(folder)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    if case in ("sd1", "sdxl"):
        names = ldm(state, net.config)
        if case == "sd1":
            # XL under these names is unknown to it.
            same(convert_controlnet_checkpoint(dict(names), net.config), state)
        save_file({"control_model." + k: v for k, v in names.items()}, folder / "ldm.safetensors")
    net.float()

    x, cond, t = torch.randn(2, 4, h, w), torch.randn(2, 7, 12), torch.tensor([3.0, 871.0])
    picture = torch.rand(2, 3, 8 * h, 8 * w)
    golden = {"x": nhwc(x), "t": t, "cond": cond, "picture": nhwc(picture)}
    kwargs = {}
    if net.config.addition_embed_type == "text_time":
        golden["pooled"] = torch.randn(2, 10)
        golden["time_ids"] = torch.tensor([[64.0, 48, 0, 0, 64, 48], [32, 32, 8, 4, 64, 64]])
        kwargs["added_cond_kwargs"] = dict(text_embeds=golden["pooled"], time_ids=golden["time_ids"])
    with torch.no_grad():
        rgb = picture.flip(1) if net.config.controlnet_conditioning_channel_order == "bgr" else picture
        golden["hint"] = nhwc(net.controlnet_cond_embedding(rgb))
        down, mid = net(x, t, cond, picture, return_dict=False, **kwargs)
        golden |= {f"down.{i}": nhwc(r) for i, r in enumerate(down)} | {"mid": nhwc(mid)}
        if unet:
            # Twice the same net with another picture, of other weights.
            other = picture.flip(3)
            golden["other"] = nhwc(other)
            sums = [net(x, t, cond, p, conditioning_scale=s, return_dict=False) for p, s in ((picture, 0.7), (other, 1.3))]
            golden["y"] = nhwc(unet(
                x, t, cond, down_block_additional_residuals=[a + b for a, b in zip(sums[0][0], sums[1][0])],
                mid_block_additional_residual=sums[0][1] + sums[1][1]).sample)
            golden["plain"] = nhwc(unet(x, t, cond).sample)
    save_file(golden, folder / "golden.safetensors")
    print(case, len(down), "residuals", [round(r.std().item(), 3) for r in down], round(mid.std().item(), 3))
