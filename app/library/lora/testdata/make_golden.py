"""Small Stable Diffusion 1 and XL pipelines with random weights, LoRAs for them in
every spelling, and what diffusers and PEFT compute with those.

    python app/library/lora/testdata/make_golden.py

Made with diffusers 0.35.2, transformers 4.57.1 and PEFT 0.17.1: diffusers 0.42.1
cannot load the text encoders' LoRAs into transformers 5. A file has one alpha for
all of its layers, as training programs write it: diffusers applies another only
where the name of the layer does not change on the way to PEFT.

Weights and factors are rounded to f16; golden.safetensors holds outputs of the
U-Net (channels last) and the text encoders under "case.y", "case.te1", "case.te2".
"""
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile

import peft
import torch
import torch.nn.functional as F
from diffusers import (DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel)
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.resolve().parents[3] / "gpu/nn/golden"))
from small import nhwc, randomize  # noqa: E402
UNET = dict(sample_size=8, norm_num_groups=4, attention_head_dim=2, cross_attention_dim=12)
UNETS = {
    "sd1": dict(block_out_channels=(8, 16), layers_per_block=1, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")),
    "sdxl": dict(block_out_channels=(4, 8, 8), layers_per_block=2, cross_attention_dim=22, use_linear_projection=True,
                 down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                 up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                 transformer_layers_per_block=(1, 1, 2), addition_embed_type="text_time", addition_time_embed_dim=4,
                 projection_class_embeddings_input_dim=10 + 6 * 4),
}
TEXT = dict(vocab_size=20, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=6,
            bos_token_id=18, eos_token_id=19, pad_token_id=19, projection_dim=10)
IDS = torch.tensor([[18, 5, 6, 12, 19, 19], [18, 1, 19, 19, 19, 19]])
golden = {}


def modules(model, *endings):
    return {n: m for n, m in model.named_modules() if n.endswith(endings) and isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))}


class Case:
    """One pipeline, and the inputs of its models."""

    def __init__(self, name):
        torch.manual_seed(len(name))
        self.name = name
        self.unet = UNet2DConditionModel(**{**UNET, **UNETS[name]}).eval()
        self.te = [CLIPTextModel(CLIPTextConfig(hidden_size=12, **TEXT)).eval()]
        if name == "sdxl":
            self.te.append(CLIPTextModelWithProjection(CLIPTextConfig(hidden_size=10, hidden_act="gelu", **TEXT)).eval())
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for part, model in {"unet": self.unet, **{f"te{i + 1}": t for i, t in enumerate(self.te)}}.items():
            randomize(model)
            if part == "unet":
                model.save_config(folder / part)
            else:
                model.config.architectures = [type(model).__name__]
                model.config.save_pretrained(folder / part)
            weights = {k: v.half().contiguous() for k, v in model.state_dict().items()}
            save_file(weights, folder / part / "model.safetensors")
        c = self.unet.config
        self.inputs = dict(
            sample=torch.randn(2, 4, 8, 8), timestep=torch.tensor([3.0, 871.0]),
            encoder_hidden_states=torch.randn(2, 6, c.cross_attention_dim))
        saved = {"x": nhwc(self.inputs["sample"]), "cond": self.inputs["encoder_hidden_states"]}
        if name == "sdxl":
            saved["pooled"] = torch.randn(2, 10)
            self.inputs["added_cond_kwargs"] = dict(text_embeds=saved["pooled"], time_ids=torch.tensor([[64., 64, 0, 0, 64, 64]] * 2))
        golden.update({f"{name}.{k}": v for k, v in saved.items()})
        cls = StableDiffusionPipeline if name == "sd1" else StableDiffusionXLPipeline
        more = dict(safety_checker=None, feature_extractor=None, requires_safety_checker=False)
        if name == "sdxl":
            more = dict(text_encoder_2=self.te[1], tokenizer_2=None)
        self.pipe = cls(vae=None, text_encoder=self.te[0], tokenizer=None, unet=self.unet, scheduler=DDIMScheduler(), **more)

    @torch.no_grad()
    def record(self, case):
        golden[f"{self.name}.{case}.y"] = nhwc(self.unet(**self.inputs).sample)
        for i, te in enumerate(self.te):
            golden[f"{self.name}.{case}.te{i + 1}"] = te(IDS).last_hidden_state

    def same(self):
        """No adapter is left: the outputs are again what they were."""
        saved = dict(golden)
        self.record("base")
        for k, v in saved.items():
            torch.testing.assert_close(golden[k], v, msg=k)
        golden.update(saved)


def kohya(case, ldm):
    """Linear and convolution layers as kohya names them; ranks differ."""
    out = {}
    layers = {"unet": modules(case.unet, "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out",
                              "conv1", "conv2", "conv_shortcut", "time_emb_proj", "downsamplers.0.conv", "upsamplers.0.conv")}
    for i, te in enumerate(case.te):
        layers["te" if case.name == "sd1" else f"te{i + 1}"] = modules(te, "q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
    n = 0
    for part, found in layers.items():
        for name, m in found.items():
            if part != "unet" and not name.startswith("text_model"):
                name = "text_model." + name  # transformers 5 has no such level
            key = f"lora_{part}_" + (ldm(name) if part == "unet" else name).replace(".", "_")
            r, w = 2 + n % 3, m.weight
            extra = w.shape[2:]
            out[key + ".lora_down.weight"] = torch.randn(r, *w.shape[1:]) * 0.3
            out[key + ".lora_up.weight"] = torch.randn(w.shape[0], r, *[1 for _ in extra]) * 0.3
            out[key + ".alpha"] = torch.tensor(1.5)
            n += 1
    return {k: v.half() for k, v in out.items()}


def ldm_name(name):
    """The names of the first release, for SDXL with three levels of two layers."""
    parts = name.split(".")
    inner = {"conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
    if parts[0] == "mid_block":
        number = {"attentions": 1, "resnets": 2 * int(parts[2])}[parts[1]]
        block = f"middle_block.{number}"
        rest, kind = parts[3:], parts[1]
    else:
        i, kind, j, rest = int(parts[1]), parts[2], int(parts[3]), parts[4:]
        if parts[0] == "down_blocks":
            if kind == "downsamplers":
                return f"input_blocks.{3 * i + 3}.0.op"
            block = f"input_blocks.{1 + 3 * i + j}.{int(kind == 'attentions')}"
        elif kind == "upsamplers":
            return f"output_blocks.{3 * i + 2}.2.conv"
        else:
            block = f"output_blocks.{3 * i + j}.{int(kind == 'attentions')}"
    if kind == "resnets":
        rest = [inner[rest[0]]]
    return ".".join([block, *rest])


def in_peft(case, path, rslora=False):
    """A LoRA that PEFT makes and diffusers saves, with alpha in its metadata."""
    targets = ["to_q", "to_k", "to_v", "to_out.0", "conv1"]
    configs = {"unet": peft.LoraConfig(r=3, lora_alpha=6, target_modules=targets, alpha_pattern={"attn2.to_q": 1.5})}
    models = {"unet": case.unet}
    for i, te in enumerate(case.te):
        name = "text_encoder" + ("_2" if i else "")
        models[name] = te
        configs[name] = peft.LoraConfig(r=2, lora_alpha=1, use_rslora=rslora, target_modules=["q_proj", "v_proj", "fc1"])
    layers = {}
    for name, model in models.items():
        model.add_adapter(configs[name], "made")
        for n, p in model.named_parameters():
            if "lora_" in n:
                p.data = torch.randn_like(p) * 0.3
        layers[name] = {k: v.half() for k, v in get_peft_model_state_dict(model, adapter_name="made").items()}
        model.delete_adapters("made") if name == "unet" else model.delete_adapter("made")
    with tempfile.TemporaryDirectory() as tmp:
        case.pipe.save_lora_weights(
            tmp, **{f"{n}_lora_layers": v for n, v in layers.items()},
            **{f"{n}_lora_adapter_metadata": json.loads(json.dumps(c.to_dict(), default=list)) for n, c in configs.items()})
        shutil.copy(pathlib.Path(tmp) / "pytorch_lora_weights.safetensors", path)


def lycoris(case, name, config):
    """LoHa or LoKr: PEFT's layers, saved under LyCORIS' names."""
    model = peft.inject_adapter_in_model(config, case.unet, adapter_name="default")
    out = {}
    for layer, m in model.named_modules():
        if not hasattr(m, "get_delta_weight"):
            continue
        key = "lora_unet_" + layer.replace(".", "_")
        for n, p in m.named_parameters():
            kind = n.split(".")[0]
            if kind.startswith(("hada", "lokr")):
                p.data = (torch.randn_like(p) * 0.5).half().float()
                out[f"{key}.{kind}"] = p.data.half()
        if not (f"{key}.lokr_w1" in out and f"{key}.lokr_w2" in out):
            out[key + ".alpha"] = torch.tensor(float(config.alpha)).half()
        else:  # nothing decomposed: LyCORIS has no scale there
            m.scaling["default"] = 1.0
    save_file(out, HERE / f"{name}.safetensors", {"ss_network_module": "lycoris.kohya"})
    case.record(name)
    for layer, m in list(model.named_modules()):
        if hasattr(m, "get_delta_weight"):
            parent = model.get_submodule(layer.rpartition(".")[0])
            setattr(parent, layer.rpartition(".")[2], m.get_base_layer())


def locon(case):
    """LoCon with a middle: three convolutions, one after the other."""
    out, hooks = {}, []
    for layer, m in modules(case.unet, "conv1", "downsamplers.0.conv").items():
        o, c, kh, kw = m.weight.shape
        down, mid, up = (torch.randn(*s).mul(0.4).half() for s in [(3, c, 1, 1), (2, 3, kh, kw), (o, 2, 1, 1)])
        key = "lora_unet_" + layer.replace(".", "_")
        out.update({key + ".lora_down.weight": down, key + ".lora_mid.weight": mid, key + ".lora_up.weight": up, key + ".alpha": torch.tensor(1.5)})

        def hook(m, args, y, down=down, mid=mid, up=up):
            h = F.conv2d(F.conv2d(args[0], down.float()), mid.float(), stride=m.stride, padding=m.padding)
            return y + 1.5 / 3 * F.conv2d(h, up.float())
        hooks.append(m.register_forward_hook(hook))
    save_file(out, HERE / "sd1_locon_mid.safetensors")
    case.record("sd1_locon_mid")
    for h in hooks:
        h.remove()


for name in ("sd1", "sdxl"):
    case = Case(name)
    case.record("base")
    save_file(kohya(case, ldm_name if name == "sdxl" else lambda n: n), HERE / f"{name}_kohya.safetensors", {"ss_network_alpha": "1.5"})
    in_peft(case, HERE / f"{name}_peft.safetensors")
    case.same()

    if name == "sd1":  # set_adapters of this PEFT forgets α/√r, so this comes before
        in_peft(case, HERE / "sd1_rslora.safetensors", rslora=True)
        case.pipe.load_lora_weights(str(HERE / "sd1_rslora.safetensors"))
        case.record("rslora")
        case.pipe.unload_lora_weights()
        case.same()
    case.pipe.load_lora_weights(str(HERE / f"{name}_kohya.safetensors"), adapter_name="kohya")
    case.pipe.load_lora_weights(str(HERE / f"{name}_peft.safetensors"), adapter_name="peft")
    for label, names, weights in [
        ("kohya", ["kohya"], [1.0]), ("peft", ["peft"], [1.0]), ("both", ["kohya", "peft"], [0.8, -0.5]),
    ]:
        case.pipe.set_adapters(names, weights)
        case.record(label)
    texts = {"text_encoder": 0.25, **({"text_encoder_2": 0.25} if name == "sdxl" else {})}
    case.pipe.set_adapters(["kohya"], [{"unet": 0.75, **texts}])
    case.record("apart")
    case.pipe.unload_lora_weights()
    if name == "sd1":
        torch.manual_seed(1)
        linear, conv = ["to_q", "to_v", "ff.net.0.proj"], ["conv1", "conv_shortcut", "downsamplers.0.conv"]
        lycoris(case, "sd1_loha", peft.LoHaConfig(r=3, alpha=2, target_modules=linear + conv, init_weights=False))
        lycoris(case, "sd1_loha_tucker", peft.LoHaConfig(r=2, alpha=3, target_modules=conv, use_effective_conv2d=True, init_weights=False))
        lycoris(case, "sd1_lokr", peft.LoKrConfig(r=1, alpha=2, target_modules=linear + conv, decompose_both=True, init_weights=False))
        lycoris(case, "sd1_lokr_tucker", peft.LoKrConfig(r=3, alpha=2, decompose_factor=2, target_modules=conv, use_effective_conv2d=True, init_weights=False))
        lycoris(case, "sd1_lokr_whole", peft.LoKrConfig(r=64, alpha=3, target_modules=linear, init_weights=False))
        locon(case)
        case.same()
save_file({k: v.float().contiguous() for k, v in golden.items()}, HERE / "golden.safetensors")

# What kohya's programs know a file by: SHA-256 without the header, and of 64 KiB at 1 MiB.
data = (HERE / "sd1_kohya.safetensors").read_bytes()
body = data[8 + int.from_bytes(data[:8], "little"):]
(HERE / "hashes.txt").write_text(
    f"{hashlib.sha256(body).hexdigest()} {hashlib.sha256(data[0x100000:][:0x10000]).hexdigest()[:8]}\n")
