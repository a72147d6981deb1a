package vae

import (
	"fmt"
	"math"

	"latent/gpu"
)

// Standardise folds the mean and deviation of each latent channel, measured on
// training pictures, into the 1×1 convolutions around the latent: afterwards
// the latent has mean 0 and deviation 1 and scaling_factor is 1.
//
//	mean' = (mean − μ)/σ,  logvar' = logvar − 2·ln σ;  decoder input = σ·z + μ
func (m *Model) Standardise(mean, std []float64) (err error) {
	defer gpu.Catch(&err)
	c := m.Config.LatentChannels
	if m.QuantConv == nil || m.PostQuantConv == nil {
		return fmt.Errorf("the autoencoder has no quant_conv and post_quant_conv to fold the latents' scale into")
	}
	if len(mean) != c || len(std) != c {
		return fmt.Errorf("%d means and %d deviations for %d channels", len(mean), len(std), c)
	}
	w, b := m.QuantConv.Weight.T.Float32s(), m.QuantConv.Bias.T.Float32s()
	in := len(w) / (2 * c)
	for o := range c {
		for i := range in {
			w[o*in+i] /= float32(std[o])
		}
		b[o] = (b[o] - float32(mean[o])) / float32(std[o])
		b[c+o] -= float32(2 * math.Log(std[o]))
	}
	m.QuantConv.Weight.T.Write(w)
	m.QuantConv.Bias.T.Write(b)

	w, b = m.PostQuantConv.Weight.T.Float32s(), m.PostQuantConv.Bias.T.Float32s()
	for o := range b {
		for i := range c {
			b[o] += w[o*c+i] * float32(mean[i])
			w[o*c+i] *= float32(std[i])
		}
	}
	m.PostQuantConv.Weight.T.Write(w)
	m.PostQuantConv.Bias.T.Write(b)
	m.Config.ScalingFactor, m.Config.ShiftFactor = 1, 0
	return nil
}
