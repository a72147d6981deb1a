package esrgan

import (
	"context"
	"image"
	"math"

	"latent/gpu"
)

const (
	tile = 192 // pixels of the picture that are enlarged at once, a side
	// border is what is seen around them. A pixel depends on more, but hardly: with 23
	// blocks of random weights a seam is off by 1e-5 of the deviation at 8 pixels, and
	// by no more than rounding at 16.
	border = 16
)

// Enlarge makes a picture Scale times larger, in tiles: memory does not grow with the
// picture. Alpha is lost. It stops between tiles when ctx ends. progress, which may be
// nil, is told of tiles.
func (n *Net) Enlarge(ctx context.Context, dev *gpu.Device, img *image.NRGBA, progress func(done, all int)) (out *image.NRGBA, err error) {
	defer gpu.Catch(&err)
	size, scale := img.Rect.Size(), n.Config.Scale()
	out = image.NewNRGBA(image.Rect(0, 0, size.X*scale, size.Y*scale))
	across, down := (size.X+tile-1)/tile, (size.Y+tile-1)/tile
	dtype := n.First.Weight.T.DType()
	var before image.Point // size of the last tile
	defer dev.Trim()
	for i := range across * down {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		// The tile, what is seen of it with its border, and that in whole squares.
		x0, y0 := i%across*tile, i/across*tile
		part := image.Rect(x0, y0, min(x0+tile, size.X), min(y0+tile, size.Y))
		seen := part.Inset(-border).Intersect(image.Rectangle{Max: size})
		s := n.Config.Shuffle
		w, h := (seen.Dx()+s-1)/s, (seen.Dy()+s-1)/s
		if now := image.Pt(w, h); now != before {
			dev.Trim() // memory of other sizes is of no use
			before = now
		}
		dev.NoGrad(func() {
			dev.Scope(func() []*gpu.Tensor {
				x := dev.FromFloat32(shuffled(img, seen.Min, w, h, s), gpu.Float32, 1, h, w, 3*s*s)
				y := n.Forward(gpu.Cast(x, dtype))
				put(out, y.Float32s(), y.Dim(2), part, seen.Min, scale)
				return nil
			})
		})
		if progress != nil {
			progress(i+1, across*down)
		}
	}
	return out, nil
}

// shuffled are w×h squares of s×s pixels from a corner on, colours apart and in each the
// pixels by rows, as PyTorch's pixel_unshuffle orders them. Beyond the picture its last
// pixels are repeated.
func shuffled(img *image.NRGBA, from image.Point, w, h, s int) []float32 {
	last := img.Rect.Size().Sub(image.Pt(1, 1))
	out := make([]float32, 0, w*h*s*s*3)
	for y := range h {
		for x := range w {
			for c := range 3 {
				for k := range s * s {
					px, py := min(from.X+x*s+k%s, last.X), min(from.Y+y*s+k/s, last.Y)
					out = append(out, float32(img.Pix[py*img.Stride+4*px+c])/255)
				}
			}
		}
	}
	return out
}

// put writes the part of the picture that v shows, lines of width pixels that begin at
// from, scale times larger.
func put(out *image.NRGBA, v []float32, width int, part image.Rectangle, from image.Point, scale int) {
	for y := part.Min.Y * scale; y < part.Max.Y*scale; y++ {
		for x := part.Min.X * scale; x < part.Max.X*scale; x++ {
			at := 3 * ((y-from.Y*scale)*width + x - from.X*scale)
			pixel := out.Pix[y*out.Stride+4*x:][:4]
			for c := range 3 {
				pixel[c] = uint8(math.RoundToEven(float64(min(max(v[at+c], 0), 1) * 255)))
			}
			pixel[3] = 255
		}
	}
}
