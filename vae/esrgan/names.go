package esrgan

import (
	"fmt"
	"strconv"
	"strings"

	"latent/gpu/nn"
	"latent/gpu/safetensors"
)

// Source is a file's tensors under the names of Net's parameters. Files have those of
// Real-ESRGAN, those of the first ESRGAN's code, or numbers of layers; of weights that
// are there twice the averaged ones count.
func Source(f nn.Source) nn.Source {
	prefix := ""
	for _, p := range []string{"params_ema.", "params."} {
		if prefix == "" && hasPrefix(f, p) {
			prefix = p
		}
	}
	inside := within{f, prefix}
	last := 0 // number of the last layer
	for _, name := range inside.Names() {
		if n, ok := layerNumber(name); ok {
			last = max(last, n)
		}
	}
	return nn.Renamed(inside, func(name string) string { return rename(name, last) })
}

func hasPrefix(f nn.Source, prefix string) bool {
	for _, name := range f.Names() {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// within are the tensors whose names begin with a prefix, without it.
type within struct {
	nn.Source
	prefix string
}

func (w within) Names() []string {
	var out []string
	for _, name := range w.Source.Names() {
		if rest, ok := strings.CutPrefix(name, w.prefix); ok {
			out = append(out, rest)
		}
	}
	return out
}

func (w within) Get(name string) (safetensors.View, bool) { return w.Source.Get(w.prefix + name) }

// layerNumber is N of model.N.weight and model.N.bias.
func layerNumber(name string) (int, bool) {
	rest, ok := strings.CutPrefix(name, "model.")
	number, end, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(number)
	return n, ok && err == nil && (end == "weight" || end == "bias")
}

// rename gives a parameter's name here; last is the number of the last layer, where
// layers have numbers: the last of all convolutions.
func rename(name string, last int) string {
	stem, end := name, ""
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		stem, end = name[:i], name[i:]
	}
	if n, ok := layerNumber(name); ok {
		switch n {
		case 0:
			return "conv_first" + end
		case last - 2:
			return "conv_hr" + end
		case last:
			return "conv_last" + end
		}
		return fmt.Sprintf("conv_up.%d%s", n/3-1, end) // 3, 6, 9: between them enlarging and activation
	}
	if rest, ok := strings.CutPrefix(stem, "model.1.sub."); ok {
		if block, rest, inner := strings.Cut(rest, "."); inner { // 0.RDB1.conv1.0
			return "body." + block + "." + strings.TrimSuffix(strings.Replace(rest, "RDB", "rdb", 1), ".0") + end
		}
		return "conv_body" + end
	}
	if rest, ok := strings.CutPrefix(stem, "RRDB_trunk."); ok {
		return "body." + strings.Replace(rest, "RDB", "rdb", 1) + end
	}
	switch stem {
	case "trunk_conv":
		return "conv_body" + end
	case "HRconv":
		return "conv_hr" + end
	}
	for _, up := range []string{"upconv", "conv_up"} {
		if n, err := strconv.Atoi(strings.TrimPrefix(stem, up)); err == nil && strings.HasPrefix(stem, up) {
			return fmt.Sprintf("conv_up.%d%s", n-1, end)
		}
	}
	return name
}
