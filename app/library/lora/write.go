package lora

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"strconv"
	"strings"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// A Layer is one layer's factors on the device: up[O,r]·down[r,C], or for a
// convolution up[O,1,1,r] after down[r,KH,KW,C].
type Layer struct {
	Part, Name string // such as UNet and "mid_block.attentions.0.proj_in"
	Down, Up   *gpu.Tensor
	Alpha      float64
}

// Write writes a LoRA under kohya's names, which AUTOMATIC1111, ComfyUI and
// diffusers read; for SDXL, where there is a second text encoder among the
// model's parts, the U-Net's are the first release's. format is "F16", "BF16" or
// "F32". Rank, alpha and the two hashes are added to the metadata.
func Write(path string, parts map[string]any, layers []Layer, format string, metadata map[string]string) (err error) {
	defer gpu.Catch(&err)
	if len(layers) == 0 {
		return errors.New("a LoRA without layers")
	}
	_, xl := parts[Text2]
	prefix := map[string]string{UNet: "lora_unet_", Text1: "lora_te_"}
	if xl {
		prefix[Text1], prefix[Text2] = "lora_te1_", "lora_te2_"
	}
	var entries []safetensors.Entry
	for _, l := range layers {
		name := l.Name
		if xl {
			name = firstName(parts[l.Part], name)
		}
		key := prefix[l.Part] + strings.ReplaceAll(name, ".", "_")
		for _, f := range []struct {
			name string
			t    *gpu.Tensor
		}{{".lora_down.weight", l.Down}, {".lora_up.weight", l.Up}} {
			values, shape := f.t.Float32s(), f.t.Shape()
			if len(shape) == 4 {
				o, k, c := shape[0], shape[1]*shape[2], shape[3]
				values, shape = swap(values, o, k, c), []int{o, c, shape[1], shape[2]}
			}
			data, err := half.Bytes(format, values)
			if err != nil {
				return err
			}
			entries = append(entries, safetensors.Entry{Name: key + f.name, DType: format, Shape: shape, Data: data})
		}
		alpha, err := half.Bytes(format, []float32{float32(l.Alpha)})
		if err != nil {
			return err
		}
		entries = append(entries, safetensors.Entry{Name: key + ".alpha", DType: format, Data: alpha})
	}
	meta := map[string]string{
		"ss_network_module": "networks.lora",
		"ss_network_dim":    strconv.Itoa(layers[0].Down.Dim(0)),
		"ss_network_alpha":  strconv.FormatFloat(layers[0].Alpha, 'g', -1, 64),
	}
	maps.Copy(meta, metadata)
	h := newHasher()
	trained := maps.Clone(meta) // the old hash depends on these alone
	maps.DeleteFunc(trained, func(k, _ string) bool { return !strings.HasPrefix(k, "ss_") })
	if err := safetensors.WriteTo(h, entries, trained); err != nil {
		return err
	}
	meta["sshs_model_hash"], meta["sshs_legacy_hash"] = h.hashes()
	if err := safetensors.Write(path, entries, meta); err != nil {
		return fmt.Errorf("cannot save the LoRA: %w", err)
	}
	return nil
}

// A hasher computes AddNetHash and LegacyHash of what is written to it.
type hasher struct {
	n             int64 // bytes so far
	head          []byte
	model, legacy hash.Hash
}

func newHasher() *hasher { return &hasher{model: sha256.New(), legacy: sha256.New()} }

func (h *hasher) Write(p []byte) (int, error) {
	if need := 8 - len(h.head); need > 0 {
		h.head = append(h.head, p[:min(need, len(p))]...)
	}
	// part is what of p lies between two places of the file.
	part := func(from, to int64) []byte {
		from, to = max(from-h.n, 0), min(to-h.n, int64(len(p)))
		if from >= to {
			return nil
		}
		return p[from:to]
	}
	if len(h.head) == 8 {
		h.model.Write(part(8+int64(binary.LittleEndian.Uint64(h.head)), h.n+int64(len(p))))
	}
	h.legacy.Write(part(legacyFrom, legacyFrom+legacySize))
	h.n += int64(len(p))
	return len(p), nil
}

func (h *hasher) hashes() (model, legacy string) {
	return hex.EncodeToString(h.model.Sum(nil)), hex.EncodeToString(h.legacy.Sum(nil))[:legacyDigits]
}
