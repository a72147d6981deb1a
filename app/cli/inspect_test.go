package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latent/gpu/safetensors"
)

// zeros is a tensor of nothing.
func zeros(name string, shape ...int) safetensors.Entry {
	n := 4
	for _, s := range shape {
		n *= s
	}
	return safetensors.Entry{Name: name, DType: safetensors.F32, Shape: shape, Data: make([]byte, n)}
}

// What changes a model, or a prompt, is told by its shapes and metadata.
func TestInspectAdditions(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name     string
		entries  []safetensors.Entry
		metadata map[string]string
		want     []string
	}{
		{"fur", []safetensors.Entry{
			zeros("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight", 4, 768),
			zeros("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight", 320, 4),
			zeros("lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight", 8, 768),
			zeros("lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", 768, 8),
		}, map[string]string{"ss_network_dim": "4"},
			[]string{"a LoRA for Stable Diffusion 1", "1 of the U-Net, 1 of the text encoder (LoRA)", "4 to 8, alpha 4 to 8", "metadata ss_network_dim:"}},
		{"sky", []safetensors.Entry{zeros("emb_params", 3, 1024)}, nil, []string{"an embedding", "sky, as long as 3 tokens", "1024 wide (SD 2.x)"}},
		{"odd", []safetensors.Entry{zeros("a", 3, 768), zeros("b", 3, 768)}, nil, []string{"an embedding", "cannot be used:"}},
	} {
		path := filepath.Join(dir, test.name+".safetensors")
		if err := safetensors.Write(path, test.entries, test.metadata); err != nil {
			t.Fatal(err)
		}
		out := succeed(t, "inspect", path)
		for _, want := range test.want {
			if !strings.Contains(out, want) {
				t.Errorf("inspect %s does not say %q:\n%s", test.name, want, out)
			}
		}
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		count(999): "999", count(11_234_567): "11.2 million", count(2_570_000_000): "2.57 billion",
		size(512): "0.5 kB", size(29_500_000): "29.5 MB", size(6_940_000_000): "6.94 GB",
		left(0): "", left(1400 * time.Millisecond): "1 s left", left(190 * time.Second): "3 min 10 s left",
		left(2*time.Hour + 5*time.Minute): "2 h 5 min left",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
