"""What OpenCV makes of small pictures, as a sheet: in a row the picture, its edges for
three pairs of thresholds, blurred, and at the top left of the last field made smaller.

    python app/pictures/hint/testdata/make_golden.py    (with opencv-python-headless)
"""
import pathlib

import cv2
import numpy as np

HERE = pathlib.Path(__file__).parent
W, H = 72, 54
rng = np.random.default_rng(5)
y, x = np.mgrid[:H, :W].astype(np.float64)
smooth = np.stack([128 + 100 * np.sin(x / 9 + c) * np.cos(y / (7 + c)) for c in range(3)], -1)
shapes = np.full((H, W, 3), 230, np.uint8)
cv2.circle(shapes, (30, 26), 17, (20, 60, 200), -1, cv2.LINE_AA)
cv2.rectangle(shapes, (44, 8), (66, 40), (40, 160, 60), -1)
cv2.line(shapes, (3, 50), (69, 44), (0, 0, 0), 2, cv2.LINE_AA)
pictures = {
    "smooth": np.clip(smooth, 0, 255).round().astype(np.uint8),
    "shapes": shapes,
    "noisy": np.clip(shapes * 0.6 + smooth * 0.4 + rng.normal(0, 12, smooth.shape), 0, 255).round().astype(np.uint8),
    "noise": rng.integers(0, 256, (H, W, 3), dtype=np.uint8),
}
rows = []
for name, picture in pictures.items():
    row = [picture]
    for low, high in ((100, 200), (30, 90), (400, 700)):
        edges = cv2.Canny(picture, low, high)
        row.append(cv2.cvtColor(edges, cv2.COLOR_GRAY2RGB))
        print(name, low, high, (edges > 0).mean())
    row.append(cv2.GaussianBlur(picture, (0, 0), 3))
    half = np.zeros_like(picture)
    half[: H // 2, : W // 2] = cv2.resize(picture, (W // 2, H // 2), interpolation=cv2.INTER_AREA)
    rows.append(np.concatenate(row + [half], 1))
cv2.imwrite(str(HERE / "golden.png"), np.concatenate(rows)[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
