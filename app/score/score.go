// Package score measures the built-in model on captions whose pair of object
// and background was never trained on.
package score

import (
	"context"
	"fmt"
	"image"
	"math"

	"latent/app/library"
	"latent/app/pipeline"
	"latent/assets/postcard"
	"latent/gpu"
)

// Options say how pictures are made.
type Options struct {
	Objects  int // kinds of object the model was trained on
	Captions int
	Request  pipeline.Request // but for its prompt, seed and size
}

// Result holds shares from 0 to 1, and the autoencoder's PSNR in dB.
type Result struct {
	postcard.Report
	PSNR     float64
	Images   []image.Image
	Captions []postcard.Caption
}

// Run paints each held-out caption with seed = its number and judges the
// pictures; the autoencoder reconstructs as many fresh training pictures.
func Run(ctx context.Context, m *library.Model, o Options, progress func(done, of int)) (Result, error) {
	g, err := postcard.New(postcard.Config{Objects: o.Objects})
	if err != nil {
		return Result{}, err
	}
	r := Result{Captions: g.HeldOut(o.Captions)}
	for i, c := range r.Captions {
		req := o.Request
		req.Prompt, req.Seed, req.Width, req.Height, req.Count = c.Text, uint64(i), g.Size(), g.Size(), 1
		out, err := pipeline.Generate(ctx, m, req, nil)
		if err != nil {
			return r, fmt.Errorf("caption %q: %w", c.Text, err)
		}
		r.Images = append(r.Images, out[0].Image)
		if progress != nil {
			progress(i+1, len(r.Captions))
		}
	}
	if r.Report, err = g.Scorer().Score(r.Images, r.Captions); err != nil {
		return r, err
	}
	r.PSNR, err = psnr(m, g, o.Captions)
	return r, err
}

// fresh is the seed of the first picture that PSNR is measured on; trainings
// use seeds far below.
const fresh = 1 << 62

// psnr is the mean over n pictures of 10·log₁₀(255²/MSE) between a picture and
// its reconstruction from the mean of its latent distribution.
func psnr(m *library.Model, g *postcard.Generator, n int) (float64, error) {
	size := g.Size()
	rgb, x := make([]uint8, size*size*3), make([]float32, size*size*3)
	sum := 0.0
	for i := range n {
		g.SampleInto(fresh+uint64(i), rgb)
		for j, v := range rgb {
			x[j] = float32(v)/127.5 - 1
		}
		y, err := reconstruct(m, x, size)
		if err != nil {
			return 0, err
		}
		mse := 0.0
		for j, v := range rgb {
			d := math.Round(min(max(float64(y[j]+1)*127.5, 0), 255)) - float64(v)
			mse += d * d
		}
		sum += 10 * math.Log10(255*255/max(mse/float64(len(rgb)), 1e-9))
	}
	return sum / float64(n), nil
}

func reconstruct(m *library.Model, x []float32, size int) (y []float32, err error) {
	m.Device.Scope(func() []*gpu.Tensor {
		var z, out *gpu.Tensor
		if z, err = m.VAE.Encode(m.Device.FromFloat32(x, m.DType, 1, size, size, 3), nil); err != nil {
			return nil
		}
		if out, err = m.VAE.Decode(z); err == nil {
			y = out.Float32s()
		}
		return nil
	})
	return y, err
}
