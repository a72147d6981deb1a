"""What other programs read in infotext: AUTOMATIC1111's pattern over the last line
and its rules for the lines before, and Civitai's pattern for hashes, over texts as
AUTOMATIC1111 writes them (THEIRS) and as Latent does (infotext_ours.json, which
go test -update writes). Only Python's re and json take part.

    python app/gallery/testdata/make_infotext_golden.py
"""
import json
import pathlib
import re

HERE = pathlib.Path(__file__).parent
PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
HASHES = re.compile(r", Hashes:\s*({[^}]+})")
NEGATIVE = "Negative prompt:"

PROMPTS = [
    "", "a red cat", "a cat,\nsleeping\n\nby the fire", "  indented\n  lines ", "Negative prompt: not really",
    "good\nNegative prompt: still good\nSteps: 1, Sampler: x, Seed: 2", "Steps: 20, Sampler: Euler, CFG scale: 7",
    r"""quotes "inside" and 'out' \ back\\slash \n""", "colon: comma, <lora:x:0.5>", "猫 🎨👩‍👩‍👧 שלום مرحبا", "trailing  ",
    r"((a:1.2), [b], \(c\)) ends with \\", 'Lora hashes: "a: b", c',
]
VALUES = {
    "Steps": "20", "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": "7.5", "Seed": "42", "Size": "512x768",
    "Model hash": "6ce0161689", "Model": 'v1-5, "pruned": final', "VAE hash": "735e4c3a44", "VAE": "kl-f8.safetensors",
    "Variation seed": "7", "Variation seed strength": "0.1", "Denoising strength": "0.55", "Clip skip": "2",
    "ENSD": "31337", "RNG": "CPU", "Mask blur": "4", "Hires upscale": "1.5", "Hires steps": "12",
    "Hires upscaler": "Latent (nearest)", "Lora hashes": "style one: 0123456789ab, b: 89abcdef0123",
    "TI hashes": "EasyNegative: 66a7279a8877", "Emphasis": "No norm", "Note": "a: b,\nc 猫", "Version": "v1.10.1",
}


def write(prompt, negative, values):
    def quote(v):
        return json.dumps(v, ensure_ascii=False) if set(v) & set(",:\n") else v

    text = prompt + (f"\n{NEGATIVE} {negative}" if negative else "")
    return text + "\n" + ", ".join(f"{k}: {quote(v)}" for k, v in values.items())


def read(text):
    *lines, last = text.strip().split("\n")
    if len(PAIR.findall(last)) < 3:
        lines, last = [*lines, last], ""
    parts, at = {"prompt": [], "negative": []}, "prompt"
    for line in map(str.strip, lines):
        if line.startswith(NEGATIVE):
            at, line = "negative", line[len(NEGATIVE):].strip()
        parts[at].append(line)
    values = {}
    for k, v in PAIR.findall(last):
        if v[:1] == '"' == v[-1:]:
            try:
                v = json.loads(v)
            except json.JSONDecodeError:
                pass
        values[k] = v
    # A part that is still empty takes no newline.
    joined = {k: "\n".join(v).lstrip("\n") for k, v in parts.items()}
    hashes = HASHES.search(last)
    return {**joined, "values": values, "hashes": json.loads(hashes[1]) if hashes else None}


SHORT = {k: VALUES[k] for k in ("Steps", "Sampler", "CFG scale", "Seed", "Size")}
theirs = [write(p, n, SHORT) for p in PROMPTS for n in (PROMPTS[0], PROMPTS[3], PROMPTS[7])]
theirs += [write(PROMPTS[1], p, SHORT) for p in PROMPTS] + [write("a", "b", VALUES)]
ours = json.loads((HERE / "infotext_ours.json").read_text())
golden = {"theirs": [{"text": t, **read(t)} for t in theirs], "ours": [read(t) for t in ours]}
(HERE / "infotext_golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n")
