package library

import (
	"fmt"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/vae/esrgan"
)

// OpenUpscaler reads an ESRGAN onto dev, weights converted to dtype; nn.Free gives its
// memory back.
func OpenUpscaler(path string, dev *gpu.Device, dtype gpu.DType) (*esrgan.Net, error) {
	n, err := openUpscaler(path, dev, dtype)
	if err != nil {
		return nil, fmt.Errorf("upscaler %s: %w", path, err)
	}
	return n, nil
}

func openUpscaler(path string, dev *gpu.Device, dtype gpu.DType) (*esrgan.Net, error) {
	f, err := OpenTensors(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := look(f)
	switch err := t.usable(); {
	case err != nil:
		return nil, err
	case t.kind != KindUpscaler:
		return nil, fmt.Errorf("is %s, not an upscaler", t.what)
	}
	src := esrgan.Source(f)
	cfg, err := esrgan.ConfigOf(src)
	if err != nil {
		return nil, err
	}
	n, err := esrgan.New(cfg)
	if err != nil {
		return nil, err
	}
	return n, nn.Load(n, dev, dtype, src)
}
