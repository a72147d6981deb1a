"""Writes chunks.json, what the rules of rules.py make of tricky prompts with CLIP's
vocabulary; and for small text encoders with random weights (l, h, g: as in SD 1.x,
SD 2.x and beside l in SDXL) their files and encoded.safetensors, what prompts become
with transformers' CLIPTextModel and those rules, and in diffusers' own pipelines.

    python textencoder/testdata/prompts/make_golden.py
"""
import gzip
import json
import pathlib
import sys
import tempfile

import open_clip
import open_clip.tokenizer
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
from rules import Reader, encode  # noqa: E402

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
WORDS = "red green blue white black gold grey pink teal brown".split()


def words(n, start=0):
    return " ".join(WORDS[(start + i) % len(WORDS)] for i in range(n))


PROMPTS = [
    "", " ", "a cat", "a (cat)", "a ((cat)) [dog] [[bird]]", "a (cat:1.3), (dog:0.7)", "(a (b (c:1.5)):0.5) d", "a (cat", "a [cat", "a cat)", "cat]",
    "(a [b) c]", r"a \(cat\) \[dog\] \\ back\slash", "(a:b:1.2)", "(a:)", ":1.3)", "(cat: 1.2 )", "(cat:-1)", "(cat:+.5)", "(cat:2.)", "(cat:0) dog",
    "a BREAK b", "BREAK", "BREAK a", "a BREAK", "a BREAK BREAK b", "aBREAK BREAKb BREAK_", "(a BREAK b:1.2)", "(BREAK:1) a", "a,BREAK,b", "(a)BREAK(b)",
    "wo(rd)s", "(half:1.2)(half:1.2)", "é(É:1.1) 猫(🎨:0.9)", "a\n(b\n:1.3\n)", "((((((((((deep))))))))))", "[[[[[[[[[[deep]]]]]]]]]]", "text!!! (wow!)",
    "<|endoftext|> a (b:2)", "(:1.3)", "()", "[]", "a () b", "(a:1.2) , (b:1.2)",
    words(75), words(76), words(74) + ", red", words(75) + ", red", words(70) + ", " + words(10), words(54) + ", " + words(30), words(55) + ", " + words(30),
    words(53) + ", " + words(30), words(60) + ", " + words(13) + ", " + words(20), words(160), ", ".join([words(7)] * 25), words(40) + " BREAK " + words(80),
    words(30) + ", (" + words(50) + ":1.4), [" + words(20) + "]", words(74) + " (red,:1.2) blue", "a " * 149 + "b",
]

encoder = open_clip.tokenizer.SimpleTokenizer().encoder
rename = {"<start_of_text>": BOS, "<end_of_text>": EOS}
vocab = {rename.get(t, t): i for t, i in encoder.items()}
source = pathlib.Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
merges = gzip.decompress(source.read_bytes()).decode().split("\n")[1 : len(vocab) - 514 + 1]


def clip_tokenizer(pad):
    with tempfile.TemporaryDirectory() as d:
        d = pathlib.Path(d)
        (d / "vocab.json").write_text(json.dumps(vocab))
        (d / "merges.txt").write_text("#version: 0.2\n" + "".join(m + "\n" for m in merges))
        named = {"bos_token": BOS, "eos_token": EOS, "unk_token": EOS, "pad_token": pad}
        (d / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **named}))
        return CLIPTokenizer.from_pretrained(d)


# Part one: chunks. Embeddings stand as -1, -2, …; "a" is part of a longer name.
NAMES = {"EasyNegative": [-1] * 8, "bad-hands-5": [-2] * 3, "red green": [-3] * 2, "red green blue": [-4]}
LEARNED = [
    "EasyNegative", "a (easynegative:1.3), b", "bad-hands-5 bad-hands-4 bad-hands", "red green blue red green red", words(69, 4) + " EasyNegative",
    words(68, 4) + " bad-hands-5 bad-hands-5", words(67, 4) + ", x EasyNegative", words(66, 4) + ", x bad-hands-5 y EasyNegative z", "x" + " bad-hands-5" * 30,
    "EasyNegative BREAK EasyNegative", words(58, 4) + ", bad-hands-5, " + words(10, 3) + " end",
]
golden = []
for pad, kinds in ((EOS, ["Original", "Ignore", "None"]), ("!", ["Original"])):
    tokenizer = clip_tokenizer(pad)
    for emphasis in kinds:
        for names, prompts in (({}, PROMPTS), (NAMES, LEARNED)):
            reader = Reader(tokenizer, 77, names)
            for p in prompts:
                if emphasis != "Original" and len(p) > 200:
                    continue
                chunks = [
                    {"ids": ids, "weights": {i: x for i, x in enumerate(w) if x != 1}}
                    for ids, w in reader.chunks(p, emphasis)
                ]
                golden.append({"prompt": p, "pad": pad, "emphasis": emphasis, "learned": bool(names), "chunks": chunks})
for case in golden:  # what repeats at a chunk's end is written once
    for c in case["chunks"]:
        while len(c["ids"]) > 1 and c["ids"][-1] == c["ids"][-2]:
            c["ids"].pop()
(HERE / "chunks.json").write_text(json.dumps({"vectors": {n: len(v) for n, v in NAMES.items()}, "cases": golden}, separators=(",", ":")))

# Part two: encodings. The tokenizers of ../tokenizer have 594 tokens; the learned
# vectors become tokens behind them.
LENGTH = 16
BASE = dict(vocab_size=594, num_hidden_layers=3, num_attention_heads=2, max_position_embeddings=LENGTH, bos_token_id=592, eos_token_id=593)
MODELS = {
    "l": (CLIPTextModel, dict(hidden_size=8, intermediate_size=16, hidden_act="quick_gelu", pad_token_id=593)),
    "h": (CLIPTextModel, dict(hidden_size=8, intermediate_size=12, hidden_act="gelu", pad_token_id=0)),
    "g": (CLIPTextModelWithProjection, dict(hidden_size=12, intermediate_size=16, hidden_act="gelu", pad_token_id=0, projection_dim=10)),
}
PADS = {"l": "sd1", "h": "sd2", "g": "sd2"}
torch.manual_seed(7)
out, models, readers = {}, {}, {}
embeddings = {"banana": (torch.randn(3, 8), torch.randn(3, 12)), "red anchor": (torch.randn(1, 8), torch.randn(1, 12))}
for name, (cls, config) in MODELS.items():
    model = cls(CLIPTextConfig(**BASE, **config)).float().eval()
    for key, p in model.named_parameters():
        value = torch.randn_like(p) * (p[0].numel() ** -0.5 if p.dim() > 1 else 0.2)
        p.data = (value + (1 if "norm" in key and key.endswith("weight") else 0.1)).half().float()
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    model.config.architectures = [cls.__name__]
    model.config.save_pretrained(folder)
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    side = 1 if name == "g" else 0
    table = model.get_input_embeddings()
    extra = torch.cat([v[side] for v in embeddings.values()])
    wide = torch.nn.Embedding(594 + len(extra), table.embedding_dim)
    wide.weight.data = torch.cat([table.weight.data, extra])
    model.set_input_embeddings(wide)
    models[name] = model
    tokenizer = CLIPTokenizer.from_pretrained(HERE.parent / "tokenizer" / PADS[name])
    readers[name] = [Reader(tokenizer, LENGTH), Reader(tokenizer, LENGTH, {"banana": [594, 595, 596], "red anchor": [597]})]
for name, (l, g) in embeddings.items():
    out[f"embedding.{name}.clip_l"], out[f"embedding.{name}.clip_g"] = l, g


def last(out, model):
    return out.last_hidden_state


def skip(n):
    return lambda out, model: getattr(model, "text_model", model).final_layer_norm(out.hidden_states[-n])


def penultimate(out, model):
    return out.hidden_states[-2]


PAIR = ["a [blurry:1.2] photo", "a (photo:1.4) of a (cat), [highly] detailed, sitting on the (red:0.5) sofa, they'll"]
CASES = {  # name: models, prompts, emphasis, hidden state, learned
    "sd1": ("l", PAIR, "Original", last, 0), "sd1_nonorm": ("l", PAIR, "No norm", last, 0), "sd1_ignore": ("l", PAIR, "Ignore", last, 0),
    "sd1_none": ("l", PAIR, "None", last, 0), "sd1_plain": ("l", ["a cat", ""], "Original", last, 0), "sd1_skip2": ("l", PAIR, "Original", skip(2), 0),
    "sd1_skip3": ("l", PAIR, "Original", skip(3), 0), "sd1_break": ("l", ["a (cat:1.3) BREAK photo", "x"], "Original", last, 0),
    "sd2": ("h", PAIR, "Original", last, 0), "sdxl": ("lg", PAIR, "Original", penultimate, 0), "sdxl_nonorm": ("lg", PAIR, "No norm", penultimate, 0),
    "sd1_learned": ("l", ["banana", "a (banana:1.3) red anchor, it's a banana cat sitting on a banana banana"], "Original", last, 1),
    "sdxl_learned": ("lg", ["a (banana:1.3) red anchor, it's a banana cat sitting on a banana banana", "red"], "Original", penultimate, 1),
}
with torch.no_grad():
    for name, (which, prompts, emphasis, hidden, learned) in CASES.items():
        context, pooled = encode([models[m] for m in which], [readers[m][learned] for m in which], prompts, emphasis, hidden)
        out[name] = context
        if pooled is not None:
            out[name + ".pooled"] = pooled
    # Prompts without weights, of one chunk, as diffusers encodes them. Its clip_skip is
    # one less than AUTOMATIC1111's, and does not apply to the negative prompt.
    for t in (readers["l"][0].tokenizer, readers["g"][0].tokenizer):
        t.model_max_length = LENGTH
    for name, m in models.items():  # without the learned vectors
        table = m.get_input_embeddings()
        m.set_input_embeddings(torch.nn.Embedding.from_pretrained(table.weight.data[:594]))
        object.__setattr__(m, "text_model", getattr(m, "text_model", m))  # where diffusers looks for the last norm
    plain, cpu = ["red!", "a photo of a cat"], torch.device("cpu")
    for name, which, skipped in (("sd1_diffusers", "l", None), ("sd1_skip2_diffusers", "l", 1), ("sd2_diffusers", "h", None)):
        tokenizer = readers[which][0].tokenizer
        tokenizer.model_max_length = LENGTH
        pipe = StableDiffusionPipeline(None, models[which], tokenizer, None, None, None, None, requires_safety_checker=False)
        out[name] = torch.cat([pipe.encode_prompt(p, cpu, 1, False, clip_skip=skipped)[0] for p in plain])
        CASES[name] = (which, plain, "Original", None, 0)
    pipe = StableDiffusionXLPipeline(None, models["l"], models["g"], readers["l"][0].tokenizer, readers["g"][0].tokenizer, None, None, add_watermarker=False)
    positive, negative, pooled, negative_pooled = pipe.encode_prompt(plain[1], None, cpu, 1, True, plain[0])
    out["sdxl_diffusers"], out["sdxl_diffusers.pooled"] = torch.cat([negative, positive]), torch.cat([negative_pooled, pooled])
    CASES["sdxl_diffusers"] = ("lg", plain, "Original", None, 0)
save_file({k: v.contiguous() for k, v in out.items()}, HERE / "encoded.safetensors")
(HERE / "encoded.json").write_text(json.dumps({n: {"models": c[0], "prompts": c[1], "emphasis": c[2], "learned": bool(c[4])} for n, c in CASES.items()}, indent=1))
print({f.name: f.stat().st_size for f in HERE.rglob("*") if f.is_file()})
