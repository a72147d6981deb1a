// Package library finds and opens what people have on disk: models as diffusers
// folders or single files, autoencoders, ControlNets, LoRAs and embeddings. It saves
// models as folders that Python's diffusers opens too:
//
//	model_index.json
//	tokenizer/     vocab.json merges.txt …, or tokenizer.json alone
//	text_encoder/  config.json model.safetensors
//	unet/          config.json diffusion_pytorch_model.safetensors
//	vae/           config.json diffusion_pytorch_model.safetensors
//	scheduler/     scheduler_config.json
//
// Stable Diffusion XL has tokenizer_2/ and text_encoder_2/ besides.
package library

import (
	"latent/gpu"
	"latent/gpu/nn"
	"latent/scheduler"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"
)

// Model is an open text-to-image model. It belongs to its device's goroutine.
type Model struct {
	Name   string
	Path   string // file or folder; "" for the built-in model
	Family Family

	Vocabulary textencoder.Vocabulary // the tokenizer's files
	Tokenizer  *textencoder.Tokenizer
	Text       *textencoder.Model
	UNet       *unet.Model
	VAE        *vae.Model
	Scheduler  scheduler.Config // PredictionType says what the U-Net predicts

	// The second text encoder of SDXL; nil in other families.
	Vocabulary2 textencoder.Vocabulary
	Tokenizer2  *textencoder.Tokenizer
	Text2       *textencoder.Model
	// ZeroNegative says that an empty negative prompt stands for zeros in place
	// of its embedding and pooled vector (SDXL's force_zeros_for_empty_prompt).
	ZeroNegative bool

	Device *gpu.Device
	DType  gpu.DType

	hash func() (string, error)
}

// Close frees the model's weights.
func (m *Model) Close() {
	nn.Free(m.Text)
	nn.Free(m.Text2)
	nn.Free(m.UNet)
	nn.Free(m.VAE)
}

// Encoders are the model's text encoders, as its U-Net was trained with.
func (m *Model) Encoders() textencoder.Encoders {
	switch {
	case m.Text2 != nil:
		return textencoder.ForSDXL(m.Text, m.Tokenizer, m.Text2, m.Tokenizer2)
	case m.Family == SD2:
		return textencoder.ForSD2(m.Text, m.Tokenizer)
	}
	return textencoder.ForSD1(m.Text, m.Tokenizer)
}

// Inpaints tells whether the U-Net wants a mask and the masked picture beside
// the latent: 4 + 1 + 4 channels.
func (m *Model) Inpaints() bool { return m.UNet.Config.InChannels == 2*m.VAE.Config.LatentChannels+1 }

// NativeSize is the size in pixels of the pictures that the model was trained
// on: its U-Net's sample_size in latents, 64 where the config does not say.
func (m *Model) NativeSize() (width, height int) {
	size := m.UNet.Config.SampleSize
	if len(size) == 0 {
		size = unet.Ints{64}
	}
	f := m.VAE.Config.Factor()
	return size[len(size)-1] * f, size[0] * f
}

// Hash is the SHA-256 of the model's file, 64 hexadecimal digits: of a folder,
// the U-Net's; see Hash, the function. It may be called from any goroutine. A
// model that is no file has none, "".
func (m *Model) Hash() (string, error) {
	if m.hash == nil {
		return "", nil
	}
	return m.hash()
}
