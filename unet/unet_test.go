package unet

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/safetensors"
)

var cases = []string{"sd1", "sd2", "sdxl", "pooled", "lcm"}

// load builds a case's model and its inputs.
func load(t *testing.T, dev *gpu.Device, dtype gpu.DType, name string) (*Model, *golden.File, inputs) {
	t.Helper()
	dir := filepath.Join("testdata", name)
	cfg, err := ParseConfig(golden.Read(t, dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.Load(m, dev, dtype, golden.Open(t, dir, "diffusion_pytorch_model.safetensors")); err != nil {
		t.Fatal(err)
	}
	f := golden.Open(t, dir, "golden.safetensors")
	return m, f, readInputs(f, dev, dtype)
}

// readInputs reads those that a file of goldens holds.
func readInputs(f *golden.File, dev *gpu.Device, dtype gpu.DType) inputs {
	in := inputs{x: f.Tensor(dev, dtype, "x"), cond: f.Tensor(dev, dtype, "cond")}
	in.t, _ = f.Float32s("t")
	optional := func(name string) *gpu.Tensor {
		if !f.Has(name) {
			return nil
		}
		return f.Tensor(dev, dtype, name)
	}
	in.added.Pooled = optional("pooled")
	in.added.ClassLabels = optional("class_labels")
	in.added.TimestepCond = optional("timestep_cond")
	if f.Has("time_ids") {
		ids, shape := f.Float32s("time_ids")
		in.added.TimeIDs = slices.Collect(slices.Chunk(ids, shape[1]))
	}
	return in
}

type inputs struct {
	x, cond *gpu.Tensor
	t       []float32
	added   Added
}

func TestForwardEqualsDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range cases {
			t.Run(name, func(t *testing.T) {
				m, f, in := load(t, dev, gpu.Float32, name)
				f.Close("y", m.Forward(in.x, in.t, in.cond, &in.added), 1e-4)
			})
		}
	})
}

func TestForwardInBFloat16(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range cases {
			t.Run(name, func(t *testing.T) {
				m, f, in := load(t, dev, gpu.BFloat16, name)
				// 8 bits of mantissa, rounded after every layer.
				f.Close("y", m.Forward(in.x, in.t, in.cond, &in.added), 0.04)
			})
		}
	})
}

func TestGradientsEqualTorch(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range cases {
			for _, checkpoint := range []bool{false, true} {
				t.Run(name+map[bool]string{true: "/checkpoint"}[checkpoint], func(t *testing.T) {
					m, f, in := load(t, dev, gpu.Float32, name)
					m.Checkpoint = checkpoint
					nn.Trainable(m)
					in.cond.Param()
					target := f.Tensor(dev, gpu.Float32, "target")
					loss := dev.Differentiate(1, func() *gpu.Tensor {
						return gpu.MSE(m.Forward(in.x, in.t, in.cond, &in.added), target, nil)
					})
					f.Close("loss", dev.FromFloat32([]float32{loss}, gpu.Float32, 1), 1e-4)
					f.Close("grad_cond", in.cond.Grad(), 1e-3)
					f.Gradients(m, 1e-3)
				})
			}
		}
	})
}

func TestSavesWhatItLoaded(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range cases {
			m, _, _ := load(t, dev, gpu.Float32, name)
			golden.Open(t, "testdata", name, "diffusion_pytorch_model.safetensors").Same(nn.Entries(m, safetensors.F16, nil))
		}
	})
}

func TestForwardFreesItsTemporaries(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m, _, in := load(t, dev, gpu.Float32, "sd1")
		before := dev.Memory().InUse
		m.Forward(in.x, in.t, in.cond, nil).Free()
		if after := dev.Memory().InUse; after != before {
			t.Errorf("%d bytes stay in use, %d before", after, before)
		}
	})
}

func TestForwardWithoutWhatTheModelWants(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range []string{"sdxl", "pooled"} {
			m, _, in := load(t, dev, gpu.Float32, name)
			err := func() (err error) {
				defer gpu.Catch(&err)
				m.Forward(in.x, in.t, in.cond, nil)
				return nil
			}()
			var e *gpu.Error
			if !errors.As(err, &e) || e.Op != "unet" {
				t.Errorf("%s: got %v, want an error of the U-Net", name, err)
			}
		}
	})
}

var configs = golden.Configs[Config, *Model]{Parse: ParseConfig, New: New}

func TestParseConfig(t *testing.T) {
	for _, name := range cases {
		configs.Rewrites(t, name, golden.Read(t, "testdata", name, "config.json"))
	}
}

// The models that people have, by their number of parameters.
func TestStableDiffusionSizes(t *testing.T) {
	for _, c := range []struct {
		name, config string
		want         int
	}{
		{"SD 1.5", `{"cross_attention_dim":768}`, 859_520_964},
		{"SD 2.1", `{"cross_attention_dim":1024,"attention_head_dim":[5,10,20,20],"use_linear_projection":true}`, 865_910_724},
		{"SDXL", `{"cross_attention_dim":2048,"attention_head_dim":[5,10,20],"use_linear_projection":true,
			"block_out_channels":[320,640,1280],"transformer_layers_per_block":[1,2,10],
			"down_block_types":["DownBlock2D","CrossAttnDownBlock2D","CrossAttnDownBlock2D"],
			"up_block_types":["CrossAttnUpBlock2D","CrossAttnUpBlock2D","UpBlock2D"],
			"addition_embed_type":"text_time","addition_time_embed_dim":256,
			"projection_class_embeddings_input_dim":2816}`, 2_567_463_684},
	} {
		configs.Counts(t, c.name, c.config, c.want)
	}
}

func TestParseConfigErrors(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`[]`, "U-Net config: json: cannot unmarshal array into Go value of type map[string]interface {}"},
		{`{"_class_name":"SD3Transformer2DModel"}`, `U-Net config: _class_name is "SD3Transformer2DModel", want "UNet2DConditionModel"`},
		{`{"resnet_time_scale_shift":"scale_shift"}`, "U-Net config: resnet_time_scale_shift = scale_shift is not supported, only default"},
		{`{"only_cross_attention":[true,false]}`, "U-Net config: only_cross_attention = [true false] is not supported, only false"},
		{`{"encoder_hid_dim":4096}`, "U-Net config: encoder_hid_dim = 4096 is not supported, only null"},
		{`{"norm_num_groups":null}`, "U-Net config: norm_num_groups = null is not supported"},
		{`{"down_block_types":["DownBlock2D","DownBlock2D","DownBlock2D","SkipDownBlock2D"]}`, `U-Net config: down_block_types = "SkipDownBlock2D" is not supported`},
		{`{"block_out_channels":[32]}`, "U-Net config: 1 block_out_channels, 4 down_block_types and 4 up_block_types: want as many of each, 1 to 16"},
		{`{"block_out_channels":[30,60,60,60]}`, "U-Net config: block_out_channels 30 does not divide into norm_num_groups 32"},
		{`{"attention_head_dim":7}`, "U-Net config: block_out_channels 320 does not divide into 7 attention heads"},
		{`{"layers_per_block":[1,2]}`, "U-Net config: layers_per_block has 2 values, want 1 or 4"},
		{`{"layers_per_block":1000000}`, "U-Net config: layers_per_block is 1000000, want 1 to 64"},
		{`{"layers_per_block":64,"transformer_layers_per_block":64}`, "U-Net config: layers_per_block and transformer_layers_per_block make 33024 transformer blocks, want at most 2048"},
		{`{"transformer_layers_per_block":[[1],[2]]}`, "U-Net config: want a whole number or a list of them, not [[1],[2]]"},
		{`{"addition_embed_type":"text_time"}`, "U-Net config: projection_class_embeddings_input_dim is 0, want 1 to 1048576"},
		{`{"conv_in_kernel":4}`, "U-Net config: conv_in_kernel 4 must be odd, 1 to 31"},
	} {
		configs.Refuses(t, c.config, c.want)
	}
}

// No config.json, however short, makes the program declare more than the limits allow.
func TestConfigsAreBounded(t *testing.T) {
	blocks := func(n int, s string) string { return "[" + strings.TrimSuffix(strings.Repeat(s+",", n), ",") + "]" }
	for _, config := range []string{
		`{"layers_per_block":64,"transformer_layers_per_block":15}`,
		`{"block_out_channels":` + blocks(16, "320") + `,"down_block_types":` + blocks(16, `"CrossAttnDownBlock2D"`) +
			`,"up_block_types":` + blocks(16, `"CrossAttnUpBlock2D"`) + `,"layers_per_block":63,"transformer_layers_per_block":1}`,
		`{"block_out_channels":` + blocks(1<<20, "320") + `}`,
		`{"attention_head_dim":` + strings.Repeat("[", 1<<20) + `}`,
	} {
		configs.Bounded(t, config, 256<<20)
	}
}

func FuzzParseConfig(f *testing.F) {
	var seeds [][]byte
	for _, name := range cases {
		seeds = append(seeds, golden.Read(f, "testdata", name, "config.json"))
	}
	configs.Fuzz(f, seeds...)
}
