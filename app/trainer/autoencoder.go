package trainer

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/vae"
)

// trainAutoencoder trains the VAE, or loads it where that is done, and leaves it
// with latents of mean 0 and deviation 1.
func (r *run) trainAutoencoder() error {
	if done, err := r.loadVAE("vae-final.safetensors"); done || err != nil {
		return err
	}
	done, err := r.loadVAE("vae.safetensors")
	if err == nil && !done {
		err = r.trainWholeAutoencoder()
	}
	if err == nil && r.Decoder.Steps > 0 {
		err = r.trainDecoder()
	}
	if err != nil {
		return err
	}
	return nn.Save(r.statePath("vae-final.safetensors"), r.model.VAE, "F32", nil)
}

// loadVAE reads the weights of a finished stage and tells whether there are any.
func (r *run) loadVAE(name string) (bool, error) {
	path := r.statePath(name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return false, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	defer f.Close()
	nn.Free(r.model.VAE)
	return true, nn.Load(r.model.VAE, r.dev, r.dtype, f)
}

// trainWholeAutoencoder trains encoder and decoder together.
func (r *run) trainWholeAutoencoder() error {
	params := nn.Trainable(r.model.VAE)
	order := &shuffled{seed: r.Seed, n: r.data.Len()}
	a := r.Autoencoder
	next := ahead(r.ctx, func(k int) (batch, error) {
		if k/a.Accumulate < a.CropSteps {
			b, err := r.pictureBatch(a.CropBatch, k, order)
			if err != nil {
				return b, err
			}
			return r.crop(b, k), nil
		}
		return r.pictureBatch(a.Batch, k, order)
	})
	defer next.stop()
	edges := r.edgeFilter()
	l := &loop{run: r, name: "autoencoder", stage: r.Autoencoder, params: params}
	var b batch
	l.load = func(step, micro int) (err error) {
		b, err = next.get(step*a.Accumulate + micro)
		return err
	}
	l.loss = func(step, micro int) *gpu.Tensor {
		x := r.dev.FromFloat32(b.pixels, r.dtype, len(b.captions), b.size, b.size, 3)
		moments := r.model.VAE.Moments(x)
		eps := make([]float32, moments.Len()/2)
		r.rand(l.name, step, micro).Normal(eps)
		shape := append([]int(nil), moments.Shape()...)
		shape[3] /= 2
		z := gpu.GaussianSample(moments, r.dev.FromFloat32(eps, r.dtype, shape...))
		y := r.model.VAE.Reconstruct(z)
		return gpu.Add(reconstruction(y, x, edges), gpu.Scale(float32(a.KL), gpu.GaussianKL(moments)))
	}
	if err := l.train(); err != nil {
		return err
	}
	l.opt.AdoptAverage()
	l.opt.Free()
	nn.Freeze(r.model.VAE)
	if err := r.normaliseLatents(); err != nil {
		return err
	}
	return nn.Save(r.statePath("vae.safetensors"), r.model.VAE, "F32", nil)
}

// trainDecoder goes on with the decoder while the encoder, and so every latent,
// stays as it is. It aims at the squared error, which PSNR measures.
func (r *run) trainDecoder() error {
	m, s := r.model.VAE, r.Decoder
	params := nn.Trainable(&struct {
		Decoder       *vae.Decoder `key:"decoder"`
		PostQuantConv *nn.Conv2d   `key:"post_quant_conv"`
	}{m.Decoder, m.PostQuantConv})
	order := &shuffled{seed: r.Seed + 2, n: r.data.Len()}
	next := ahead(r.ctx, func(k int) (batch, error) { return r.pictureBatch(s.Batch, k, order) })
	defer next.stop()
	l := &loop{run: r, name: "decoder", stage: s, params: params}
	var b batch
	l.load = func(step, micro int) (err error) {
		b, err = next.get(step*s.Accumulate + micro)
		return err
	}
	l.loss = func(step, micro int) *gpu.Tensor {
		x := r.dev.FromFloat32(b.pixels, r.dtype, len(b.captions), b.size, b.size, 3)
		var z *gpu.Tensor
		r.dev.NoGrad(func() {
			z = r.dev.Scope1(func() *gpu.Tensor { return gpu.Channels(m.Moments(x), 0, m.Config.LatentChannels) })
		})
		y := m.Reconstruct(z)
		return gpu.Combine([]float32{1, 0.1}, gpu.MSE(y, x, nil), gpu.L1(y, x))
	}
	if err := l.train(); err != nil {
		return err
	}
	l.opt.AdoptAverage()
	l.opt.Free()
	nn.Freeze(m)
	return nil
}

// reconstruction compares a picture y[N,H,W,3] with what it should be: L1 and
// squared error of the pixels, of the picture at a half, a quarter and an eighth
// of its size, and of its edges.
func reconstruction(y, x, edges *gpu.Tensor) *gpu.Tensor {
	loss := gpu.Add(gpu.L1(y, x), gpu.MSE(y, x, nil))
	valid := gpu.Conv{Stride: 1}
	loss = gpu.Combine([]float32{1, 0.5}, loss, gpu.L1(gpu.Conv2d(y, edges, nil, nil, valid), gpu.Conv2d(x, edges, nil, nil, valid)))
	for _, w := range []float32{0.25, 0.25, 0.25} {
		if y.Dim(1)%2 != 0 || y.Dim(2)%2 != 0 {
			break
		}
		y, x = gpu.AvgPool2x(y), gpu.AvgPool2x(x)
		loss = gpu.Combine([]float32{1, w}, loss, gpu.L1(y, x))
	}
	return loss
}

// edgeFilter is a convolution of 3 → 6 channels: the difference of each channel
// with its right and its lower neighbour.
func (r *run) edgeFilter() (w *gpu.Tensor) {
	data := make([]float32, 6*2*2*3)
	at := func(o, y, x, c int) *float32 { return &data[((o*2+y)*2+x)*3+c] }
	for c := range 3 {
		*at(c, 0, 0, c), *at(c, 0, 1, c) = -1, 1
		*at(c+3, 0, 0, c), *at(c+3, 1, 0, c) = -1, 1
	}
	r.dev.Permanent(func() { w = r.dev.FromFloat32(data, r.dtype, 6, 2, 2, 3) })
	return w
}

// normaliseLatents measures mean and deviation of each latent channel and folds
// them into the 1×1 convolutions around the latent, so that the denoiser meets
// N(0,1) and scaling_factor is 1.
func (r *run) normaliseLatents() error {
	const batches = 16
	c := r.model.VAE.Config.LatentChannels
	sum, squares, count := make([]float64, c), make([]float64, c), 0
	order := &shuffled{seed: r.Seed + 1, n: r.data.Len()}
	for k := range batches {
		b, err := r.pictureBatch(r.Autoencoder.Batch, k, order)
		if err != nil {
			return err
		}
		for i, v := range r.encodeMean(b.pixels, r.Autoencoder.Batch, b.size, b.size) {
			sum[i%c] += float64(v)
			squares[i%c] += float64(v) * float64(v)
			if i%c == 0 {
				count++
			}
		}
	}
	mean, std := make([]float64, c), make([]float64, c)
	for i := range c {
		mean[i] = sum[i] / float64(count)
		std[i] = max(math.Sqrt(max(squares[i]/float64(count)-mean[i]*mean[i], 0)), 1e-3)
	}
	return r.model.VAE.Standardise(mean, std)
}
