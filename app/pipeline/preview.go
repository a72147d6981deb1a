package pipeline

import (
	"image"

	"latent/app/library"
	"latent/gpu"
)

// smallPicture is the largest area in pixels that a model of its own kind decodes
// for a preview.
const smallPicture = 256 * 256

// preview shows the latents x̂₀: by a tiny decoder where there is one, decoded
// where that is cheap, else one pixel for each latent.
func (g *generation) preview(x0 *gpu.Tensor) (img image.Image) {
	if t := g.req.Tiny; t != nil && t.Decoder != nil && t.Config.LatentChannels == x0.Dim(3) {
		g.Device.Scope(func() []*gpu.Tensor {
			dtype := t.Decoder.DType()
			if y, err := t.Decode(gpu.Cast(x0, dtype)); err == nil && y.Finite() {
				img = toImage(y.Float32s(), y.Dim(2), y.Dim(1))
			}
			return nil
		})
		if img != nil {
			return img
		}
	}
	f := g.VAE.Config.Factor()
	if g.Family == library.Other && x0.Dim(1)*x0.Dim(2)*f*f <= smallPicture {
		if img, err := g.decode(x0); err == nil {
			return img
		}
	}
	return linear(x0.Float32s(), x0.Dim(1), x0.Dim(2), x0.Dim(3), g.Family)
}

// colours map a latent to red, green and blue in [−1,1]: one row for each
// channel, then what is added.
var colours = map[library.Family][][3]float32{
	// As determined by Kevin Turner in 2022 for Stable Diffusion 1.4
	// (discuss.huggingface.co/t/23204); 2.x has the same autoencoder.
	library.SD1: {{0.298, 0.207, 0.208}, {0.187, 0.286, 0.173}, {-0.158, 0.189, 0.264}, {-0.184, -0.271, -0.473}, {}},
	library.SD2: {{0.298, 0.207, 0.208}, {0.187, 0.286, 0.173}, {-0.158, 0.189, 0.264}, {-0.184, -0.271, -0.473}, {}},
	// As ComfyUI has them (comfy/latent_formats.py).
	library.SDXL: {{0.3651, 0.4232, 0.4341}, {-0.2533, -0.0042, 0.1068}, {0.1076, 0.1111, -0.0362}, {-0.3165, -0.2492, -0.2188},
		{0.1084, -0.0175, -0.0011}},
}

// linear shows latents [h,w,c], one pixel each. In a family whose colours are not
// known the first channels stand for them.
func linear(z []float32, h, w, c int, family library.Family) *image.NRGBA {
	rows := colours[family]
	rgb := make([]float32, 3*h*w)
	for i := range h * w {
		for k := range 3 {
			if len(rows) != c+1 {
				rgb[3*i+k] = z[i*c+k%c] / 3
				continue
			}
			v := rows[c][k]
			for j := range c {
				v += rows[j][k] * z[i*c+j]
			}
			rgb[3*i+k] = v
		}
	}
	return toImage(rgb, w, h)
}
