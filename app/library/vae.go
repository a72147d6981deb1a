package library

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"latent/gpu/atomicfile"
	"latent/gpu/nn"
	"latent/vae"
)

// replaceVAE sets m.VAE to the shape of the autoencoder at path and returns where
// its weights are. base describes it where it brings no config.json: it is of the
// model's own kind.
func (m *Model) replaceVAE(path string, base vae.Config) (part, error) {
	fail := func(err error) (part, error) { return part{}, fmt.Errorf("autoencoder %s: %w", path, err) }
	info, err := os.Stat(path)
	if err != nil {
		return fail(atomicfile.Reason(err))
	}
	cfg, file := base, path
	if info.IsDir() {
		dir := path
		if has(os.DirFS(path), "vae/config.json") {
			dir = filepath.Join(path, "vae")
		}
		if cfg, err = config(os.DirFS(dir), "config.json", vae.ParseConfig); err != nil {
			return fail(err)
		}
		names, err := weightFiles(os.DirFS(dir), ".", stemOf("vae"))
		if err != nil {
			return fail(err)
		}
		file = filepath.Join(dir, names[0])
	} else if data, err := os.ReadFile(filepath.Join(filepath.Dir(path), "config.json")); err == nil && strings.Contains(string(data), `"AutoencoderKL"`) {
		if cfg, err = vae.ParseConfig(data); err != nil {
			return fail(fmt.Errorf("config.json: %w", err))
		}
	}
	f, err := OpenTensors(file)
	if err != nil {
		return fail(err)
	}
	t := look(f)
	var src nn.Source
	switch {
	case t.kind == KindVAE, t.kind == KindModel && t.vae:
		if v, ok := vaeTensor(f, "decoder.conv_in.weight"); ok && len(v) == 4 && v[1] != base.LatentChannels {
			err = fmt.Errorf("makes latents of %d channels, as Stable Diffusion 3 and Flux have, where the model's have %d", v[1], base.LatentChannels)
		}
	case t.usable() != nil:
		err = t.usable()
	default:
		err = fmt.Errorf("is %s, not an autoencoder", t.what)
	}
	if err == nil {
		m.VAE, err = vae.New(cfg)
	}
	if err != nil {
		f.Close()
		return fail(err)
	}
	switch _, whole := f.Get(ldmVAE + "decoder.conv_in.weight"); {
	case whole:
		src = ldmSource(f, ldmVAE, m.VAE, cfg.LDMName)
	case strings.Contains(t.what, "LDM"):
		src = ldmSource(f, "", m.VAE, cfg.LDMName)
	default:
		src = nn.Renamed(f, vae.Rename)
	}
	return part{model: m.VAE, open: func() (Tensors, string, error) {
		return closing{src, f}, "autoencoder " + path, nil
	}}, nil
}

func vaeTensor(f nn.Source, name string) (shape []int, ok bool) {
	for _, prefix := range []string{"", ldmVAE} {
		if v, ok := f.Get(prefix + name); ok {
			return v.Shape, true
		}
	}
	return nil, false
}

// closing is a view of a file that closes it.
type closing struct {
	nn.Source
	file Tensors
}

func (c closing) Close() error { return c.file.Close() }
