package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latent/gpu/safetensors"
)

func TestIdentify(t *testing.T) {
	const (
		input   = "model.diffusion_model.input_blocks.0.0.weight"
		context = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
		sdxl    = "conditioner.embedders.1.model.transformer.resblocks.0.ln_1.weight"
	)
	type tensors map[string][]int
	for _, test := range []struct {
		tensors tensors
		meta    map[string]string
		want    string
	}{
		{tensors{input: {8, 4, 3, 3}, context: {8, 768}}, nil, "one file, Stable Diffusion 1.x"},
		{tensors{input: {8, 9, 3, 3}, context: {8, 768}}, nil, "Stable Diffusion 1.x, inpainting"},
		{tensors{input: {8, 4, 3, 3}, context: {8, 1024}}, nil, "Stable Diffusion 2.x"},
		{tensors{input: {8, 4, 3, 3}, context: {8, 2048}, sdxl: {1}}, nil, "Stable Diffusion XL"},
		{tensors{"model.diffusion_model.joint_blocks.0.x_block.attn.proj.weight": {1}}, nil, "Stable Diffusion 3"},
		{tensors{"double_blocks.0.img_attn.proj.weight": {1}}, nil, "Flux"},
		{tensors{"lora_unet_down_blocks_0.lora_down.weight": {1}}, nil, "LoRA"},
		{tensors{"down_blocks.0.resnets.0.time_emb_proj.weight": {8, 8}, "conv_in.weight": {8, 4, 3, 3},
			"down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": {8, 768}}, nil, "U-Net of a diffusers model, Stable Diffusion 1.x"},
		{tensors{"decoder.up_blocks.0.resnets.0.conv1.weight": {1}}, nil, "autoencoder"},
		{tensors{"text_model.encoder.layers.0.self_attn.q_proj.weight": {1}}, nil, "CLIP"},
		{tensors{"unet.conv_in.weight.m": {1}}, map[string]string{"step": "500", "recipe": "ab"}, "checkpoint of a training with Latent, step 500"},
		{tensors{"w": {1}}, nil, "no model that is known here"},
	} {
		var entries []safetensors.Entry
		for name, shape := range test.tensors {
			n := 1
			for _, d := range shape {
				n *= d
			}
			entries = append(entries, safetensors.Entry{Name: name, DType: safetensors.U8, Shape: shape, Data: make([]byte, n)})
		}
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := safetensors.Write(path, entries, test.meta); err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := identify(f); !strings.Contains(got, test.want) {
			t.Errorf("%v: %q, want %q", test.tensors, got, test.want)
		}
		f.Close()
	}
}

func TestNotWeights(t *testing.T) {
	for head, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1": "LFS",
		"\n<!DOCTYPE html><html>":                    "web page",
		"PK\x03\x04archive/data.pkl":                 "pickle",
		"\x80\x02ccollections":                       "pickle",
		"GGUF\x03":                                   "GGUF",
		"\x10\x00\x00\x00\x00\x00\x00\x00{":          "",
	} {
		if got := notWeights([]byte(head)); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%q is %q, want %q", head, got, want)
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
