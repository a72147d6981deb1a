"""Writes merges.txt.gz: the merges of CLIP's vocabulary, from the file that the
open_clip package brings, as vocab.json numbers them.

    pip install open_clip_torch
    python assets/clip/make_merges.py
"""
import gzip
import importlib.util
import pathlib

source = pathlib.Path(importlib.util.find_spec("open_clip").origin).parent / "bpe_simple_vocab_16e6.txt.gz"
lines = gzip.decompress(source.read_bytes()).decode().split("\n")
# The first line is a heading. The file holds more merges than CLIP's 49408
# tokens have room for, beside 2·256 bytes and two special tokens.
merges = lines[1 : 1 + 49408 - 2 * 256 - 2]
data = "#version: 0.2\n" + "".join(line + "\n" for line in merges)
out = pathlib.Path(__file__).with_name("merges.txt.gz")
out.write_bytes(gzip.compress(data.encode(), 9, mtime=0))
print(len(merges), "merges,", out.stat().st_size, "bytes")
