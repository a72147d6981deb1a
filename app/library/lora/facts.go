package lora

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// The families that LoRAs are told apart by, from the width of the text.
const (
	SD1  = "Stable Diffusion 1"
	SD2  = "Stable Diffusion 2"
	SDXL = "Stable Diffusion XL"
)

var families = map[int]string{768: SD1, 1024: SD2, 2048: SDXL}

// Family tells which family's models the LoRA is for, "" where nothing shows it.
func (f *File) Family() string {
	for _, m := range f.modules {
		if m.part == Text2 {
			return SDXL
		}
		if m.part == UNet && strings.HasSuffix(m.name, "attn2_to_k") {
			_, width, _ := m.shape()
			return families[width]
		}
	}
	version := f.Metadata["ss_base_model_version"]
	switch {
	case strings.HasPrefix(version, "sdxl"):
		return SDXL
	case strings.HasPrefix(version, "sd_v2"), f.Metadata["ss_v2"] == "True":
		return SD2
	case strings.HasPrefix(version, "sd_v1"):
		return SD1
	}
	return ""
}

// family is that of the model.
func (p *Patcher) family() string {
	for name, layer := range p.parts[UNet] {
		if w, ok := layer["weight"]; ok && strings.HasSuffix(name, "attn2_to_k") {
			return families[w.Shape[1]]
		}
	}
	return ""
}

func familyNote(lora, model string) string {
	switch {
	case lora == "" || lora == model:
		return ""
	case model == "":
		return " (" + lora + ")"
	}
	return fmt.Sprintf(" (%s, not %s)", lora, model)
}

// Facts are what a LoRA is.
type Facts struct {
	Family string         // "" where nothing shows it
	Layers map[string]int // of each part: UNet, Text1, Text2
	Kinds  map[string]int // "LoRA", "LoCon", "LoHa", "LoKr", "difference"; "DoRA" for any of them with magnitudes
	Ranks  []int          // all that occur, the smallest first
	Alphas []float64      // all that occur, the smallest first; the rank where none is given
}

// Facts looks at the shapes alone.
func (f *File) Facts() Facts {
	out := Facts{Family: f.Family(), Layers: map[string]int{}, Kinds: map[string]int{}}
	ranks, alphas := map[int]bool{}, map[float64]bool{}
	for _, m := range f.modules {
		out.Layers[m.part]++
		kind := m.kind()
		if m.decomposed() {
			kind = "DoRA"
		}
		out.Kinds[kind]++
		if r := m.rank(); r > 0 {
			ranks[r] = true
			alphas[m.multiplier()*float64(r)] = true
		}
	}
	out.Ranks = slices.Sorted(maps.Keys(ranks))
	out.Alphas = slices.Sorted(maps.Keys(alphas))
	return out
}

// Hash is what AUTOMATIC1111 and Civitai know the LoRA by (AutoV3): its first 12
// digits stand under "Lora hashes". It is the metadata's sshs_model_hash or else
// AddNetHash.
func (f *File) Hash() (string, error) {
	if h := f.Metadata["sshs_model_hash"]; len(h) == hex.EncodedLen(sha256.Size) {
		if _, err := hex.DecodeString(h); err == nil {
			return strings.ToLower(h), nil
		}
	}
	if f.hash != "" {
		return f.hash, nil
	}
	h, err := AddNetHash(f.path)
	f.hash = h
	return h, err
}

// AddNetHash is the SHA-256 of a safetensors file without its header, which
// metadata can be added to.
func AddNetHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var head [8]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return "", fmt.Errorf("%s: not a safetensors file", path)
	}
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > uint64(info.Size()-8) {
		return "", fmt.Errorf("%s: not a safetensors file", path)
	}
	if _, err := f.Seek(int64(n), io.SeekCurrent); err != nil {
		return "", err
	}
	return sum(f)
}

// Where the oldest programs take a model's hash from.
const (
	legacyFrom   = 0x100000
	legacySize   = 0x10000
	legacyDigits = 8
)

// LegacyHash is the first 8 digits of the SHA-256 of 64 KiB at 1 MiB: the oldest
// programs' model hash.
func LegacyHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h, err := sum(io.NewSectionReader(f, legacyFrom, legacySize))
	return h[:min(legacyDigits, len(h))], err
}

func sum(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
