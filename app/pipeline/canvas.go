package pipeline

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"github.com/disintegration/imaging"

	"latent/app/pictures"
)

// canvas is the picture that image-to-image begins at, and what of it is kept.
type canvas struct {
	init *image.NRGBA // w×h pixels
	soft *image.Gray  // mask of init, blurred: how much of a pixel is new; nil: all
	hard []bool       // soft of one half or more, row by row

	// Where only the masked part is painted: the whole picture, the mask for it and
	// the part in it.
	whole     *image.NRGBA
	wholeSoft *image.Gray
	part      image.Rectangle
}

// newCanvas scales init and mask (nil: none) to w×h pixels.
func newCanvas(r Request) *canvas {
	c := &canvas{}
	w, h := r.Width, r.Height
	if r.Mask == nil {
		c.init = pictures.Fill(r.Init, w, h)
		return c
	}
	if r.OnlyMasked {
		b := r.Init.Bounds()
		c.whole = pictures.Fill(r.Init, b.Dx(), b.Dy())
		mask := scaleMask(r.Mask, b.Dx(), b.Dy())
		c.wholeSoft = blur(mask, r.MaskBlur)
		c.part = around(mask, r.MaskPadding, w, h)
		c.init = imaging.Resize(imaging.Crop(c.whole, c.part), w, h, imaging.Lanczos)
		c.soft = gray(imaging.Resize(imaging.Crop(c.wholeSoft, c.part), w, h, imaging.Linear))
	} else {
		c.init = pictures.Fill(r.Init, w, h)
		c.soft = blur(scaleMask(r.Mask, w, h), r.MaskBlur)
	}
	c.hard = make([]bool, w*h)
	for i, v := range c.soft.Pix {
		c.hard[i] = v >= 128
	}
	return c
}

// scaleMask is pictures.Fill with a filter that makes no ripples: black stays
// black.
func scaleMask(mask image.Image, w, h int) *image.Gray {
	return gray(imaging.Fill(mask, w, h, imaging.Center, imaging.Linear))
}

// gray is the luminance of a mask; what is transparent is black.
func gray(img *image.NRGBA) *image.Gray {
	out := image.NewGray(img.Bounds())
	draw.Draw(out, out.Bounds(), image.NewUniform(color.Black), image.Point{}, draw.Src)
	draw.Draw(out, out.Bounds(), img, image.Point{}, draw.Over)
	return out
}

func blur(mask *image.Gray, sigma float64) *image.Gray {
	if sigma == 0 {
		return mask
	}
	return gray(imaging.Blur(mask, sigma))
}

// around is the smallest part of the picture, of w:h proportions as far as it can
// be, with all that is painted and padding around it.
func around(mask *image.Gray, padding, w, h int) image.Rectangle {
	b := mask.Bounds()
	var box image.Rectangle
	for y := range b.Dy() {
		for x := range b.Dx() {
			if mask.Pix[y*mask.Stride+x] > 0 {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if box.Empty() {
		return b
	}
	box = box.Inset(-padding).Intersect(b)
	// The shorter side grows, then the part moves back inside.
	bw := min(max(box.Dx(), int(math.Ceil(float64(box.Dy())*float64(w)/float64(h)))), b.Dx())
	bh := min(max(box.Dy(), int(math.Ceil(float64(box.Dx())*float64(h)/float64(w)))), b.Dy())
	x := min(max(box.Min.X-(bw-box.Dx())/2, 0), b.Dx()-bw)
	y := min(max(box.Min.Y-(bh-box.Dy())/2, 0), b.Dy()-bh)
	return image.Rect(x, y, x+bw, y+bh)
}

// finish puts what was painted over what is kept: pixels whose soft mask is 0 are
// those of the picture that was given.
func (c *canvas) finish(img *image.NRGBA) *image.NRGBA {
	switch {
	case c.soft == nil:
		return img
	case c.whole == nil:
		return composite(c.init, img, c.soft, image.Point{})
	}
	return composite(c.whole, imaging.Resize(img, c.part.Dx(), c.part.Dy(), imaging.Lanczos), c.wholeSoft, c.part.Min)
}

// composite is (1−soft)·below + soft·above, where above lies at the given place.
func composite(below, above *image.NRGBA, soft *image.Gray, at image.Point) *image.NRGBA {
	out := imaging.Clone(below)
	for y := range above.Rect.Dy() {
		for x := range above.Rect.Dx() {
			s := int(soft.GrayAt(at.X+x, at.Y+y).Y)
			if s == 0 {
				continue
			}
			o, a := out.PixOffset(at.X+x, at.Y+y), above.PixOffset(x, y)
			for k := range 4 {
				out.Pix[o+k] = uint8(((255-s)*int(out.Pix[o+k]) + s*int(above.Pix[a+k]) + 127) / 255)
			}
		}
	}
	return out
}

// values is a picture as [h,w,3] in [−1,1]; transparent pixels lie on white.
// masked pixels are 0, where a mask is given.
func values(img *image.NRGBA, masked []bool) []float32 {
	b := img.Bounds()
	out := make([]float32, 3*b.Dx()*b.Dy())
	for i := range b.Dx() * b.Dy() {
		if masked != nil && masked[i] {
			continue
		}
		p := img.Pix[i/b.Dx()*img.Stride+4*(i%b.Dx()):][:4]
		for k := range 3 {
			v := float32(255)
			if a := float32(p[3]); a > 0 {
				v += a / 255 * (float32(p[k]) - 255)
			}
			out[3*i+k] = 2*(v/255) - 1
		}
	}
	return out
}

// latentMask is 1 where the w×h pixels of hard are painted, one number per f×f
// pixels: the first of them decides, as with torch's nearest interpolation.
func latentMask(hard []bool, w, h, f int) []float32 {
	out := make([]float32, 0, w/f*(h/f))
	for y := range h / f {
		for x := range w / f {
			v := float32(0)
			if hard[y*f*w+x*f] {
				v = 1
			}
			out = append(out, v)
		}
	}
	return out
}
