"""Writes small CLIP tokenizers and what transformers' CLIPTokenizer makes of
nasty texts with them: golden.json.

    go test ./textencoder -run BuildVocabulary -update   writes built/
    python make_golden.py                                writes the rest
"""

import json
import os
from collections import Counter

from transformers import CLIPTokenizer

CORPUS = """a photo of a cat sitting on the red sofa, photograph, highly detailed it's don't
we're they'll i'm banana bandana an anchor ananas naïve café 猫 猫猫 привет мир שלום 🎨🎨 1234 !!! ... the theatre"""

TEXTS = [
    "", " ", "a", "A photo of a CAT, highly detailed!", "it's don't WE'RE they'll I'm y'all 'S 'sx '' 'x' rock'n'roll",
    "banana bandana ananas an anchor", "naïve café na\u00efve nai\u0308ve cafe\u0301 \u212b \ufb01", "İstanbul ΣΑΣ ẞ Ǆ ŉ",
    "猫が好き 猫猫 你好,世界。", "привет, МИР", "שלום עולם مرحبا بالعالم हिन्दी ไทย", "🎨 👩‍👩‍👧 🏳️‍🌈 ☺️ 🇩🇪 a🎨b",
    "1234 5 ½ ² Ⅷ ٣ 1st 2x4", "tab\tnew\nline\r\n\x0b\x0c nbsp\u00a0em\u2003ls\u2028nel\u0085zwsp\u200bend",
    "nul\x00 bell\x07 esc\x1b[0m fs\x1cgs\x1d del\x7f soft\u00adhyphen bom\ufeff", "(((masterpiece))) [a|b] {x:1.2} <lora:y:0.8> \\( \\)",
    "<|startoftext|>a<|endoftext|>b", "<|StartOfText|> A <|ENDOFTEXT|>!! x", "<|endof text|> <|endoftext <|pad|>", "wow! !!! a!b ! a !",
    "under_score-dash—em…dots “quotes” ‚low’", "a" * 300, "the theatre " * 40, "é" * 40, "\ufffd \ue000 \U0010ffff \u0378", "aaa" * 33 + " banana" * 9,
    "red tiny t-shirt", "x<a>y <b> <A> <B>z",
]


def alphabet():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    out, n = {}, 256
    for b in range(256):
        out[b] = chr(b) if b in printable else chr(n)
        n += b not in printable
    return out


def train(count):
    """Plain BPE: merge the commonest pair, count times."""
    letters = alphabet()
    words = Counter()
    for w in CORPUS.lower().split():
        s = [letters[b] for b in w.encode()]
        words[tuple(s[:-1] + [s[-1] + "</w>"])] += 1
    merges = []
    for _ in range(count):
        pairs = Counter()
        for w, n in words.items():
            for p in zip(w, w[1:]):
                pairs[p] += n
        a, b = max(pairs, key=lambda p: (pairs[p], p))
        merges.append((a, b))
        new = Counter()
        for w, n in words.items():
            out, i = [], 0
            while i < len(w):
                if w[i : i + 2] == (a, b):
                    out.append(a + b)
                    i += 2
                else:
                    out.append(w[i])
                    i += 1
            new[tuple(out)] += n
        words = new
    return merges


def write(folder, config, special=None, added=None, drop=()):
    os.makedirs(folder, exist_ok=True)
    letters = list(alphabet().values())
    merges = train(80)
    tokens = letters + [c + "</w>" for c in letters] + [a + b for a, b in merges]
    tokens = [t for t in dict.fromkeys(tokens) if t not in drop] + ["<|startoftext|>", "<|endoftext|>"]

    def put(name, value):
        with open(f"{folder}/{name}", "w") as f:
            json.dump(value, f, ensure_ascii=False)

    put("vocab.json", {t: i for i, t in enumerate(tokens)})
    with open(f"{folder}/merges.txt", "w") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    if config is not None:
        put("tokenizer_config.json", config)
    if special is not None:
        put("special_tokens_map.json", special)
    if added is not None:
        put("added_tokens.json", {t: len(tokens) + i for i, t in enumerate(added)})


def token(text, normalized=True):
    return {"content": text, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False}


BOS, EOS = "<|startoftext|>", "<|endoftext|>"
named = {"bos_token": token(BOS), "eos_token": token(EOS), "unk_token": token(EOS)}
typed = {k: {"__type": "AddedToken", **v} for k, v in named.items()}
base = {"tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "add_prefix_space": False, "errors": "replace"}

write("sd1", {**base, **typed, "pad_token": EOS, "model_max_length": 77}, {**named, "pad_token": EOS})
write("sd2", {**base, **typed, "pad_token": EOS, "model_max_length": 77}, {**named, "pad_token": "!"})
write("decoder", {**base, "bos_token": BOS, "eos_token": EOS, "unk_token": EOS, "pad_token": "!", "model_max_length": 20,
                  "added_tokens_decoder": {"0": {**token("\u0100", False), "special": True}, "33": {**token("!", False), "special": True},
                                           "592": {**token(BOS), "special": True}, "593": {**token(EOS), "special": True}}})
write("added", {**base, "model_max_length": 24}, None, ["<a>", "<B>"])
write("holes", {**base, "model_max_length": 16}, drop=["x", "z</w>", "\u0142"])

golden = []
for folder in ["sd1", "sd2", "decoder", "added", "holes", "built"]:
    t = CLIPTokenizer.from_pretrained(folder)
    n = t.model_max_length
    golden.append({
        "folder": folder, "bos": t.bos_token_id, "eos": t.eos_token_id, "pad": t.pad_token_id, "max_length": n,
        "cases": [{
            "text": s,
            "tokens": t(s, add_special_tokens=False).input_ids,
            "ids": t(s, padding="max_length", truncation=True, max_length=n).input_ids,
            "decoded": t.decode(t(s).input_ids, skip_special_tokens=True),
        } for s in TEXTS],
    })
with open("golden.json", "w") as f:
    f.write(json.dumps(golden))
print({g["folder"]: len(g["cases"]) for g in golden})
