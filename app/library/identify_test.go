package library

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/gpu/torchfile"
	"latent/scheduler"
	"latent/unet"
)

// Files of full size are known by their headers.
func TestIdentifyModels(t *testing.T) {
	for _, c := range []struct {
		name       string
		family     Family
		channels   int
		change     func(s shapes)
		meta       map[string]string
		what       string // end of Info.What
		prediction string
		problem    string
	}{
		{"sd1", SD1, 4, nil, nil, ", Stable Diffusion 1.x", scheduler.PredictEpsilon, ""},
		{"sd1 inpainting", SD1, 9, nil, nil, ", Stable Diffusion 1.x, inpainting", scheduler.PredictEpsilon, ""},
		{"sd1 edit", SD1, 8, nil, nil, ", editing by instruction", scheduler.PredictEpsilon, "edits pictures by instruction (InstructPix2Pix), which is not supported"},
		{"sd2", SD2, 4, nil, nil, ", Stable Diffusion 2.x, v prediction", scheduler.PredictVelocity, ""},
		{"sd2 by metadata", SD2, 4, nil, map[string]string{"modelspec.prediction_type": "epsilon"}, ", Stable Diffusion 2.x", scheduler.PredictEpsilon, ""},
		{"sd2 inpainting", SD2, 9, nil, nil, ", Stable Diffusion 2.x, inpainting", scheduler.PredictEpsilon, ""},
		{"sd2 depth", SD2, 5, nil, nil, "", scheduler.PredictEpsilon, "is guided by a depth map, which is not supported"},
		{"unclip", SD2, 4, func(s shapes) { s[ldmUNet+"label_emb.0.0.weight"] = []int{1280, 2048} }, nil, "", scheduler.PredictEpsilon, "is Stable unCLIP, which is not supported"},
		{"sdxl", SDXL, 4, nil, nil, ", Stable Diffusion XL", scheduler.PredictEpsilon, ""},
		{"sdxl inpainting", SDXL, 9, nil, nil, ", Stable Diffusion XL, inpainting", scheduler.PredictEpsilon, ""},
		{"sdxl v", SDXL, 4, func(s shapes) { s["v_pred"], s["ztsnr"] = []int{}, []int{} }, nil, ", Stable Diffusion XL, v prediction", scheduler.PredictVelocity, ""},
		{"playground", SDXL, 4, func(s shapes) { s["edm_mean"] = []int{4} }, nil, "Playground 2.5", "", "is Playground 2.5, which is not supported"},
		{"refiner", SDXL, 4, func(s shapes) {
			for name, shape := range s {
				if strings.HasSuffix(name, "attn2.to_k.weight") || strings.HasSuffix(name, "attn2.to_v.weight") {
					s[name] = []int{shape[0], 1280}
				}
			}
		}, nil, "", scheduler.PredictEpsilon, errRefiner.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fullSize(t, c.family, c.channels)
			if c.change != nil {
				c.change(s)
			}
			path := filepath.Join(t.TempDir(), "a model.safetensors")
			writeHeader(t, path, s, c.meta)
			i := Identify(path)
			problem := ""
			if i.Err != nil {
				problem = i.Err.Error()
			}
			if !strings.HasSuffix(i.What, c.what) || i.Prediction != c.prediction || !strings.HasPrefix(problem, c.problem) || (problem == "") != (c.problem == "") {
				t.Errorf("%q, predicts %s, problem %q", i.What, i.Prediction, problem)
			}
			if i.Name != "a model" || i.Folder || c.problem == "" && (i.Family != c.family || i.Inpaints != (c.channels == 9)) {
				t.Errorf("%+v", i)
			}
		})
	}
}

// What is no model is named, and the error of opening it says what to do.
func TestIdentifyOthers(t *testing.T) {
	one := []int{1}
	for _, c := range []struct {
		tensors shapes
		meta    map[string]string
		kind    Kind
		what    string // Info.What
		open    string // part of the error of Open
	}{
		{shapes{"model.diffusion_model.joint_blocks.0.x_block.attn.proj.weight": one, "first_stage_model.x": one}, nil, KindForeign, "Stable Diffusion 3", "is Stable Diffusion 3, which is not supported"},
		{shapes{"double_blocks.0.img_attn.proj.weight": one}, nil, KindForeign, "Flux", "is Flux, which is not supported"},
		{shapes{"double_blocks.0.img_attn.proj.weight": one, "distilled_guidance_layer.in_proj.bias": one}, nil, KindForeign, "Chroma", "is Chroma"},
		{shapes{"transformer_blocks.0.img_mod.1.weight": one}, nil, KindForeign, "Qwen-Image", "is Qwen-Image"},
		{shapes{"y_embedder.y_proj.fc1.weight": one, "blocks.0.scale_shift_table": one}, nil, KindForeign, "PixArt", "is PixArt"},
		{shapes{"text_embedding_padding": one}, nil, KindForeign, "Hunyuan-DiT", "is Hunyuan-DiT"},
		{shapes{"add_embedding.image_proj.weight": one, "down_blocks.0.resnets.0.time_emb_proj.weight": one}, nil, KindForeign, "Kandinsky", "is Kandinsky"},
		{shapes{"clip_txt_mapper.weight": one}, nil, KindForeign, "Stable Cascade", "is Stable Cascade"},
		{shapes{"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": {4, 768}}, nil, KindLoRA, "a LoRA for Stable Diffusion 1.x", "is a LoRA, which changes a model: open that and write <lora:name:1> in the prompt"},
		{shapes{"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": {4, 2048}}, nil, KindLoRA, "a LoRA for Stable Diffusion XL", "is a LoRA"},
		{shapes{"lora_unet_double_blocks_0_img_attn_proj.lora_down.weight": {4, 3072}}, nil, KindLoRA, "a LoRA for Flux", "is a LoRA"},
		{shapes{"lora_unet_x.hada_w1_a": {4, 8}}, nil, KindLoRA, "a LoHa", "is a LoHa"},
		{shapes{"control_model.input_hint_block.0.weight": one}, nil, KindControlNet, "a ControlNet", "is a ControlNet, which guides a model: open that"},
		{shapes{"control_model.input_hint_block.0.weight": one, "control_model.x.attn2.to_k.weight": {8, 768}}, nil, KindControlNet, "a ControlNet for Stable Diffusion 1.x", "is a ControlNet, which"},
		{shapes{"input_hint_block.0.weight": one, "x.attn2.to_k.weight": {8, 1024}}, nil, KindControlNet, "a ControlNet for Stable Diffusion 2.x", "is a ControlNet, which"},
		{shapes{"input_hint_block.0.weight": one, "x.attn2.to_k.weight": {8, 768}, "difference": one}, nil, KindControlNet, "a ControlNet for Stable Diffusion 1.x", "is a ControlNet stored as the difference"},
		{shapes{"controlnet_cond_embedding.conv_in.weight": one, "add_embedding.linear_1.weight": {8, 2816}, "x.attn2.to_k.weight": {8, 2048}}, nil, KindControlNet, "a ControlNet for Stable Diffusion XL", "is a ControlNet, which"},
		{shapes{"controlnet_cond_embedding.conv_in.weight": one, "add_embedding.linear_1.weight": {8, 2816}}, nil, KindControlNet, "a ControlNet for Stable Diffusion XL", "is a ControlNet, which"},
		{shapes{"controlnet_cond_embedding.conv_in.weight": one, "control_add_embedding.linear_1.weight": one}, nil, KindAdapter, "a ControlNet for many kinds of pictures at once (Union)", "(Union), which is not supported"},
		{shapes{"lora_controlnet": one, "input_hint_block.0.weight": one}, nil, KindAdapter, "a Control-LoRA", "is a Control-LoRA, which is not supported"},
		{shapes{"down_blocks.0.resnets.0.time_emb_proj.weight": {8, 8}, "conv_in.weight": {8, 4, 3, 3}, "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": {8, 768}}, nil,
			KindUNet, "a U-Net of a diffusers model, Stable Diffusion 1.x", "without text encoder and autoencoder: open the whole model"},
		{shapes{"model.diffusion_model.input_blocks.0.0.weight": {8, 4, 3, 3}, "model.diffusion_model.output_blocks.0.0.in_layers.0.weight": one, "model.diffusion_model.x.attn2.to_k.weight": {8, 2048}, "model.diffusion_model.label_emb.0.0.weight": one}, nil,
			KindUNet, "a U-Net under its LDM names, Stable Diffusion XL", "without text encoder and autoencoder"},
		{shapes{"decoder.up_blocks.0.resnets.0.conv1.weight": one}, nil, KindVAE, "an autoencoder of a diffusers model", "is an autoencoder alone: open a model and choose this file as its autoencoder"},
		{shapes{"first_stage_model.decoder.up.0.block.0.conv1.weight": one}, nil, KindVAE, "an autoencoder under its LDM names", "is an autoencoder alone"},
		{shapes{"text_model.encoder.layers.0.self_attn.q_proj.weight": one, "text_model.embeddings.token_embedding.weight": one}, nil, KindText, "a CLIP text encoder", "is a CLIP text encoder alone"},
		{shapes{"emb_params": {4, 768}}, nil, KindEmbedding, "an embedding (textual inversion)", "is an embedding: open a model"},
		{shapes{"clip_g": {2, 1280}, "clip_l": {2, 768}}, nil, KindEmbedding, "an embedding (textual inversion)", "is an embedding"},
		{shapes{"model.0.weight": one, "model.1.sub.0.RDB1.conv1.0.weight": one}, nil, KindUpscaler, "an upscaler (ESRGAN)", ""},
		{shapes{"conv_first.weight": one, "layers.0.residual_group.blocks.0.norm1.weight": one}, nil, KindOtherScaler, "an upscaler (SwinIR)", "look for an ESRGAN"},
		{shapes{"unet.conv_in.weight.m": one}, map[string]string{"step": "500", "recipe": "ab"}, KindTraining, "a checkpoint of a training with Latent, step 500", "open the folder that the training wrote"},
		{shapes{"w": one}, nil, KindUnknown, "no model that is known here", "holds no model that is known here"},
	} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		writeHeader(t, path, c.tensors, c.meta)
		if i := Identify(path); i.Kind != c.kind || i.What != c.what {
			t.Errorf("%v: %s, %q, want %s, %q", c.tensors, i.Kind, i.What, c.kind, c.what)
		}
		_, err := Open(path, device(t), gpu.Float32)
		if err == nil || !strings.Contains(err.Error(), c.open) || !strings.HasPrefix(err.Error(), "model "+path+": ") {
			t.Errorf("%s: %v, want %q", c.what, err, c.open)
		}
	}
}

// Files that hold no weights are told by their first bytes.
func TestIdentifyDamaged(t *testing.T) {
	small, err := os.ReadFile("testdata/sd1.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	harm, err := os.ReadFile("../../gpu/torchfile/testdata/harm_system.pt")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ data, want string }{
		{"", "is an empty file"},
		{"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "is a Git LFS pointer, not the file itself: fetch that with git lfs pull"},
		{"\n<!DOCTYPE html><html>", "is a web page"},
		{"GGUF\x03\x00\x00\x00", "is a GGUF file, which is not supported"},
		{`{"error":"Access to model is restricted"}`, "is JSON text"},
		{"\x89PNG\r\n\x1a\n", "is a picture"},
		{string(small[:len(small)-1000]), "truncated: 120358 of 121358 bytes; download it again"},
		{string(harm), "wants to run os.system, which no model needs: it was not run"},
		{"PK\x03\x04 and so on", "damaged or truncated zip archive"},
		{"something else altogether", "not a safetensors file"},
	} {
		path := filepath.Join(t.TempDir(), "sd15.safetensors")
		if err := os.WriteFile(path, []byte(c.data), 0o644); err != nil {
			t.Fatal(err)
		}
		i := Identify(path)
		_, err := Open(path, device(t), gpu.Float32)
		if i.Err == nil || err == nil || !strings.HasPrefix(i.Err.Error(), c.want) || err.Error() != "model "+path+": "+i.Err.Error() {
			t.Errorf("%.20q: %v and %v, want %q", c.data, i.Err, err, c.want)
		}
	}
}

// What is missing in a model of full size is listed, before anything is read.
func TestMissingKeys(t *testing.T) {
	s := fullSize(t, SD1, 4)
	delete(s, ldmUNet+"out.2.bias")
	path := filepath.Join(t.TempDir(), "m.safetensors")
	writeHeader(t, path, s, nil)
	f, err := OpenTensors(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := publishedConfigs(SD1, 4, scheduler.PredictEpsilon, false)
	u, err := unet.New(c.unet)
	if err != nil {
		t.Fatal(err)
	}
	err = nn.Load(u, device(t), gpu.Float32, ldmSource(f, ldmUNet, u, c.unet.LDMName))
	if want := "weights do not fit the model: 1 missing (conv_out.bias)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// A file whose header says anything gives an answer, never a panic.
func FuzzIdentify(f *testing.F) {
	for _, name := range []string{
		"testdata/sd1.golden.safetensors", "testdata/sdxl/text_encoder_2/model.safetensors",
		"../../gpu/torchfile/testdata/zip.pt", "../../gpu/torchfile/testdata/legacy.pt", "../../gpu/torchfile/testdata/embedding.pt",
		"lora/testdata/sd1_locon_mid.safetensors", "lora/testdata/sd1_lokr_whole.safetensors",
	} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	add := func(s shapes) {
		path := filepath.Join(f.TempDir(), "x")
		writeHeader(f, path, s, nil)
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	add(shapes{"model.diffusion_model.input_blocks.0.0.weight": {1, 4, 1, 1}, "cond_stage_model.x": {}, "model.diffusion_model.attn2.to_k.weight": {1, 768}, "first_stage_model.y": {1}})
	add(shapes{"lora_unet_attn2_to_k.lora_down.weight": {1, 768}, "global_step": {}})
	add(shapes{"a.weight": {2, 2}, "a.scale_weight": {}, "b.weight": {1}, "b.weight_scale": {1}, "scaled_fp8": {0}})
	var families map[string]shapes
	if data, err := os.ReadFile("testdata/families.json"); err != nil || json.Unmarshal(data, &families) != nil {
		f.Fatal(err)
	}
	for _, s := range families {
		for _, shape := range s {
			if len(shape) > 0 {
				shape[0] = 0 // the names and widths without the bytes
			}
		}
		add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var file Tensors
		var err error
		if torchfile.Is(data) {
			file, err = torchfile.Parse(data)
		} else {
			file, err = safetensors.Parse(data)
		}
		if err != nil {
			return
		}
		if file, err = withScales(file); err != nil {
			return
		}
		i := Info{}
		i.identifyFile(file)
		if i.What == "" || i.Kind == "" {
			t.Errorf("%+v", i)
		}
	})
}

// The names of other families' tensors, as diffusers builds their models, tell the
// family.
func TestIdentifyFamilies(t *testing.T) {
	data, err := os.ReadFile("testdata/families.json")
	if err != nil {
		t.Fatal(err)
	}
	var families map[string]shapes
	if err := json.Unmarshal(data, &families); err != nil {
		t.Fatal(err)
	}
	if len(families) < 20 {
		t.Fatalf("%d families", len(families))
	}
	for family, tensors := range families {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		writeHeader(t, path, tensors, nil)
		if i := Identify(path); i.What != family {
			t.Errorf("%s is taken for %q", family, i.What)
		}
	}
}
