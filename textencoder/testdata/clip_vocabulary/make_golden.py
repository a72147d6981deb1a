"""Writes golden.json: the ids that transformers' CLIPTokenizer gives nasty texts
and usual prompts with CLIP's own vocabulary, as open_clip numbers it, and with
either padding.

    python textencoder/testdata/clip_vocabulary/make_golden.py
"""
import gzip
import json
import pathlib
import tempfile

import open_clip
import open_clip.tokenizer
from transformers import CLIPTokenizer

HERE = pathlib.Path(__file__).parent
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
TEXTS = [c["text"] for c in json.loads((HERE.parent / "tokenizer" / "golden.json").read_text())[0]["cases"]] + [
    "a photograph of an astronaut riding a horse on mars, highly detailed, sharp focus, 8k, trending on artstation",
    "masterpiece, best quality, 1girl, solo, (blue_hair:1.3), [[hat]], looking at viewer, <lora:add_detail:0.8>",
    "worst quality, low quality, bad-hands-5, EasyNegative, jpeg artifacts, watermark, text, signature!!!",
    "BREAK, AND; \\(literal\\) $5.00 100% #1 @home *star* a/b c=d ~e~ `f` ^g^ {h}",
    "Größe, São Paulo, naïveté, Ελλάδα, Київ, 東京タワー, 서울, தமிழ், ქართული",
    "👨‍👩‍👧‍👦🏽‍🚀 ❤️‍🔥 ✨✨✨ 1️⃣ ™ © ½ º ª µ Ⅻ ﬁ ß ſ K Å",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis qwxzjkvb zzzzzzzzzzzzzzzzzzzzz",
    "rock 'n' roll 'twas y'all'd've o'clock 90's'",
    "0123456789 3.14159 1e-5 0x1F 12:30 2024-01-31",
    "!", "!!", "wow!", "! a !b", "a" * 77 + " " + "b" * 77, ", ,,, , . .. ...",
]

encoder = open_clip.tokenizer.SimpleTokenizer().encoder
rename = {"<start_of_text>": BOS, "<end_of_text>": EOS}
vocab = {rename.get(t, t): i for t, i in encoder.items()}
source = pathlib.Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
merges = gzip.decompress(source.read_bytes()).decode().split("\n")[1 : len(vocab) - 514 + 1]

golden = {}
for pad in (EOS, "!"):
    with tempfile.TemporaryDirectory() as d:
        d = pathlib.Path(d)
        (d / "vocab.json").write_text(json.dumps(vocab))
        (d / "merges.txt").write_text("#version: 0.2\n" + "".join(m + "\n" for m in merges))
        named = {"bos_token": BOS, "eos_token": EOS, "unk_token": EOS, "pad_token": pad}
        (d / "special_tokens_map.json").write_text(json.dumps(named))
        (d / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **named}))
        t = CLIPTokenizer.from_pretrained(d)
    assert len(t) == 49408
    golden[pad] = [{"text": s, "ids": t(s, padding="max_length", truncation=True, max_length=77).input_ids} for s in TEXTS]
(HERE / "golden.json").write_text(json.dumps(golden, separators=(",", ":")))
print({k: len(v) for k, v in golden.items()}, (HERE / "golden.json").stat().st_size)
