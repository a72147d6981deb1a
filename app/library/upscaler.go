package library

import (
	"cmp"
	"fmt"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/vae/esrgan"
)

// publishedUpscalers are the names that AUTOMATIC1111 has for files of others.
var publishedUpscalers = map[string]string{
	"R-ESRGAN 4x+": "RealESRGAN_x4plus", "R-ESRGAN 4x+ Anime6B": "RealESRGAN_x4plus_anime_6B", "R-ESRGAN 2x+": "RealESRGAN_x2plus",
}

// PublishedUpscaler is what the file is called that a recipe calls name.
func PublishedUpscaler(name string) string { return cmp.Or(publishedUpscalers[name], name) }

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
