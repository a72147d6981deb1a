package lora

import (
	"encoding/json"
	"math"
	"strings"
)

// peftScales takes over the alphas that diffusers keeps in the metadata.
func (f *File) peftScales() {
	var meta map[string]any
	if json.Unmarshal([]byte(f.Metadata["lora_adapter_metadata"]), &meta) != nil {
		return
	}
	for part, prefix := range map[string]string{UNet: "unet.", Text1: "text_encoder.", Text2: "text_encoder_2."} {
		alpha, ok := meta[prefix+"lora_alpha"].(float64)
		if !ok {
			continue
		}
		others := map[string]float64{} // by the end of a layer's name
		pattern, _ := meta[prefix+"alpha_pattern"].(map[string]any)
		for name, v := range pattern {
			if a, ok := v.(float64); ok {
				others[strings.ReplaceAll(strings.TrimPrefix(name, "^"), ".", "_")] = a
			}
		}
		root, _ := meta[prefix+"use_rslora"].(bool)
		for _, m := range f.modules {
			r := float64(m.rank())
			if m.part != part || m.kind() != "LoRA" && m.kind() != "LoCon" || m.alpha != 0 || r == 0 {
				continue
			}
			a := alpha
			for end, more := m.name, true; more; _, end, more = strings.Cut(end, "_") { // the longest end first
				if other, ok := others[end]; ok {
					a = other
					break
				}
			}
			if m.scale = a / r; root {
				m.scale = a / math.Sqrt(r)
			}
		}
	}
}
