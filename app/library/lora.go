package library

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"latent/app/library/lora"
	"latent/gpu/atomicfile"
	"latent/gpu/nn"
	"latent/textencoder"
)

// LoRAs makes a patcher for the weights of an open model, which takes the
// original ones from the model's file. It is to be made before the weights are
// changed in any other way, and once for a model.
func LoRAs(m *Model) *lora.Patcher {
	parts := map[string]any{lora.UNet: m.UNet, lora.Text1: m.Text}
	if m.Text2 != nil {
		parts[lora.Text2] = m.Text2
	}
	if m.Path == "" {
		return lora.New(parts, nil)
	}
	opened, err := stampsOf(m.Path)
	if err != nil {
		return lora.New(parts, nil)
	}
	return lora.New(parts, func(part string, params []nn.Named) error {
		now, err := stampsOf(m.Path)
		if err != nil {
			return err
		}
		if !slices.Equal(opened, now) {
			return fmt.Errorf("%s has changed since it was opened", m.Path)
		}
		f, src, err := m.source(part)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		defer f.Close()
		if err := nn.Reload(src, params...); err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		return nil
	})
}

// source opens the weights of a part again, under the model's names.
func (m *Model) source(part string) (Tensors, nn.Source, error) {
	info, err := os.Stat(m.Path)
	if err != nil {
		return nil, nil, atomicfile.Reason(err)
	}
	if info.IsDir() {
		dir := map[string]string{lora.UNet: "unet", lora.Text1: "text_encoder", lora.Text2: "text_encoder_2"}[part]
		f, _, err := openPart(os.DirFS(m.Path), m.Path, dir, stemOf(dir))
		if err != nil || part == lora.UNet {
			return f, f, err
		}
		return f, nn.Renamed(f, textencoder.Rename), nil
	}
	f, err := OpenTensors(m.Path)
	switch {
	case err != nil:
		return nil, nil, err
	case part == lora.UNet:
		return f, ldmSource(f, ldmUNet, m.UNet, m.UNet.Config.LDMName), nil
	case part == lora.Text2:
		return f, openCLIP(f, secondText, m.Text2), nil
	}
	return f, textSource(f, m.Family, m.Text), nil
}

// A stamp tells whether a file is the one it was.
type stamp struct {
	path string
	size int64
	time time.Time
}

// stampsOf are the stamps of a model's files of weights.
func stampsOf(path string) ([]stamp, error) {
	paths := []string{filepath.Clean(path)}
	if info, err := os.Stat(path); err != nil {
		return nil, atomicfile.Reason(err)
	} else if info.IsDir() {
		paths = Parts(path)
	}
	var out []stamp
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, atomicfile.Reason(err)
		}
		out = append(out, stamp{p, info.Size(), info.ModTime()})
	}
	if len(out) == 0 {
		return nil, errors.New("no weights")
	}
	return out, nil
}
