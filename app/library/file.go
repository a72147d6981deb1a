package library

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"
)

// openFile opens a model in one file, with the names of latent diffusion.
func (o Options) openFile(path string, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	f, err := OpenTensors(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := look(f)
	t.readYAML(path)
	if err := t.model(); err != nil {
		return nil, err
	}
	if !t.vae && o.VAE == "" {
		return nil, fmt.Errorf("holds no autoencoder: choose a file that is one beside it")
	}
	return o.openTensors(f, t, publishedConfigs(t.family, t.channels, t.prediction, t.zeroSNR), dev, dtype)
}

// openTensors builds the model of c from a file of the traits t.
func (o Options) openTensors(f nn.Source, t traits, c configs, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	m := &Model{Device: dev, DType: dtype, Family: t.family, Scheduler: c.scheduler, ZeroNegative: t.family == SDXL}
	var err error
	if m.Text, m.Tokenizer, m.Vocabulary, err = newText(c.text, c.vocabulary); err != nil {
		return nil, err
	}
	if t.family == SDXL {
		if m.Text2, m.Tokenizer2, m.Vocabulary2, err = newText(c.text2, c.vocabulary); err != nil {
			return nil, err
		}
	}
	if m.UNet, err = unet.New(c.unet); err != nil {
		return nil, err
	}
	if m.VAE, err = vae.New(c.vae); err != nil {
		return nil, err
	}
	here := func(name string, src nn.Source) func() (Tensors, string, error) {
		return func() (Tensors, string, error) { return keptOpen{src}, name, nil }
	}
	parts := []part{{model: m.Text, open: here("text encoder", textSource(f, t.family, m.Text))}}
	if m.Text2 != nil {
		parts = append(parts, part{model: m.Text2, open: here("second text encoder", openCLIP(f, secondText, m.Text2))})
	}
	parts = append(parts,
		part{model: m.UNet, open: here("U-Net", ldmSource(f, ldmUNet, m.UNet, c.unet.LDMName))},
		part{model: m.VAE, open: here("autoencoder", ldmSource(f, ldmVAE, m.VAE, c.vae.LDMName))})
	return m, o.finish(m, parts)
}

// newText builds a text encoder with its tokenizer, CLIP's if vocab is nil.
func newText(cfg textencoder.Config, vocab textencoder.Vocabulary) (*textencoder.Model, *textencoder.Tokenizer, textencoder.Vocabulary, error) {
	text, err := textencoder.New(cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	if vocab == nil {
		if vocab, err = clipVocabulary(cfg); err != nil {
			return nil, nil, nil, err
		}
	}
	tok, err := vocab.Tokenizer()
	return text, tok, vocab, err
}

const (
	ldmVAE     = "first_stage_model."
	secondText = "conditioner.embedders.1.model."
)

// keptOpen is a part of a file that is closed by who opened it.
type keptOpen struct{ nn.Source }

func (keptOpen) Close() error { return nil }

// ldmSource views what stands after prefix under the names of model.
func ldmSource(f nn.Source, prefix string, model any, name func(string) string) nn.Source {
	return nn.Mapped(f, model,
		func(key string) nn.Place { return nn.Place{Name: prefix + name(key)} },
		func(name string) bool {
			rest, ok := strings.CutPrefix(name, prefix)
			top, _, _ := strings.Cut(rest, ".")
			return ok && ldmParts[top]
		})
}

// ldmParts are the first words of the names of a U-Net's and an autoencoder's
// tensors; what else a file holds belongs to its training.
var ldmParts = map[string]bool{
	"input_blocks": true, "middle_block": true, "output_blocks": true, "out": true, "time_embed": true, "label_emb": true,
	"encoder": true, "decoder": true, "quant_conv": true, "post_quant_conv": true,
}

// textSource views the first text encoder. What else stands beside it (the other
// half of CLIP, the last layer of Stable Diffusion 2) is not wanted.
func textSource(f nn.Source, family Family, model any) nn.Source {
	switch family {
	case SD2:
		return openCLIP(f, "cond_stage_model.model.", model)
	case SDXL:
		return clip(f, "conditioner.embedders.0.transformer.", model)
	}
	return clip(f, "cond_stage_model.transformer.", model)
}

// clip views a text encoder under transformers' names, with or without the
// "text_model." that early merging tools left out.
func clip(f nn.Source, prefix string, model any) nn.Source {
	return nn.Mapped(f, model, func(key string) nn.Place {
		if _, ok := f.Get(prefix + key); !ok {
			key = strings.TrimPrefix(key, "text_model.")
		}
		return nn.Place{Name: prefix + key}
	}, nothing)
}

func openCLIP(f nn.Source, prefix string, model any) nn.Source {
	return nn.Mapped(f, model, func(key string) nn.Place {
		at := textencoder.OpenCLIPPlace(key)
		at.Name = prefix + at.Name
		return at
	}, nothing)
}

func nothing(string) bool { return false }

// globalStep is the number of training steps that a file tells, 0 where it does
// not.
func globalStep(f nn.Source) int {
	v, ok := f.Get("global_step")
	switch {
	case ok && v.DType == safetensors.I64 && len(v.Data) == 8:
		return int(binary.LittleEndian.Uint64(v.Data))
	case ok && v.DType == safetensors.I32 && len(v.Data) == 4:
		return int(binary.LittleEndian.Uint32(v.Data))
	case ok && v.DType == safetensors.F32 && len(v.Data) == 4:
		return int(math.Float32frombits(binary.LittleEndian.Uint32(v.Data)))
	}
	return 0
}
