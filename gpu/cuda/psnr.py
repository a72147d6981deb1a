"""Compares pictures with one: psnr.py WANT GOT:LEAST_DB …"""
import sys

import numpy as np
from PIL import Image


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.float64)


want, failed = pixels(sys.argv[1]), False
for arg in sys.argv[2:]:
    path, least = arg.rsplit(":", 1)
    mse = ((pixels(path) - want) ** 2).mean()
    db = 10 * np.log10(255**2 / mse) if mse else np.inf
    failed |= not db >= float(least)
    print(f"{path}: {db:.1f} dB, at least {least} wanted")
sys.exit(failed)
