"""The rules of prompts written out plainly, to compute goldens with: weights by
brackets, chunks, and what becomes of the text encoder's output."""
import re

import torch

SPECIAL = "\\()[]:"


def weights(text):
    """[(text, weight)], neighbours of one weight joined; ("BREAK", -1) is a break."""
    parts, opened = [], {"(": [], "[": []}

    def scale(begin, factor):
        for part in parts[begin:]:
            part[1] *= factor

    i = 0
    while i < len(text):
        c = text[i]
        closing = re.match(r":\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*\)", text[i:])
        if c == "\\":
            literal = text[i + 1 : i + 2] if text[i + 1 : i + 2] and text[i + 1] in "\\()[]" else ""
            parts.append([literal, 1.0])
            i += 1 + len(literal)
        elif c in opened:
            opened[c].append(len(parts))
            i += 1
        elif closing and opened["("]:
            scale(opened["("].pop(), float(closing[1]))
            i += closing.end()
        elif c == ")" and opened["("]:
            scale(opened["("].pop(), 1.1)
            i += 1
        elif c == "]" and opened["["]:
            scale(opened["["].pop(), 1 / 1.1)
            i += 1
        else:
            end = i + 1
            if closing:
                end = i + closing.end()
            elif c not in SPECIAL:
                while end < len(text) and text[end] not in SPECIAL:
                    end += 1
            for k, piece in enumerate(re.split(r"\s*\bBREAK\b\s*", text[i:end])):
                parts += ([["BREAK", -1]] if k else []) + [[piece, 1.0]]
            i = end
    for kind, factor in (("(", 1.1), ("[", 1 / 1.1)):
        for begin in opened[kind]:
            scale(begin, factor)
    joined = []
    for piece, weight in parts or [["", 1.0]]:
        if joined and joined[-1][1] == weight:
            joined[-1][0] += piece
        else:
            joined.append([piece, weight])
    return joined


def compose(prompt):
    """[[text, weight]] of the prompts that AND joins."""
    out = []
    for part in re.split(r"\bAND\b", prompt):
        counted = re.fullmatch(r"(?s:(.*?))\s*:\s*([+-]?(?:[0-9]+\.?|[0-9]*\.[0-9]+))\s*", part)
        out.append([counted[1], float(counted[2])] if counted else [part.rstrip(), 1.0])
    return out


def combine(negative, outputs, composed, guidance):
    """ε(∅) + g·Σ w·(ε(c) − ε(∅)), term by term."""
    y = negative.clone()
    for output, (_, weight) in zip(outputs, composed, strict=True):
        y += (output - negative) * (weight * guidance)
    return y


class Reader:
    """Cuts prompts into chunks of length-2 tokens. learned maps a name to the ids
    that stand for its vectors."""

    def __init__(self, tokenizer, length, learned=None):
        self.tokenizer, self.room = tokenizer, length - 2
        self.bos, self.eos, self.pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
        self.comma = tokenizer.get_vocab().get(",</w>", -1)
        names = [(self.ids(name), ids) for name, ids in (learned or {}).items()]
        self.names = sorted(names, key=lambda n: -len(n[0]))

    def ids(self, text):
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def chunk(self, items):
        """77 ids and weights of at most 75 of each."""
        ids = [self.bos] + [i for i, _ in items] + [self.eos]
        ids += [self.eos] * (self.room + 2 - len(ids))
        first = ids.index(self.eos)
        ids = ids[: first + 1] + [i if self.pad == self.eos else self.pad for i in ids[first + 1 :]]
        w = [1.0] + [w for _, w in items]
        return ids, w + [1.0] * (self.room + 2 - len(w))

    def chunks(self, prompt, emphasis):
        done, now, comma = [], [], None
        for text, weight in [[prompt, 1.0]] if emphasis == "None" else weights(prompt):
            if (text, weight) == ("BREAK", -1):
                done, now, comma = done + [now], [], None
                continue
            if emphasis == "Ignore":
                weight = 1.0
            ids = self.ids(text)
            while ids:
                name, vectors = next((n for n in self.names if ids[: len(n[0])] == n[0]), (ids[:1], ids[:1]))
                if ids[0] == self.comma:
                    comma = len(now)
                elif len(now) == self.room and comma is not None and self.room - comma <= 20:
                    done, now, comma = done + [now[: comma + 1]], now[comma + 1 :], None
                if len(now) == self.room or len(now) + len(vectors) > self.room:
                    done, now, comma = done + [now], [], None
                now = now + [(v, weight) for v in vectors]
                ids = ids[len(name) :]
        if now or not done:
            done.append(now)
        return [self.chunk(items) for items in done]


def reweight(z, w, emphasis):
    """z[L,D] of one chunk."""
    if emphasis in ("Ignore", "None") or all(x == 1 for x in w):
        return z
    out = z * torch.tensor(w)[:, None]
    if emphasis == "Original":
        ratio = (z.double().mean() / out.double().mean()).float()
        out = out * ratio
    return out


def encode(models, readers, prompts, emphasis, hidden):
    """hidden(output, model) picks z. Returns [B,k·L,ΣD] and the last model's pooled."""
    split = [[r.chunks(p, emphasis) for p in prompts] for r in readers]
    k = max(len(c) for s in split for c in s)
    sides, pooled = [], None
    for model, reader, chunks in zip(models, readers, split):
        rows = []
        for c in chunks:
            c = c + [reader.chunk([])] * (k - len(c))
            z = []
            for n, (ids, w) in enumerate(c):
                out = model(torch.tensor([ids]), output_hidden_states=True)
                z.append(reweight(hidden(out, model)[0], w, emphasis))
                if n == 0 and hasattr(out, "text_embeds"):
                    pooled = (pooled or []) + [out.text_embeds[0]]
            rows.append(torch.cat(z))
        sides.append(torch.stack(rows))
    return torch.cat(sides, -1), pooled and torch.stack(pooled)
