"""What rules.py makes of prompts with AND.

    python textencoder/testdata/prompts/make_compose_golden.py
"""
import itertools
import json
import pathlib

from rules import compose

PROMPTS = [
    "", " ", "a cat", "a cat ", " a cat", "AND", "a AND", "AND b", "a AND b", "a  AND\n b AND c", "aAND b", "a ANDb", "a AND_ b", "é AND ü",
    "éAND b", "a,AND,b", "a and b And c", "(a AND b:1.2)", "[a AND b]", "a \\AND b", "AND AND AND", "a BREAK b AND c", "[a:b:0.5] AND [c|d]",
    "a :0.5", "a:0.5", "a: 0.5", "a : 0.5 ", "a:.5", "a:5.", "a:+1", "a:-0.75", "a:1e3", "a:1.2.3", "a:--1", "a:", "a: ", ":2", "a:b:2",
    "a:2:b", "12:30", "a (b:1.2)", "a\n:\n2\n", "a:0", "a:٣", "a:1,5", "a AND b:2 AND c: -1.5 AND d", "a :1 AND b :1.",
    "a\u00a0:\u20032\u3000", "a\x1f:2", "<|endoftext|> AND x:3", "🎨AND🎨", "a AND b AND a",
]
WEIGHTS = ["", ":2", " : -0.5 ", ":x"]
PROMPTS += [f"{a}{u} AND {b}{v}" for a, b, u, v in itertools.product(["red fox", "(sea:1.1)"], ["blue, sky", ""], WEIGHTS, WEIGHTS)]
path = pathlib.Path(__file__).parent / "compose.json"
path.write_text(json.dumps([{"prompt": p, "parts": compose(p)} for p in PROMPTS], ensure_ascii=False, indent=0) + "\n")
