package library

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"latent/gpu"
	"latent/gpu/atomicfile"
	"latent/gpu/nn"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"
)

// Options change how a model is opened; the zero value changes nothing.
type Options struct {
	// VAE is the path of an autoencoder that replaces the model's own.
	VAE string
	// Prediction is what the U-Net predicts, scheduler.PredictEpsilon or
	// PredictVelocity; "" is what the files say.
	Prediction string
	// Without are the parts whose weights are left out: they have shapes alone.
	Without PartSet
}

// PartSet is a set of a model's parts.
type PartSet uint8

// The parts.
const (
	TextEncoders PartSet = 1 << iota
	UNet
	VAE
)

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
	m.Name = nameOf(path)
	m.Path = path
	m.hash = func() (string, error) { return Hash(path) }
	return m, nil
}

func (o Options) open(path string, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, atomicfile.Reason(err)
	case !info.IsDir():
		return o.openFile(path, dev, dtype)
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

// nameOf is what a file or folder is called: its name without the ending.
func nameOf(path string) string {
	return strings.TrimSuffix(filepath.Base(filepath.Clean(path)), weightsExt(path))
}

// part is a part of a model with the place of its weights.
type part struct {
	model  any
	open   func() (f Tensors, name string, err error)
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

// stemOf is how a part's weights are called in its folder.
func stemOf(dir string) string {
	if strings.HasPrefix(dir, "text_encoder") {
		return "model"
	}
	return "diffusion_pytorch_model"
}

// partDirs are the folders of m's parts.
func partDirs(m *Model) []string {
	dirs := []string{"text_encoder"}
	if m.Text2 != nil {
		dirs = append(dirs, "text_encoder_2")
	}
	return append(dirs, "unet", "vae")
}

func (o Options) openFolder(folder fs.FS, root string, dev *gpu.Device, dtype gpu.DType) (*Model, error) {
	m, err := Skeleton(folder, dev, dtype, nil)
	if err != nil {
		return nil, err
	}
	models := map[string]any{"text_encoder": m.Text, "text_encoder_2": m.Text2, "unet": m.UNet, "vae": m.VAE}
	renames := map[string]func(string) string{"text_encoder": textencoder.Rename, "text_encoder_2": textencoder.Rename, "vae": vae.Rename}
	var parts []part
	for _, dir := range partDirs(m) {
		parts = append(parts, part{models[dir], func() (Tensors, string, error) { return openPart(folder, root, dir, stemOf(dir)) }, renames[dir]})
	}
	return m, o.finish(m, parts)
}

// finish honours the options and loads m's parts, of which the autoencoder is the
// last.
func (o Options) finish(m *Model, parts []part) error {
	if o.Prediction != "" {
		m.Scheduler.PredictionType = o.Prediction
		if err := m.Scheduler.Validate(); err != nil {
			return err
		}
	}
	if o.VAE != "" {
		p, err := m.replaceVAE(o.VAE, m.VAE.Config)
		if err != nil {
			return err
		}
		parts[len(parts)-1] = p
	}
	if err := m.check(); err != nil {
		return err
	}
	return m.load(slices.DeleteFunc(parts, func(p part) bool {
		switch p.model.(type) {
		case *textencoder.Model:
			return o.Without&TextEncoders != 0
		case *unet.Model:
			return o.Without&UNet != 0
		}
		return o.Without&VAE != 0
	}))
}
