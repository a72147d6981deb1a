package lora

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"latent/gpu/safetensors"
)

// kinds of module, by the factors that each must have.
var kinds = []struct {
	name string
	must []string
}{
	{"LoRA", []string{"down", "up"}},
	{"LoHa", []string{"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}},
	{"LoKr", []string{"lokr_w1"}}, {"LoKr", []string{"lokr_w1_a", "lokr_w1_b"}},
	{"difference", []string{"diff"}}, {"difference", []string{"diff_b"}},
}

// others are kinds of adapter that are not read, by what occurs in their keys.
var others = []struct{ part, kind string }{
	{".oft_", "an OFT or BOFT"}, {".boft_", "a BOFT"},
	{".on_input", "an IA3"}, {".ia3_l", "an IA3"},
	{".a1.weight", "a GLoRA"}, {".a2.weight", "a GLoRA"}, {".b1.weight", "a GLoRA"}, {".b2.weight", "a GLoRA"},
	{".vera_lambda_", "a VeRA"}, {".lora_E", "an AdaLoRA"},
	{".wd_for_diff", "a DoRA of the difference alone"},
	{".lora_up.bias", "a LoRA with biases"}, {".lora_B.bias", "a LoRA with biases"}, {".bias_indices", "a LoRA with biases"},
}

// refused names the kind of adapter that a key belongs to if it is one that
// changes what the layer computes and is not read.
func refused(key string) string {
	for _, o := range others {
		if strings.Contains(key, o.part) {
			return o.kind
		}
	}
	return ""
}

func (m *module) kind() string {
	for _, k := range kinds {
		if !slices.ContainsFunc(k.must, func(f string) bool { return !m.has(f) }) {
			if k.name == "LoRA" && m.convolves() {
				return "LoCon"
			}
			return k.name
		}
	}
	return ""
}

func (m *module) has(factor string) bool {
	_, ok := m.factors[factor]
	return ok
}

// convolves tells whether the factors are of a kernel larger than 1×1.
func (m *module) convolves() bool {
	s := m.factors["down"].Shape
	return m.has("mid") || len(s) == 4 && s[2]*s[3] > 1
}

// check tells what is wrong with a module whatever model it is for: afterwards
// its factors multiply.
func (m *module) check() error {
	for name, v := range m.factors {
		switch v.DType {
		case safetensors.F16, safetensors.BF16, safetensors.F32, safetensors.F64, safetensors.F8E4M3, safetensors.F8E5M2:
		default:
			return fmt.Errorf("its %s is %s; only floating-point formats are read", name, v.DType)
		}
		if len(v.Data) == 0 || len(v.Shape) > 4 {
			return fmt.Errorf("its %s has the shape %v", name, v.Shape)
		}
	}
	switch m.kind() {
	case "":
		return fmt.Errorf("it has only %s", strings.Join(slices.Sorted(maps.Keys(m.factors)), ", "))
	case "difference":
		if m.decomposed() {
			return errors.New("it is a DoRA of a difference, which Latent does not support")
		}
	}
	_, _, err := m.shape()
	return err
}
