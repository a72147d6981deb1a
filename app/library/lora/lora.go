// Package lora reads low-rank adapters (Hu et al. 2022) and adds them to a
// model's weights,
//
//	W' = W₀ + Σᵢ sᵢ·ΔWᵢ,  ΔW = (alpha/rank)·up·down,
//
// several at once, each with a strength s, and takes them off again so that
// every bit of the weights is what it was.
//
// Files name a module in one of these ways; all are read:
//
//	lora_unet_down_blocks_0_attentions_0_…   kohya, diffusers' module names
//	lora_unet_input_blocks_1_1_…             kohya for SDXL, the first release's names
//	lora_te_… lora_te1_… lora_te2_…          kohya, text encoders
//	unet.down_blocks.0.… text_encoder.…      diffusers, PEFT
//
// and its factors as lora_down/lora_up (with lora_mid between them for a
// convolution: LoCon), lora_A/lora_B, hada_* (LoHa, Hyeon-Woo et al. 2022),
// lokr_* (LoKr, Yeh et al. 2024) or diff (ΔW itself). With dora_scale or
// lora_magnitude_vector beside them (DoRA, Liu et al. 2024, eq. 5),
//
//	ΔW_DoRA = m·V/‖V‖ − W₀,  V = W₀ + ΔW,
//
// row by row, or column by column.
package lora

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// The parts of a model that LoRAs are for.
const (
	UNet  = "unet"
	Text1 = "te1" // the text encoder of Stable Diffusion 1 and 2, SDXL's first
	Text2 = "te2"
)

// A File is an open LoRA. It must stay open as long as strengths may change.
type File struct {
	Name     string // the file's, without ending
	Metadata map[string]string
	// Foreign lists the keys that are no factor of a LoRA, in order.
	Foreign []string

	path    string
	hash    string // AddNetHash, once it was asked for
	file    *safetensors.File
	modules []*module
}

// A module is what the file has for one layer.
type module struct {
	key     string // as the file spells it
	part    string
	name    string // under that part, with underscores
	factors map[string]safetensors.View
	alpha   float64 // 0: the rank
	scale   float64 // of PEFT's own rule; 0: alpha/rank
}

// factors are the endings of keys, and the factor that each stands for. The
// first that fits counts.
var factors = []struct{ ending, factor string }{
	{".lora_linear_layer.down.weight", "down"}, {".lora_linear_layer.up.weight", "up"}, // diffusers, before PEFT
	{"_lora.down.weight", "down"}, {"_lora.up.weight", "up"},
	{".lora.down.weight", "down"}, {".lora.up.weight", "up"},
	{".lora_A.default.weight", "down"}, {".lora_B.default.weight", "up"}, // PEFT
	{".lora_A.weight", "down"}, {".lora_B.weight", "up"},
	{".lora_down.weight", "down"}, {".lora_up.weight", "up"}, {".lora_mid.weight", "mid"}, {".alpha", "alpha"}, // kohya
	{".hada_w1_a", "hada_w1_a"}, {".hada_w1_b", "hada_w1_b"}, {".hada_w2_a", "hada_w2_a"}, {".hada_w2_b", "hada_w2_b"},
	{".hada_t1", "hada_t1"}, {".hada_t2", "hada_t2"}, // LyCORIS
	{".lokr_w1", "lokr_w1"}, {".lokr_w1_a", "lokr_w1_a"}, {".lokr_w1_b", "lokr_w1_b"},
	{".lokr_w2", "lokr_w2"}, {".lokr_w2_a", "lokr_w2_a"}, {".lokr_w2_b", "lokr_w2_b"}, {".lokr_t2", "lokr_t2"},
	{".diff", "diff"}, {".diff_b", "diff_b"}, {".w_norm", "diff"}, {".b_norm", "diff_b"},
	{".dora_scale", "dora"}, // LyCORIS, kohya
	{".lora_magnitude_vector", "magnitude"}, {".lora_magnitude_vector.weight", "magnitude"},
	{".lora_magnitude_vector.default.weight", "magnitude"}, // PEFT
}

// prefixes of module names: the part they stand for, and what of them belongs to
// the name. The first that fits counts.
var prefixes = []struct{ prefix, part, keep string }{
	{"lora_unet_", UNet, ""}, {"lora_te1_", Text1, ""}, {"lora_te2_", Text2, ""}, {"lora_te_", Text1, ""},
	{"unet.", UNet, ""}, {"text_encoder_2.", Text2, ""}, {"text_encoder.", Text1, ""},
	{"base_model.model.text_model.", Text1, "text_model."}, {"base_model.model.", UNet, ""},
	{"diffusion_model.", UNet, ""}, // ComfyUI
	{"down_blocks.", UNet, "down_blocks."}, {"mid_block.", UNet, "mid_block."}, {"up_blocks.", UNet, "up_blocks."},
}

// Read opens the LoRA in the safetensors file at path.
func Read(path string) (*File, error) {
	sf, err := safetensors.Open(path)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // without the path, which stands before it already
		}
		return nil, fmt.Errorf("LoRA %s: %w", path, err)
	}
	f, err := parse(sf)
	if err != nil {
		sf.Close()
		return nil, fmt.Errorf("LoRA %s: %w", path, err)
	}
	f.path = path
	f.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	return f, nil
}

// Close gives the file's memory back.
func (f *File) Close() error {
	f.modules = nil
	return f.file.Close()
}

func parse(sf *safetensors.File) (*File, error) {
	f := &File{file: sf, Metadata: sf.Metadata()}
	byName := map[[2]string]*module{}
	for _, key := range sf.Names() {
		stem, part, name, factor, ok := splitKey(key)
		if !ok {
			if kind := refused(key); kind != "" {
				return nil, fmt.Errorf("it is %s (%s), which Latent does not support", kind, key)
			}
			f.Foreign = append(f.Foreign, key)
			continue
		}
		m := byName[[2]string{part, name}]
		if m == nil {
			m = &module{key: stem, part: part, name: name, factors: map[string]safetensors.View{}}
			byName[[2]string{part, name}] = m
			f.modules = append(f.modules, m)
		}
		v, _ := sf.Get(key)
		if factor == "alpha" {
			a, err := half.Float32s(v.DType, v.Data)
			if err != nil || len(a) != 1 || math.IsNaN(float64(a[0])) || math.IsInf(float64(a[0]), 0) {
				return nil, fmt.Errorf("%s is not one number", key)
			}
			m.alpha = float64(a[0])
			continue
		}
		if _, twice := m.factors[factor]; twice {
			return nil, fmt.Errorf("%s: this layer's %s stands twice, under different names", key, factor)
		}
		m.factors[factor] = v
	}
	if family := unsupported(sf.Names()); family != "" {
		return nil, fmt.Errorf("it is for %s, which Latent does not support", family)
	}
	f.modules = slices.DeleteFunc(f.modules, func(m *module) bool { return len(m.factors) == 0 }) // an alpha alone
	if len(f.modules) == 0 {
		return nil, errors.New("not a LoRA: no key of it names a factor of one")
	}
	for _, m := range f.modules {
		if err := m.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", m.key, err)
		}
	}
	f.peftScales()
	return f, nil
}

// splitKey takes a key apart: the stem that all factors of a layer share, the part
// and the layer's name with underscores for dots, so that all spellings are one.
func splitKey(key string) (stem, part, name, factor string, ok bool) {
	for _, f := range factors {
		if rest, found := strings.CutSuffix(key, f.ending); found {
			stem, factor = rest, f.factor
			break
		}
	}
	for _, p := range prefixes {
		if rest, found := strings.CutPrefix(stem, p.prefix); found {
			part, name = p.part, p.keep+rest
			break
		}
	}
	// diffusers' former attention processors: attn1.processor.to_q_lora.
	if before, after, found := strings.Cut(name, ".processor."); found {
		name = before + "." + after
		if after == "to_out" {
			name += ".0"
		}
	}
	return stem, part, strings.ReplaceAll(name, ".", "_"), factor, factor != "" && part != ""
}

// unsupported names the family that keys are of if it is one that Latent has not.
func unsupported(keys []string) string {
	for _, k := range keys {
		for _, f := range []struct{ part, family string }{
			{"double_blocks", "Flux"}, {"single_transformer_blocks", "Flux"}, {"joint_blocks", "Stable Diffusion 3"},
			{"transformer.transformer_blocks", "Stable Diffusion 3 or Flux"}, {"lora_prior_", "Stable Cascade"},
		} {
			if strings.Contains(k, f.part) {
				return f.family
			}
		}
	}
	return ""
}

// rank is the r of the factors, 0 where nothing was decomposed.
func (m *module) rank() int {
	for _, name := range []string{"down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"} {
		if v, ok := m.factors[name]; ok && len(v.Shape) > 0 {
			return v.Shape[0]
		}
	}
	return 0
}

// multiplier is alpha/rank. An alpha of 0, or none, is the rank.
func (m *module) multiplier() float64 {
	switch r := m.rank(); {
	case m.scale != 0:
		return m.scale
	case m.alpha == 0 || r == 0 || m.kind() == "difference":
		return 1
	default:
		return m.alpha / float64(r)
	}
}
