package library

import (
	"errors"
	"fmt"
	"slices"

	"latent/scheduler"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"
)

// Family is the kind of a model: what its parts are and how they fit together.
type Family string

// The families that can be opened. Others are named in words.
const (
	SD1   Family = "Stable Diffusion 1.x"
	SD2   Family = "Stable Diffusion 2.x" // its text encoder ends at the penultimate layer
	SDXL  Family = "Stable Diffusion XL"  // two text encoders, the penultimate layer of each; the U-Net is told sizes
	Other Family = "latent diffusion of its own kind"
)

// Families that are known, and cannot be opened.
const (
	refiner Family = "Stable Diffusion XL refiner"
	unCLIP  Family = "Stable unCLIP"
)

// familyOf names the family of a U-Net by the width of the text that it attends
// to, and by whether it is told the picture's size.
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

// check says which models cannot be painted with: they tell themselves apart by
// what the U-Net reads beside the latent.
func (m *Model) check() error {
	in, latent := m.UNet.Config.InChannels, m.VAE.Config.LatentChannels
	if in == latent || m.Inpaints() {
		return nil
	}
	if what := extraInput(in, latent); what != "" {
		return fmt.Errorf("%s, which is not supported", what)
	}
	return fmt.Errorf("the U-Net reads %d channels and the autoencoder makes %d: they do not belong together", in, latent)
}

// extraInput says what a U-Net does that reads in channels, latent of them the
// latent; "" where that is not known.
func extraInput(in, latent int) string {
	switch in {
	case 2 * latent:
		return "edits pictures by instruction (InstructPix2Pix)"
	case latent + 1:
		return "is guided by a depth map"
	case latent + 3:
		return "is a diffusion upscaler"
	}
	return ""
}

// configs describe the parts of a model that comes without config files.
type configs struct {
	text, text2 textencoder.Config // text2 of SDXL alone
	unet        unet.Config
	vae         vae.Config
	scheduler   scheduler.Config
	vocabulary  textencoder.Vocabulary // nil: CLIP's
}

// publishedConfigs are those that the families were published with. channels are
// the U-Net's of input.
func publishedConfigs(family Family, channels int, prediction string, zeroSNR bool) configs {
	c := configs{
		text:      textencoder.DefaultConfig(),
		unet:      unet.Default(),
		vae:       vae.Default(),
		scheduler: scheduler.StableDiffusion(),
	}
	c.vae.DownBlockTypes = slices.Repeat(c.vae.DownBlockTypes, 4)
	c.vae.UpBlockTypes = slices.Repeat(c.vae.UpBlockTypes, 4)
	c.vae.BlockOutChannels = []int{128, 256, 512, 512}
	c.vae.LayersPerBlock = 2
	c.unet.InChannels = channels
	c.unet.SampleSize = unet.Ints{64}
	c.scheduler.PredictionType = prediction
	c.scheduler.RescaleBetasZeroSNR = zeroSNR

	c.text.HiddenSize, c.text.IntermediateSize, c.text.NumAttentionHeads = 768, 3072, 12
	c.text.ProjectionDim = 768
	c.unet.CrossAttentionDim = unet.Ints{768}
	switch family {
	case SD2:
		c.text.HiddenSize, c.text.IntermediateSize, c.text.NumAttentionHeads = 1024, 4096, 16
		c.text.NumHiddenLayers, c.text.HiddenAct = 23, "gelu" // of 24: the last is not used
		c.text.ProjectionDim = 512
		c.unet.CrossAttentionDim = unet.Ints{1024}
		c.unet.AttentionHeadDim = unet.Ints{5, 10, 20, 20}
		c.unet.UseLinearProjection = true
		if prediction == scheduler.PredictVelocity {
			c.unet.SampleSize = unet.Ints{96}
		}
	case SDXL:
		c.text2 = textencoder.DefaultConfig()
		c.text2.Architectures = []string{"CLIPTextModelWithProjection"}
		c.text2.HiddenSize, c.text2.IntermediateSize, c.text2.NumAttentionHeads = 1280, 5120, 20
		c.text2.NumHiddenLayers, c.text2.HiddenAct, c.text2.ProjectionDim = 32, "gelu", 1280
		c.unet.BlockOutChannels = []int{320, 640, 1280}
		c.unet.DownBlockTypes = []string{"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"}
		c.unet.UpBlockTypes = []string{"CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}
		c.unet.TransformerLayersPerBlock = unet.Ints{1, 2, 10}
		c.unet.AttentionHeadDim = unet.Ints{5, 10, 20}
		c.unet.CrossAttentionDim = unet.Ints{2048}
		c.unet.UseLinearProjection = true
		c.unet.AdditionEmbedType, c.unet.AdditionTimeEmbedDim = "text_time", 256
		c.unet.ProjectionClassEmbeddingsInputDim = 1280 + 6*256
		c.unet.SampleSize = unet.Ints{128}
		c.vae.ScalingFactor = 0.13025
	}
	return c
}
