package pipeline

import (
	"fmt"
	"os"
	"path/filepath"

	"latent/app/library"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/vae"
)

// tinyNames are what TAESD's files are called, by the family they belong to.
var tinyNames = map[library.Family]string{library.SD1: "taesd", library.SD2: "taesd", library.SDXL: "taesdxl"}

// FindTiny looks in folder, and in its vae_approx, for the TAESD of a family: the
// original decoder, or a diffusers folder. It returns "" if there is none.
func FindTiny(folder string, family library.Family) string {
	name := tinyNames[family]
	if name == "" {
		return ""
	}
	for _, dir := range []string{folder, filepath.Join(folder, "vae_approx")} {
		for _, file := range []string{name + "_decoder.safetensors", filepath.Join(name, vaeWeights), name + ".safetensors"} {
			if info, err := os.Stat(filepath.Join(dir, file)); err == nil && info.Mode().IsRegular() {
				return filepath.Join(dir, file)
			}
		}
	}
	return ""
}

// OpenTiny reads TAESD from a file, or from a folder as diffusers saves it.
func OpenTiny(path string, dev *gpu.Device, dtype gpu.DType) (*vae.Tiny, error) {
	t, err := openTiny(path, dev, dtype)
	if err != nil {
		return nil, fmt.Errorf("preview decoder %s: %w", path, err)
	}
	return t, nil
}

func openTiny(path string, dev *gpu.Device, dtype gpu.DType) (*vae.Tiny, error) {
	folder := filepath.Dir(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		folder, path = path, filepath.Join(path, vaeWeights)
	}
	f, err := library.OpenTensors(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cfg, encoder, decoder, err := vae.TinyConfigOf(f)
	if err != nil {
		return nil, err
	}
	if filepath.Base(path) == vaeWeights {
		data, err := os.ReadFile(filepath.Join(folder, "config.json"))
		if err != nil {
			return nil, err
		}
		if cfg, err = vae.ParseTinyConfig(data); err != nil {
			return nil, err
		}
	}
	t, err := vae.NewTiny(cfg, encoder, decoder)
	if err != nil {
		return nil, err
	}
	return t, nn.Load(t, dev, dtype, nn.Renamed(f, vae.TinyNames(f)))
}
