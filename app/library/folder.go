package library

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"latent/gpu"
	"latent/gpu/atomicfile"
	"latent/scheduler"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"
)

// Skeleton builds the model that the config files in folder describe, without
// weights. vocab replaces the folder's tokenizer if it is not nil, and sets
// the size of the text encoder's table.
func Skeleton(folder fs.FS, dev *gpu.Device, dtype gpu.DType, vocab textencoder.Vocabulary) (*Model, error) {
	m := &Model{Device: dev, DType: dtype}
	u, err := config(folder, "unet/config.json", unet.ParseConfig)
	if err != nil {
		return nil, notThis(folder, err)
	}
	if u.AdditionEmbedType == "text_time" && !has(folder, "text_encoder/config.json") && has(folder, "text_encoder_2/config.json") {
		return nil, errRefiner
	}
	if m.Text, m.Tokenizer, m.Vocabulary, err = textPart(folder, "", vocab); err != nil {
		return nil, err
	}
	if has(folder, "text_encoder_2/config.json") {
		if m.Text2, m.Tokenizer2, m.Vocabulary2, err = textPart(folder, "_2", vocab); err != nil {
			return nil, err
		}
	}
	if m.UNet, err = unet.New(u); err != nil {
		return nil, fmt.Errorf("unet/config.json: %w", err)
	}
	v, err := config(folder, "vae/config.json", vae.ParseConfig)
	if err != nil {
		return nil, err
	}
	if m.VAE, err = vae.New(v); err != nil {
		return nil, fmt.Errorf("vae/config.json: %w", err)
	}
	if m.Scheduler, err = config(folder, "scheduler/scheduler_config.json", scheduler.ParseConfig); err != nil {
		return nil, err
	}
	m.Family = familyOf(u)
	m.ZeroNegative = index(folder).ZeroNegative && m.Family == SDXL
	return m, m.check()
}

// textPart builds the text encoder and tokenizer of text_encoder and tokenizer,
// or with suffix "_2" the second ones.
func textPart(folder fs.FS, suffix string, vocab textencoder.Vocabulary) (*textencoder.Model, *textencoder.Tokenizer, textencoder.Vocabulary, error) {
	cfg, err := config(folder, "text_encoder"+suffix+"/config.json", textencoder.ParseConfig)
	if err != nil {
		return nil, nil, nil, err
	}
	if vocab != nil {
		tok, err := vocab.Tokenizer()
		if err != nil {
			return nil, nil, nil, err
		}
		cfg.VocabSize = tok.Size()
		cfg.BOSTokenID, cfg.EOSTokenID = tok.BOS, tok.EOS
	} else if vocab, err = readTokenizer(folder, "tokenizer"+suffix); err != nil {
		if cfg.VocabSize != clipSize || has(folder, "tokenizer"+suffix) {
			return nil, nil, nil, err
		}
		vocab = nil // CLIP's
	}
	return newText(cfg, vocab)
}

// TextLength reads from a folder's config how many tokens its text encoder
// takes.
func TextLength(folder fs.FS) (int, error) {
	c, err := config(folder, "text_encoder/config.json", textencoder.ParseConfig)
	return c.MaxPositionEmbeddings, err
}

// modelIndex is what model_index.json says beside the parts' classes.
type modelIndex struct {
	ClassName    string `json:"_class_name"`
	ZeroNegative bool   `json:"force_zeros_for_empty_prompt"`
}

// index reads model_index.json, which may be absent.
func index(folder fs.FS) (m modelIndex) {
	if data, err := fs.ReadFile(folder, "model_index.json"); err == nil {
		json.Unmarshal(data, &m) // a damaged one says nothing
	}
	return m
}

// notThis is err, or where the folder says that it is no Stable Diffusion, that.
func notThis(folder fs.FS, err error) error {
	name := index(folder).ClassName
	if name == "" || has(folder, "unet/config.json") ||
		strings.HasPrefix(name, "StableDiffusion") && !strings.HasPrefix(name, "StableDiffusion3") {
		return err
	}
	return fmt.Errorf("is made for diffusers' %s, which is not supported: only Stable Diffusion 1.x, 2.x and XL are", name)
}

func config[C any](folder fs.FS, name string, parse func([]byte) (C, error)) (C, error) {
	var zero C
	data, err := fs.ReadFile(folder, name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return zero, fmt.Errorf("%s is missing: this is not a whole diffusers model folder", name)
		}
		return zero, fmt.Errorf("%s: %w", name, atomicfile.Reason(err))
	}
	c, err := parse(data)
	if err != nil {
		return zero, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func has(folder fs.FS, name string) bool {
	_, err := fs.Stat(folder, name)
	return err == nil
}
