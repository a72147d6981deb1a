package library

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/textencoder"
	"latent/vae"
)

// Options change how a model is opened; the zero value changes nothing.
type Options struct {
	// VAE is the path of an autoencoder that replaces the model's own.
	VAE string
	// Prediction is what the U-Net predicts, scheduler.PredictEpsilon or
	// PredictVelocity; "" is what the files say.
	Prediction string
}

// Open reads the model at path, a diffusers folder or a single file, onto dev,
// weights converted to dtype.
func Open(path string, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	return Options{}.Open(path, dev, dtype)
}

// Open is Open with options.
func (o Options) Open(path string, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	m, err := o.open(path, dev, dtype)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	m.Name = strings.TrimSuffix(filepath.Base(filepath.Clean(path)), weightsExt(path))
	m.Path = path
	m.hash = func() (string, error) { return Hash(path) }
	return m, nil
}

func (o Options) open(path string, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, unwrapPath(err)
	case !info.IsDir():
		return nil, errors.New("is a file; a diffusers model folder is wanted")
	}
	return o.openFolder(os.DirFS(path), path, dev, dtype)
}

// OpenFS is Open for a model inside a file system, such as the embedded one.
func OpenFS(folder fs.FS, name string, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	m, err := Options{}.openFolder(folder, "", dev, dtype)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	m.Name = name
	m.hash = sync.OnceValues(func() (string, error) { return hashFS(folder) })
	return m, nil
}

// weightsExt is the ending of path if it is that of a file of weights.
func weightsExt(path string) string {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".safetensors", ".ckpt", ".pt", ".pth", ".bin":
		return path[len(path)-len(ext):]
	}
	return ""
}

// part is a part of a model with the place of its weights.
type part struct {
	model  any
	open   func() (f tensors, name string, err error)
	rename func(string) string // from the names of other versions; nil: none
}

// load fills the parts with weights. After an error nothing stays in memory.
func (m *Model) load(parts []part) error {
	for _, p := range parts {
		f, name, err := p.open()
		if err != nil {
			m.Close()
			return err
		}
		var src nn.Source = f
		if p.rename != nil {
			src = nn.Renamed(src, p.rename)
		}
		err = nn.Load(p.model, m.Device, m.DType, src)
		f.Close()
		if err != nil {
			m.Close()
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (o Options) openFolder(folder fs.FS, root string, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	m, err := Skeleton(folder, dev, dtype, nil)
	if err != nil {
		return nil, err
	}
	var parts []part
	add := func(dir, stem string, model any, rename func(string) string) {
		parts = append(parts, part{model, func() (tensors, string, error) { return openPart(folder, root, dir, stem) }, rename})
	}
	add("text_encoder", "model", m.Text, textencoder.Rename)
	if m.Text2 != nil {
		add("text_encoder_2", "model", m.Text2, textencoder.Rename)
	}
	add("unet", "diffusion_pytorch_model", m.UNet, nil)
	add("vae", "diffusion_pytorch_model", m.VAE, vae.Rename)
	return m, m.load(parts)
}
