"""Writes PNGs with Pillow whose recipes stand in each kind of text chunk."""

from PIL import Image, PngImagePlugin

TEXT = '{}\nNegative prompt: bad\nSteps: 3, Sampler: Euler a, CFG scale: 7, Seed: 9, Size: 4x4, Model: "a,b"'
for name, prompt, kind in [
    ("latin1", "café, red", "text"), ("unicode", "猫 🎨", "text"),
    ("compressed", "zip zip", "zip"), ("itxt_compressed", "猫 zip", "itxt"),
]:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "Pillow")
    if kind == "itxt":
        info.add_itxt("parameters", TEXT.format(prompt), "en", "Parameter", zip=True)
    else:
        info.add_text("parameters", TEXT.format(prompt), zip=kind == "zip")
    Image.new("RGB", (4, 4), "red").save(f"{name}.png", pnginfo=info)
