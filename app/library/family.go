package library

import (
	"errors"
	"fmt"

	"latent/unet"
)

// Family is the kind of a model: what its parts are and how they fit together.
type Family string

// The families that can be opened.
const (
	SD1   Family = "Stable Diffusion 1.x"
	SD2   Family = "Stable Diffusion 2.x" // the text encoder's last layer is left out
	SDXL  Family = "Stable Diffusion XL"  // two text encoders, the penultimate layer of each; the U-Net is told sizes
	Other Family = "latent diffusion of its own kind"
)

// familyOf names the family of a U-Net by the width of the text that it attends
// to, and whether it is told the picture's size.
func familyOf(u unet.Config) Family {
	context := 0
	if len(u.CrossAttentionDim) > 0 {
		context = u.CrossAttentionDim[0]
	}
	switch {
	case u.AdditionEmbedType == "text_time":
		return SDXL
	case u.AdditionEmbedType != "" || u.ClassEmbedType != "":
		return Other
	case context == 768:
		return SD1
	case context == 1024:
		return SD2
	}
	return Other
}

var errRefiner = errors.New("is the refiner of Stable Diffusion XL, which is not supported: open the base model alone")

// check says which of the models with a U-Net of this kind cannot be painted
// with. They tell themselves apart by what the U-Net reads beside the latent.
func (m *Model) check() error {
	in, latent := m.UNet.Config.InChannels, m.VAE.Config.LatentChannels
	switch in {
	case latent, 2*latent + 1:
		return nil
	case 2 * latent:
		return errors.New("edits pictures by instruction (InstructPix2Pix), which is not supported")
	case latent + 1:
		return errors.New("is guided by a depth map, which is not supported")
	case latent + 3:
		return errors.New("is a diffusion upscaler, which is not supported")
	}
	return fmt.Errorf("the U-Net reads %d channels and the autoencoder makes %d: they do not belong together", in, latent)
}
