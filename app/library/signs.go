package library

// Kind is what a file is for.
type Kind string

// The kinds. Foreign is a model of a family that is not supported.
const (
	KindModel       Kind = "model"
	KindUNet        Kind = "U-Net"
	KindVAE         Kind = "autoencoder"
	KindTinyVAE     Kind = "tiny decoder"
	KindText        Kind = "text encoder"
	KindLoRA        Kind = "LoRA"
	KindEmbedding   Kind = "embedding"
	KindControlNet  Kind = "ControlNet"
	KindAdapter     Kind = "adapter" // of a kind that is not supported
	KindUpscaler    Kind = "upscaler"
	KindOtherScaler Kind = "upscaler of another kind" // that is not supported
	KindTraining    Kind = "checkpoint of a training"
	KindForeign     Kind = "foreign"
	KindUnknown     Kind = "unknown"
)

// A sign tells what a file is by what its tensors are called: all of parts occur,
// each in some name.
type sign struct {
	kind  Kind
	what  string
	parts []string
}

// signs are tried in this order, for names of one architecture occur in others.
// Names of LoRAs hold those of the models that they change.
var signs = []sign{
	{KindLoRA, "a LoRA", []string{".lora_down."}},
	{KindLoRA, "a LoRA", []string{".lora_A."}},
	{KindLoRA, "a LoRA", []string{".lora.down."}},
	{KindLoRA, "a LoRA", []string{"_lora.down."}},
	{KindLoRA, "a LoHa", []string{".hada_w1_a"}},
	{KindLoRA, "a LoKr", []string{".lokr_w"}},
	{KindLoRA, "an OFT", []string{".oft_"}},
	{KindLoRA, "an IA3", []string{".on_input"}},

	{KindAdapter, "an AnimateDiff motion module", []string{"motion_modules."}},
	{KindAdapter, "a Control-LoRA", []string{"lora_controlnet"}},
	{KindAdapter, "a ControlNet-LLLite", []string{"lllite_"}},
	{KindAdapter, "a ControlNet for many kinds of pictures at once (Union)", []string{"control_add_embedding."}},
	{KindAdapter, "a ControlNet for transformers (Stable Diffusion 3, Flux or later)", []string{"controlnet_blocks."}},
	{KindControlNet, "a ControlNet", []string{"control_model.input_hint_block."}},
	{KindControlNet, "a ControlNet", []string{"controlnet_cond_embedding."}},
	{KindControlNet, "a ControlNet", []string{"input_hint_block.0.weight"}},
	{KindAdapter, "a T2I-Adapter", []string{"body.0.block1.weight", "conv_in.weight"}},
	{KindAdapter, "a T2I-Adapter", []string{"body.0.resnets.0.block1."}},
	{KindAdapter, "an IP-Adapter", []string{"ip_adapter.1.to_k_ip.weight"}},

	{KindForeign, "AuraFlow", []string{"double_layers.", "cond_seq_linear."}},
	{KindForeign, "AuraFlow", []string{"joint_transformer_blocks.", "register_tokens"}},
	{KindForeign, "Stable Diffusion 3", []string{"joint_blocks."}},
	{KindForeign, "Stable Diffusion 3", []string{"transformer_blocks.0.attn.add_q_proj.", "pos_embed.proj.", "context_embedder."}},
	{KindForeign, "HunyuanVideo", []string{"txt_in.individual_token_refiner."}},
	{KindForeign, "HunyuanVideo", []string{"context_embedder.token_refiner."}},
	{KindForeign, "Chroma", []string{"distilled_guidance_layer."}},
	{KindForeign, "Flux 2", []string{"single_stream_modulation."}},
	{KindForeign, "HiDream", []string{"double_stream_blocks."}},
	{KindForeign, "Flux", []string{"double_blocks.", "single_blocks."}},
	{KindForeign, "Flux", []string{"double_blocks.", "img_attn."}},
	{KindForeign, "Flux", []string{"single_transformer_blocks.", "context_embedder."}},
	{KindForeign, "Qwen-Image", []string{"transformer_blocks.0.img_mod."}},
	{KindForeign, "Qwen-Image", []string{"txt_in.text_norm."}},
	{KindForeign, "Z-Image", []string{"layers.0.adaLN_modulation.0.", "cap_embedder."}},
	{KindForeign, "Lumina", []string{"cap_embedder."}},
	{KindForeign, "Lumina", []string{"time_caption_embed.caption_embedder."}},
	{KindForeign, "Sana", []string{"cross_attn.kv_linear."}},
	{KindForeign, "Sana", []string{"ff.conv_inverted.", "ff.conv_depth."}},
	{KindForeign, "LTX-Video", []string{"patchify_proj."}},
	{KindForeign, "LTX-Video", []string{"caption_projection.", "transformer_blocks.0.attn1.norm_q."}},
	{KindForeign, "PixArt", []string{"y_embedder.y_proj.", "blocks.0.scale_shift_table"}},
	{KindForeign, "PixArt", []string{"adaln_single.", "caption_projection."}},
	{KindForeign, "Hunyuan-DiT", []string{"text_embedding_padding"}},
	{KindForeign, "Kandinsky", []string{"add_embedding.image_proj."}},
	{KindForeign, "Kandinsky", []string{"encoder_hid_proj.", "add_embedding.text_"}},
	{KindForeign, "Kandinsky", []string{"visual_transformer_blocks.", "text_transformer_blocks."}},
	{KindForeign, "Stable Cascade", []string{"clip_txt_mapper."}},
	{KindForeign, "Stable Cascade", []string{".channelwise.0.weight"}},
	{KindForeign, "Wan", []string{"head.modulation", "blocks.0.cross_attn."}},
	{KindForeign, "Wan", []string{"condition_embedder.time_proj.", "patch_embedding."}},
	{KindForeign, "Mochi", []string{"attn.qkv_x."}},
	{KindForeign, "Mochi", []string{"pos_frequencies", "norm1_context."}},
	{KindForeign, "Cosmos", []string{"net.x_embedder.proj.1."}},
	{KindForeign, "Cosmos", []string{"transformer_blocks.0.norm1.linear_1.", "patch_embed.proj."}},
	{KindForeign, "CogVideoX", []string{"patch_embed.text_proj.", "transformer_blocks.0.norm1.linear."}},
	{KindForeign, "DeepFloyd IF", []string{"add_embedding.pool.positional_embedding", "attn_add_kv"}},
	{KindForeign, "DeepFloyd IF", []string{"add_embedding.pool.positional_embedding", "add_k_proj."}},
	{KindForeign, "Stable Video Diffusion", []string{".time_stack."}},
	{KindForeign, "Stable Video Diffusion", []string{".temporal_transformer_blocks."}},
	{KindForeign, "Playground 2.5", []string{"edm_mean"}},
	{KindForeign, "CosXL", []string{"edm_vpred.sigma_max"}},
	{KindForeign, "an autoencoder of Sana", []string{"decoder.stages.", "encoder.project_in."}},
	{KindForeign, "an autoencoder of Sana", []string{"decoder.up_blocks.0.0.", "encoder.down_blocks.0.0."}},
	{KindForeign, "an autoencoder of Wan", []string{"decoder.middle.0.residual."}},
	{KindForeign, "a VQGAN of the first latent diffusion", []string{"quantize.embedding.weight", "decoder.conv_in.weight"}},

	{KindModel, "a model in one file", []string{"model.diffusion_model.input_blocks.0.0.weight", "first_stage_model."}},
	{KindModel, "a model in one file", []string{"model.diffusion_model.input_blocks.0.0.weight", "cond_stage_model."}},
	{KindModel, "a model in one file", []string{"model.diffusion_model.input_blocks.0.0.weight", "conditioner."}},
	{KindUNet, "a U-Net under its LDM names", []string{"input_blocks.0.0.weight", "output_blocks.0.0."}},
	{KindUNet, "a U-Net of a diffusers model", []string{"down_blocks.0.resnets.0.time_emb_proj.weight"}},
	{KindUNet, "averaged weights alone (model_ema)", []string{"model_ema.diffusion_model"}},

	{KindVAE, "an autoencoder of a diffusers model", []string{"decoder.up_blocks.0.resnets.0.conv1.weight"}},
	{KindVAE, "an autoencoder under its LDM names", []string{"decoder.up.0.block.0.conv1.weight"}},
	{KindTinyVAE, "a tiny autoencoder (TAESD)", []string{"decoder.layers.0.", "encoder.layers.0.weight", ".conv.0.weight"}},
	{KindTinyVAE, "a tiny autoencoder (TAESD)", []string{"3.conv.0.weight", "3.conv.2.weight", "3.conv.4.weight"}},

	{KindText, "a CLIP text encoder", []string{"encoder.layers.0.self_attn.q_proj.weight", "token_embedding.weight"}},
	{KindText, "an OpenCLIP text encoder", []string{"transformer.resblocks.0.attn.in_proj_weight", "token_embedding.weight"}},
	{KindText, "a T5 text encoder, as Stable Diffusion 3 and Flux have", []string{"block.0.layer.0.SelfAttention.q.weight"}},
	{KindUnknown, "a CLIP image encoder", []string{"vision_model.encoder.layers.0."}},

	{KindUpscaler, "an upscaler (ESRGAN)", []string{"model.0.weight", "RDB1."}},
	{KindUpscaler, "an upscaler (ESRGAN)", []string{"conv_first.weight", "rdb1."}},
	{KindUpscaler, "an upscaler (ESRGAN)", []string{"conv_first.weight", "RDB1."}},
	{KindOtherScaler, "an upscaler (SwinIR)", []string{"conv_first.weight", "residual_group."}},
	{KindOtherScaler, "an upscaler (compact)", []string{"body.0.weight", "body.1.weight", "body.2.weight"}},
}
