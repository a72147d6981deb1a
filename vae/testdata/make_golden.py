"""Small autoencoders with random weights, and what diffusers computes with
them. Each case becomes a folder: the model as diffusers saves it (weights
rounded to f16) and golden.safetensors, tensors channels last.

    python vae/testdata/make_golden.py
"""
import pathlib
import shutil
import sys

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.resolve().parents[1] / "gpu/nn/golden"))
from small import nhwc, randomize, samples  # noqa: E402
BASE = dict(
    sample_size=16, norm_num_groups=4, block_out_channels=(8, 16), latent_channels=4, layers_per_block=1,
    down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
)
CASES = {
    "sd": dict(layers_per_block=2),
    # No attention, no quant convolutions, a shift.
    "plain": dict(
        block_out_channels=(8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3, mid_block_add_attention=False, latent_channels=3,
        use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3611, shift_factor=0.1159,
    ),
    # The names of attention's parameters in files of 2022.
    "old_names": dict(block_out_channels=(8, 8), in_channels=1, out_channels=1),
}
OLD = {"to_q.": "query.", "to_k.": "key.", "to_v.": "value.", "to_out.0.": "proj_attn."}


for case, config in CASES.items():
    torch.manual_seed(len(case))
    model = AutoencoderKL(**{**BASE, **config})
    randomize(model)
    folder = HERE / case
    shutil.rmtree(folder, ignore_errors=True)
    model.half().save_pretrained(folder)
    model.float().eval()
    rename = lambda k: k
    if case == "old_names":
        def rename(k):
            for new, old in OLD.items():
                k = k.replace(new, old)
            return k
        file = folder / "diffusion_pytorch_model.safetensors"
        save_file({rename(k): v for k, v in load_file(file).items()}, file)

    x = torch.randn(2, model.config.in_channels, 16, 8)
    posterior = model.encode(x).latent_dist
    noise = torch.randn_like(posterior.mean)
    scale, shift = model.config.scaling_factor, model.config.shift_factor or 0
    sample = posterior.mean + posterior.std * noise
    z = torch.randn_like(sample)
    # The training of an autoencoder: pictures through a sample, and the KL term.
    y = model.decode(sample).sample
    kl = 0.5 * (posterior.mean**2 + posterior.logvar.exp() - 1 - posterior.logvar).mean()
    loss = torch.nn.functional.mse_loss(y, x) + 0.1 * kl
    loss.backward()
    golden = {
        "x": nhwc(x),
        "noise": nhwc(noise),
        "moments": nhwc(torch.cat([posterior.mean, posterior.logvar], 1)),
        "mean": nhwc((posterior.mean - shift) * scale),
        "latent": nhwc((sample - shift) * scale),
        "z": nhwc(z),
        "picture": nhwc(model.decode(z / scale + shift).sample),
        "loss": loss.detach()[None],
    }
    golden |= {"grad." + k: samples(p.grad) for k, p in model.named_parameters()}
    save_file(golden, folder / "golden.safetensors")
