package library

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"latent/gpu/atomicfile"
	"latent/gpu/nn"
	"latent/unet"
)

// ControlNet is an open ControlNet. It belongs to its device's goroutine.
type ControlNet struct {
	*unet.ControlNet
	Name string // without folder and ending
	Path string

	weights string // file
}

// ldmControl stands before the names of the files that Zhang et al. published.
const ldmControl = "control_model."

// controlFamily names a ControlNet's family by the width of the text that it attends
// to, 0 where it does not, and of what it is told besides.
func controlFamily(context, told int) Family {
	if context == 0 && told == 2816 { // XL's smallest has no transformers
		return SDXL
	}
	return unetFamily(context, told > 0)
}

// controls says why a ControlNet of these traits cannot be used.
func (t traits) controls() error {
	switch {
	case t.difference:
		return errors.New("is a ControlNet stored as the difference from Stable Diffusion 1.5, which is not supported: look for the whole one")
	case t.family == refiner || t.family == unCLIP:
		return fmt.Errorf("is a ControlNet for %s, which is not supported", t.family)
	}
	return nil
}

// OpenControlNet reads the ControlNet at path, a file or a diffusers folder, to be
// used with m: onto its device, weights converted to its dtype.
func OpenControlNet(path string, m *Model) (*ControlNet, error) {
	c, err := openControlNet(path, m)
	if err != nil {
		return nil, fmt.Errorf("ControlNet %s: %w", path, err)
	}
	c.Path = path
	c.Name = nameOf(path)
	return c, nil
}

func openControlNet(path string, m *Model) (*ControlNet, error) {
	f, file, config, err := controlFiles(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := look(f)
	switch {
	case t.usable() != nil && t.kind != KindUNet && t.kind != KindModel:
		return nil, t.usable()
	case t.kind != KindControlNet:
		return nil, fmt.Errorf("is %s, not a ControlNet", t.what)
	case t.family != m.Family && t.family != Other:
		return nil, fmt.Errorf("is for %s, and the model is %s: choose one of the model's family", t.family, m.Family)
	}
	prefix := ""
	_, ldm := f.Get("input_hint_block.0.weight")
	if _, ok := f.Get(ldmControl + "input_hint_block.0.weight"); ok {
		prefix, ldm = ldmControl, true
	}
	cfg := unet.ControlConfig{Config: m.UNet.Config}
	name := func(key string) string {
		if ldm {
			key = cfg.LDMName(key)
		}
		return prefix + key
	}
	if config != nil {
		cfg, err = unet.ParseControlConfig(config)
	} else {
		cfg, err = unet.ControlConfigOf(m.UNet.Config, func(key string) []int {
			v, _ := f.Get(name(key))
			return v.Shape
		})
	}
	if err == nil {
		err = fitsModel(cfg, m)
	}
	if err == nil && config == nil && strings.Contains(strings.ToLower(filepath.Base(path)), "shuffle") {
		err = errors.New("is, by its name, a ControlNet for shuffled pictures, which is not supported")
	}
	if err != nil {
		return nil, err
	}
	net, err := unet.NewControlNet(cfg)
	if err != nil {
		return nil, err
	}
	src := nn.Source(f)
	if ldm {
		src = nn.Mapped(f, net, func(key string) nn.Place { return nn.Place{Name: name(key)} }, func(name string) bool {
			rest, ok := strings.CutPrefix(name, prefix)
			top, _, _ := strings.Cut(rest, ".")
			return ok && (ldmParts[top] || controlParts[top])
		})
	}
	if err := nn.Load(net, m.Device, m.DType, src); err != nil {
		return nil, err
	}
	return &ControlNet{ControlNet: net, weights: file}, nil
}

// controlParts are the first words of names that no U-Net has.
var controlParts = map[string]bool{"input_hint_block": true, "zero_convs": true, "middle_block_out": true}

// controlFiles opens the weights at path, and reads the config.json that describes
// them; nil: there is none.
func controlFiles(path string) (f Tensors, file string, config []byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", nil, atomicfile.Reason(err)
	}
	dir, file := filepath.Dir(path), path
	if info.IsDir() {
		names, err := weightFiles(os.DirFS(path), ".", stemOf(""))
		if err != nil {
			return nil, "", nil, fmt.Errorf("holds no %s.safetensors", stemOf(""))
		}
		dir, file = path, filepath.Join(path, filepath.FromSlash(names[0]))
		if f, _, err = openPart(os.DirFS(path), path, ".", stemOf("")); err != nil {
			return nil, "", nil, err
		}
	} else if f, err = OpenTensors(path); err != nil {
		return nil, "", nil, err
	}
	if info.IsDir() || strings.HasPrefix(filepath.Base(path), stemOf("")) {
		config, _ = os.ReadFile(filepath.Join(dir, "config.json")) // the tensors tell as much
	}
	return f, file, config, nil
}

// fitsModel says why a ControlNet of a configuration cannot guide m.
func fitsModel(c unet.ControlConfig, m *Model) error {
	u := m.UNet.Config
	switch {
	case !slices.Equal(c.BlockOutChannels, u.BlockOutChannels) || !sameLayers(c.Config, u):
		return fmt.Errorf("was made for a U-Net of other blocks (%v) than the model's (%v)", c.BlockOutChannels, u.BlockOutChannels)
	case c.CrossAttentionDim[0] != u.CrossAttentionDim[0]:
		return fmt.Errorf("attends to texts %d wide, and the model's are %d", c.CrossAttentionDim[0], u.CrossAttentionDim[0])
	case c.Factor() != m.VAE.Config.Factor():
		return fmt.Errorf("makes pictures %d times smaller, and the model's autoencoder %d times", c.Factor(), m.VAE.Config.Factor())
	case c.InChannels != m.VAE.Config.LatentChannels:
		return fmt.Errorf("reads latents of %d channels, and the model's have %d", c.InChannels, m.VAE.Config.LatentChannels)
	case c.FlipSinToCos != u.FlipSinToCos || c.FreqShift != u.FreqShift:
		return errors.New("reads the time in another way than the model")
	}
	return nil
}

func sameLayers(a, b unet.Config) bool {
	for i := range a.BlockOutChannels {
		if a.LayersPerBlock.At(i) != b.LayersPerBlock.At(i) {
			return false
		}
	}
	return true
}

// Close frees the weights.
func (c *ControlNet) Close() { nn.Free(c.ControlNet) }

// Hash is what AUTOMATIC1111's extension writes after a ControlNet's name: eight
// digits of the SHA-256 of 64 KB one megabyte into the file. "" if that cannot be
// read any more.
func (c *ControlNet) Hash() string {
	f, err := os.Open(c.weights)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := f.Seek(1<<20, io.SeekStart); err != nil {
		return ""
	}
	if _, err := io.CopyN(h, f, 1<<16); err != nil && err != io.EOF {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))[:8]
}
