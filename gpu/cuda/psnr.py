"""Compares pictures with one, with nothing but Python: psnr.py WANT GOT:LEAST_DB …"""
import math
import struct
import sys
import zlib


def pixels(path):
    """The bytes of red, green and blue of a PNG of 8 bits that is not interlaced."""
    with open(path, "rb") as f:
        data = f.read()
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, color, _, _, interlace = struct.unpack(">IIBBBBB", body)
            if depth != 8 or color not in (2, 6) or interlace:
                sys.exit(f"{path} is no plain RGB picture")
        elif kind == b"IDAT":
            packed += body
        at += size + 12
    n = 3 if color == 2 else 4
    raw, above, out = zlib.decompress(packed), bytes(width * n), bytearray()
    for y in range(height):
        start = y * (width * n + 1)
        filter, line = raw[start], bytearray(raw[start + 1 : start + 1 + width * n])
        for i in range(len(line)):
            left, up, corner = (line[i - n], above[i], above[i - n]) if i >= n else (0, above[i], 0)
            if filter == 1:
                guess = left
            elif filter == 2:
                guess = up
            elif filter == 3:
                guess = (left + up) // 2
            elif filter == 4:
                near = left + up - corner
                guess = min((left, up, corner), key=lambda v: abs(near - v))
            else:
                guess = 0
            line[i] = (line[i] + guess) & 255
        above = bytes(line)
        for c in range(0, len(line), n):
            out += line[c : c + 3]
    return bytes(out)


want, failed = pixels(sys.argv[1]), False
for arg in sys.argv[2:]:
    path, least = arg.rsplit(":", 1)
    try:
        got = pixels(path)
    except OSError as e:
        print(e)
        failed = True
        continue
    mse = sum((a - b) ** 2 for a, b in zip(want, got, strict=True)) / len(want)
    db = 10 * math.log10(255**2 / mse) if mse else math.inf
    failed |= not db >= float(least)
    print(f"{path}: {db:.1f} dB, at least {least} wanted")
sys.exit(failed)
