"""Writes one small picture of each kind that Load reads: the left half red, the
right half blue, 8×4 pixels; and the JPEG stored on its side, as cameras do."""

from PIL import Image

img = Image.new("RGB", (8, 4), "red")
img.paste((0, 0, 255), (4, 0, 8, 4))
img.save("rgb.png")
img.convert("P", palette=Image.Palette.ADAPTIVE, colors=2).save("palette.png")
img.convert("RGBA").save("rgba.webp", lossless=True)
img.save("rgb.webp", quality=95)
alpha = img.convert("RGBA")
alpha.putpixel((0, 0), (255, 0, 0, 128))
alpha.save("alpha.webp", quality=95)
img.save("rgb.jpg", quality=95, subsampling=0)
img.convert("CMYK").save("cmyk.jpg", quality=95)
exif = Image.Exif()
exif[0x0112] = 6  # to be shown turned by 90° clockwise
img.transpose(Image.Transpose.ROTATE_90).save("sideways.jpg", quality=95, subsampling=0, exif=exif)
