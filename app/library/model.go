// Package library opens and saves models on disk: diffusers folders, which
// Python's diffusers opens too.
//
//	model_index.json
//	tokenizer/     vocab.json merges.txt …, or tokenizer.json alone
//	text_encoder/  config.json model.safetensors
//	unet/          config.json diffusion_pytorch_model.safetensors
//	vae/           config.json diffusion_pytorch_model.safetensors
//	scheduler/     scheduler_config.json
package library

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/scheduler"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"
)

// Model is an open text-to-image model. It belongs to its device's goroutine.
type Model struct {
	Name string

	Vocabulary textencoder.Vocabulary // the tokenizer's files
	Tokenizer  *textencoder.Tokenizer
	Text       *textencoder.Model
	UNet       *unet.Model
	VAE        *vae.Model
	Scheduler  scheduler.Config

	Device *gpu.Device
	DType  gpu.DType
}

// Close frees the model's weights.
func (m *Model) Close() {
	nn.Free(m.Text)
	nn.Free(m.UNet)
	nn.Free(m.VAE)
}

// The parts of a model folder.
const (
	textWeights = "text_encoder/model.safetensors"
	unetWeights = "unet/diffusion_pytorch_model.safetensors"
	vaeWeights  = "vae/diffusion_pytorch_model.safetensors"
)

// Skeleton builds the model that the config files in folder describe, without
// weights. vocab replaces the folder's tokenizer if it is not nil, and sets
// the size of the text encoder's table.
func Skeleton(folder fs.FS, dev *gpu.Device, dtype gpu.DType, vocab textencoder.Vocabulary) (*Model, error) {
	m := &Model{Device: dev, DType: dtype, Vocabulary: vocab}
	text, err := config(folder, "text_encoder/config.json", textencoder.ParseConfig)
	if err != nil {
		return nil, err
	}
	if vocab == nil {
		if m.Vocabulary, err = readTokenizer(folder); err != nil {
			return nil, err
		}
	}
	if m.Tokenizer, err = m.Vocabulary.Tokenizer(); err != nil {
		return nil, err
	}
	if vocab != nil {
		text.VocabSize = m.Tokenizer.Size()
		text.BOSTokenID, text.EOSTokenID = m.Tokenizer.BOS, m.Tokenizer.EOS
	}
	if m.Text, err = textencoder.New(text); err != nil {
		return nil, fmt.Errorf("text_encoder/config.json: %w", err)
	}
	u, err := config(folder, "unet/config.json", unet.ParseConfig)
	if err != nil {
		return nil, err
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
	m.Scheduler, err = config(folder, "scheduler/scheduler_config.json", scheduler.ParseConfig)
	return m, err
}

// TextLength reads from a folder's config how many tokens its text encoder
// takes.
func TextLength(folder fs.FS) (int, error) {
	c, err := config(folder, "text_encoder/config.json", textencoder.ParseConfig)
	return c.MaxPositionEmbeddings, err
}

// readTokenizer reads the tokenizer's files, of which some are optional.
func readTokenizer(folder fs.FS) (textencoder.Vocabulary, error) {
	entries, err := fs.ReadDir(folder, "tokenizer")
	if err != nil {
		return nil, errors.New("tokenizer folder is missing: this is not a whole diffusers model folder")
	}
	v := textencoder.Vocabulary{}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".json") && name != "merges.txt" {
			continue
		}
		if v[name], err = fs.ReadFile(folder, "tokenizer/"+name); err != nil {
			return nil, fmt.Errorf("tokenizer/%s: %w", name, unwrapPath(err))
		}
	}
	return v, nil
}

func config[C any](folder fs.FS, name string, parse func([]byte) (C, error)) (C, error) {
	var zero C
	data, err := fs.ReadFile(folder, name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return zero, fmt.Errorf("%s is missing: this is not a whole diffusers model folder", name)
		}
		return zero, fmt.Errorf("%s: %w", name, unwrapPath(err))
	}
	c, err := parse(data)
	if err != nil {
		return zero, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// unwrapPath drops the path from an error that will be shown beside it.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Open reads the diffusers folder at path onto dev, weights converted to dtype.
func Open(path string, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("model %s: %w", path, unwrapPath(err))
	case !info.IsDir():
		return nil, fmt.Errorf("model %s: is a file; a diffusers model folder is wanted", path)
	}
	m, err := open(os.DirFS(path), dev, dtype, func(name string) (*safetensors.File, error) {
		f, err := safetensors.Open(filepath.Join(path, filepath.FromSlash(name)))
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // without the path, which stands before it already
		}
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	m.Name = filepath.Base(filepath.Clean(path))
	return m, nil
}

// OpenFS is Open for a model inside a file system, such as the embedded one.
func OpenFS(folder fs.FS, name string, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	m, err := open(folder, dev, dtype, func(name string) (*safetensors.File, error) {
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		return safetensors.Parse(data)
	})
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	m.Name = name
	return m, nil
}

func open(folder fs.FS, dev *gpu.Device, dtype gpu.DType, file func(string) (*safetensors.File, error)) (*Model, error) {
	m, err := Skeleton(folder, dev, dtype, nil)
	if err != nil {
		return nil, err
	}
	for _, part := range []struct {
		name   string
		model  any
		rename func(string) string // from the names of other versions
	}{
		{textWeights, m.Text, textencoder.Rename},
		{unetWeights, m.UNet, func(key string) string { return key }},
		{vaeWeights, m.VAE, vae.Rename},
	} {
		f, err := file(part.name)
		if err != nil {
			m.Close()
			return nil, fmt.Errorf("%s: %w", part.name, unwrapPath(err))
		}
		err = nn.Load(part.model, dev, dtype, nn.Renamed(f, part.rename))
		f.Close()
		if err != nil {
			m.Close()
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return m, nil
}

// Save writes the model as a diffusers folder. Each file is replaced whole;
// model_index.json, which makes the folder a model, comes last. format is "F16",
// "BF16" or "F32"; values replaces parameters' values (see nn.Entries).
func Save(folder string, m *Model, format string, values func(nn.Named) *gpu.Tensor) (err error) {
	defer gpu.Catch(&err)
	for _, d := range []string{"text_encoder", "unet", "vae", "scheduler", "tokenizer"} {
		if err := os.MkdirAll(filepath.Join(folder, d), 0o755); err != nil {
			return err
		}
	}
	if err := m.Vocabulary.Save(filepath.Join(folder, "tokenizer")); err != nil {
		return err
	}
	meta := map[string]string{"format": "pt"}
	for _, part := range []struct {
		name, config string
		model, cfg   any
	}{
		{textWeights, "text_encoder/config.json", m.Text, textConfig{m.Text.Config, "float32"}},
		{unetWeights, "unet/config.json", m.UNet, m.UNet.Config},
		{vaeWeights, "vae/config.json", m.VAE, m.VAE.Config},
	} {
		path := filepath.Join(folder, filepath.FromSlash(part.name))
		if err := safetensors.Write(path, nn.Entries(part.model, format, values), meta); err != nil {
			return err
		}
		if err := writeJSON(filepath.Join(folder, filepath.FromSlash(part.config)), part.cfg); err != nil {
			return err
		}
	}
	if err := writeJSON(filepath.Join(folder, "scheduler", "scheduler_config.json"), m.Scheduler); err != nil {
		return err
	}
	return writeJSON(filepath.Join(folder, "model_index.json"), map[string]any{
		"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0",
		"text_encoder": []any{"transformers", "CLIPTextModel"}, "tokenizer": []any{"transformers", "CLIPTokenizer"},
		"unet": []any{"diffusers", "UNet2DConditionModel"}, "vae": []any{"diffusers", "AutoencoderKL"},
		"scheduler":      []any{"diffusers", m.Scheduler.ClassName},
		"safety_checker": []any{nil, nil}, "feature_extractor": []any{nil, nil}, "requires_safety_checker": false,
	})
}

// textConfig says in which type to compute: without it transformers 5 takes that
// of the weights file, and diffusers takes float32 for the parts beside it.
type textConfig struct {
	textencoder.Config
	DType string `json:"dtype"`
}

// writeJSON replaces path by v as indented JSON.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(data, '\n'))
}

// WriteFile replaces path by data: a temporary file beside it is written,
// synced and renamed.
func WriteFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".latent-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
