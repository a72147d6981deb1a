package pipeline

import (
	"context"
	"fmt"
	"image"
	"math"

	"github.com/disintegration/imaging"

	"latent/gpu"
	"latent/noise"
)

// encodePixels gives the moments [1,h,w,2C] Float32 of a picture [height,width,3].
func (g *generation) encodePixels(v []float32, width, height int) (*gpu.Tensor, error) {
	y, err := g.rescued(&g.VAE.Rescue, g.VAE, func() (*gpu.Tensor, error) {
		moments, err := g.VAE.EncodeMoments(g.Device.FromFloat32(v, g.DType, 1, height, width, 3))
		if err != nil {
			return nil, err
		}
		return gpu.Cast(moments, gpu.Float32), nil
	})
	if err != nil {
		return nil, fmt.Errorf("encoding a picture of %dx%d: %w", width, height, err)
	}
	return y, nil
}

// blank is what a U-Net that inpaints reads where all is painted: a mask of ones
// and an empty picture.
func (g *generation) blank(p *pass) (*gpu.Tensor, error) {
	moments, err := g.encodePixels(make([]float32, 3*p.width*p.height), p.width, p.height)
	if err != nil {
		return nil, err
	}
	z := g.VAE.Latent(moments, nil)
	return gpu.Concat(g.Device.Full(1, gpu.Float32, 1, z.Dim(1), z.Dim(2), 1), z), nil
}

// enlarge brings the latents of the pass before to the size of p, with the noise
// of its first step.
func (g *generation) enlarge(ctx context.Context, p *pass, before *gpu.Tensor, src noise.Source) (x *gpu.Tensor, err error) {
	f := g.VAE.Config.Factor()
	h, w := p.height/f, p.width/f
	if g.req.Hires.Upscaler == "latent" {
		c := before.Dim(3)
		x = g.Device.FromFloat32(bilinear(before.Float32s(), before.Dim(1), before.Dim(2), c, h, w), gpu.Float32, 1, h, w, c)
	} else {
		img, err := g.decode(before)
		if err != nil {
			return nil, err
		}
		if g.req.Hires.Upscaler == "lanczos" {
			img = imaging.Resize(img, p.width, p.height, imaging.Lanczos)
		} else if img, err = g.scaler.enlarge(ctx, g.Device, img, p.width, p.height, func(tile, tiles int) {
			g.report(StageUpscale, p, 0, func(out *Progress) { out.Tile, out.Tiles = tile, tiles })
		}); err != nil {
			return nil, err
		}
		moments, err := g.encodePixels(values(img, nil), p.width, p.height)
		if err != nil {
			return nil, err
		}
		x = g.VAE.Latent(moments, nil)
	}
	p.z = g.noise(p, src)
	return noised(p.steps[0], x, p.z), nil
}

// bilinear resizes v[h,w,c] to [toH,toW,c]; the centres of the corner pixels lie
// half a pixel inside.
func bilinear(v []float32, h, w, c, toH, toW int) []float32 {
	// between gives the two neighbours of pixel i and the share of the second.
	between := func(i, from, to int) (int, int, float32) {
		at := min(max((float64(i)+0.5)*float64(from)/float64(to)-0.5, 0), float64(from-1))
		low := int(at)
		return low, min(low+1, from-1), float32(at - float64(low))
	}
	out := make([]float32, toH*toW*c)
	for y := range toH {
		y0, y1, fy := between(y, h, toH)
		for x := range toW {
			x0, x1, fx := between(x, w, toW)
			for k := range c {
				top := v[(y0*w+x0)*c+k]*(1-fx) + v[(y0*w+x1)*c+k]*fx
				bottom := v[(y1*w+x0)*c+k]*(1-fx) + v[(y1*w+x1)*c+k]*fx
				out[(y*toW+x)*c+k] = top*(1-fy) + bottom*fy
			}
		}
	}
	return out
}

// decode turns latents [1,h,w,C] into the picture.
func (g *generation) decode(z *gpu.Tensor) (img *image.NRGBA, err error) {
	g.Device.Scope(func() []*gpu.Tensor {
		if z.Dim(1)*z.Dim(2)*g.VAE.Config.Factor()*g.VAE.Config.Factor() > smallPicture {
			g.Device.Trim() // the U-Net's memory is of other sizes than the decoder needs
		}
		var y *gpu.Tensor
		if y, err = g.rescued(&g.VAE.Rescue, g.VAE, func() (*gpu.Tensor, error) { return g.VAE.Decode(gpu.Cast(z, g.DType)) }); err != nil {
			err = fmt.Errorf("decoding: %w", err)
			return nil
		}
		img = toImage(y.Float32s(), y.Dim(2), y.Dim(1))
		return nil
	})
	return img, err
}

// toImage maps [h,w,3] in [−1,1] to 8 bits, rounding as diffusers does.
func toImage(v []float32, w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		for c := range 3 {
			u := min(max(v[3*i+c]/2+0.5, 0), 1)
			img.Pix[4*i+c] = uint8(math.RoundToEven(float64(u * 255)))
		}
		img.Pix[4*i+3] = 255
	}
	return img
}
