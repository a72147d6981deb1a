package ui

import (
	"image"
	"image/draw"

	"github.com/disintegration/imaging"
	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/math/f64"
)

// fit returns the largest size of w×h's proportions inside a box.
func fit(w, h int, boxW, boxH float32) (float32, float32) {
	if w <= 0 || h <= 0 {
		return 0, 0
	}
	s := min(boxW/float32(w), boxH/float32(h))
	return float32(w) * s, float32(h) * s
}

// scaleTo brings a picture to w×h pixels. The quick way suits a preview, which
// the next one replaces.
func scaleTo(img image.Image, w, h int, quick bool) *image.RGBA {
	b := img.Bounds()
	if b.Dx() == w && b.Dy() == h {
		return asRGBA(img)
	}
	if quick {
		out := image.NewRGBA(image.Rect(0, 0, max(w, 1), max(h, 1)))
		xdraw.ApproxBiLinear.Scale(out, out.Rect, asRGBA(img), asRGBA(img).Rect, xdraw.Src, nil)
		return out
	}
	filter := imaging.Lanczos
	if w > b.Dx() {
		filter = imaging.CatmullRom // Lanczos rings around the edges of a picture that grows
	}
	// imaging crashes on broken paletted pictures: give it only what draw copied.
	return asRGBA(imaging.Resize(asRGBA(img), max(w, 1), max(h, 1), filter))
}

// enlarge returns w×h pixels of a part of img, whose corner is x, y; each is how
// many of img's pixels one of them is.
func enlarge(img image.Image, x, y, each float64, w, h int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	filter := xdraw.Transformer(xdraw.ApproxBiLinear)
	if each < 0.3 {
		filter = xdraw.NearestNeighbor // whoever comes this close wants to see the pixels
	}
	b := img.Bounds()
	k := 1 / each
	toOut := f64.Aff3{k, 0, -k * (x + float64(b.Min.X)), 0, k, -k * (y + float64(b.Min.Y))}
	filter.Transform(out, toOut, img, b, xdraw.Src, nil)
	return out
}

// asRGBA returns img as what Fyne draws without a copy of its own: tightly
// packed, from (0,0).
func asRGBA(img image.Image) *image.RGBA {
	b := img.Bounds()
	packed := image.Rect(0, 0, b.Dx(), b.Dy())
	switch m := img.(type) {
	case *image.RGBA:
		if m.Rect == packed && m.Stride == 4*b.Dx() {
			return m
		}
	case *image.NRGBA:
		// Without transparency the two are the same bytes.
		if m.Rect == packed && m.Stride == 4*b.Dx() && m.Opaque() {
			return &image.RGBA{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect}
		}
	}
	out := image.NewRGBA(packed)
	draw.Draw(out, packed, img, b.Min, draw.Src)
	return out
}
