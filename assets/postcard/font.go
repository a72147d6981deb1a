package postcard

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-text/typesetting/font"
	xdraw "golang.org/x/image/draw"
)

// ErrNoFont is wrapped by the error of New when Noto Color Emoji is not
// installed.
var ErrNoFont = errors.New("the font Noto Color Emoji is missing")

// fontFile is the CBDT build of the font, whose glyphs are 136×128 PNGs.
const fontFile = "NotoColorEmoji.ttf"

// findFont returns the first installed copy of the font.
func findFont() (string, error) {
	folders := []string{
		"/usr/share/fonts/truetype/noto",                 // Debian, Ubuntu
		"/usr/share/fonts/noto",                          // Arch, Alpine
		"/usr/share/fonts/google-noto-color-emoji-fonts", // Fedora
		"/usr/local/share/fonts",
	}
	if home, err := os.UserHomeDir(); err == nil {
		folders = append(folders, filepath.Join(home, ".local/share/fonts"), filepath.Join(home, ".fonts"))
	}
	for _, folder := range folders {
		path := filepath.Join(folder, fontFile)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: on Debian or Ubuntu install it with `sudo apt install fonts-noto-color-emoji`", ErrNoFont)
}

// openFont parses the font at path, or an installed one if path is empty.
func openFont(path string) (*font.Face, error) {
	if path == "" {
		found, err := findFont()
		if err != nil {
			return nil, err
		}
		path = found
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: no file %s (Debian's package is fonts-noto-color-emoji)", ErrNoFont, path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the emoji font: %w", err)
	}
	face, err := font.ParseTTF(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s is not a usable font: %w", path, err)
	}
	return face, nil
}

// loadGlyph decodes the bitmap of r, cropped to its visible pixels and
// premultiplied.
func loadGlyph(face *font.Face, r rune) (*image.RGBA, error) {
	gid, ok := face.NominalGlyph(r)
	if !ok {
		return nil, fmt.Errorf("the emoji font has no glyph for %c (U+%04X)", r, r)
	}
	bitmap, ok := face.GlyphData(gid).(font.GlyphBitmap)
	if !ok || bitmap.Format != font.PNG {
		return nil, fmt.Errorf("the emoji font has no PNG bitmap for %c (U+%04X): use the CBDT build, as Debian's fonts-noto-color-emoji has it", r, r)
	}
	img, err := png.Decode(bytes.NewReader(bitmap.Data))
	if err != nil {
		return nil, fmt.Errorf("bitmap of %c (U+%04X): %w", r, r, err)
	}
	full := image.NewRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	draw.Draw(full, full.Rect, img, img.Bounds().Min, draw.Src)
	box := visible(full)
	if box.Empty() {
		return nil, fmt.Errorf("the emoji font's bitmap of %c (U+%04X) is empty", r, r)
	}
	cropped := image.NewRGBA(image.Rect(0, 0, box.Dx(), box.Dy()))
	draw.Draw(cropped, cropped.Rect, full, box.Min, draw.Src)
	return cropped, nil
}

// visible returns the bounding box of the pixels that are at least faintly
// opaque.
func visible(img *image.RGBA) image.Rectangle {
	const faint = 16
	var box image.Rectangle
	for y := img.Rect.Min.Y; y < img.Rect.Max.Y; y++ {
		for x := img.Rect.Min.X; x < img.Rect.Max.X; x++ {
			if img.RGBAAt(x, y).A >= faint {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

// fit scales a premultiplied glyph so that its longer side is side pixels.
func fit(glyph *image.RGBA, side int) *image.RGBA {
	w, h := glyph.Rect.Dx(), glyph.Rect.Dy()
	long := max(w, h)
	out := image.NewRGBA(image.Rect(0, 0, max(1, (w*side+long/2)/long), max(1, (h*side+long/2)/long)))
	xdraw.CatmullRom.Scale(out, out.Rect, glyph, glyph.Rect, xdraw.Src, nil)
	return out
}
