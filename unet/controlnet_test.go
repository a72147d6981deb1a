package unet

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/safetensors"
)

var controlCases = []string{"sd1", "sd2", "sdxl", "sdxl_mid", "sdxl_small"}

func controlDir(name string) string { return filepath.Join("testdata/control", name) }

func controlConfig(t testing.TB, name string) ControlConfig {
	t.Helper()
	cfg, err := ParseControlConfig(golden.Read(t, controlDir(name), "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// loadControl builds a case's model, from src or else its folder, with its inputs.
func loadControl(t *testing.T, dev *gpu.Device, dtype gpu.DType, name string, src nn.Source) (*ControlNet, *golden.File, inputs) {
	t.Helper()
	m, err := NewControlNet(controlConfig(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if src == nil {
		src = golden.Open(t, controlDir(name), "diffusion_pytorch_model.safetensors")
	}
	if err := nn.Load(m, dev, dtype, src); err != nil {
		t.Fatal(err)
	}
	f := golden.Open(t, controlDir(name), "golden.safetensors")
	return m, f, readInputs(f, dev, dtype)
}

// residuals runs a model on the picture of its goldens that is called name.
func residuals(m *ControlNet, f *golden.File, in inputs, picture string) (hint *gpu.Tensor, r Residuals) {
	dev, dtype := in.x.Device(), in.x.DType()
	hint = m.Embed(f.Tensor(dev, dtype, picture))
	return hint, m.Forward(in.x, m.TimeCode(dev, dtype, in.t, in.x.Dim(0)), hint, in.cond, &in.added)
}

func closeResiduals(f *golden.File, hint *gpu.Tensor, r Residuals, tol float64) {
	f.Close("hint", hint, tol)
	f.Close("mid", r.Mid, tol)
	for i, x := range r.Down {
		f.Close("down."+string(rune('0'+i)), x, tol)
	}
}

func TestControlNetEqualsDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range controlCases {
			t.Run(name, func(t *testing.T) {
				m, f, in := loadControl(t, dev, gpu.Float32, name, nil)
				hint, r := residuals(m, f, in, "picture")
				if len(r.Down) != len(m.Down) || f.Has("down."+string(rune('0'+len(r.Down)))) {
					t.Errorf("%d residuals", len(r.Down))
				}
				closeResiduals(f, hint, r, 1e-4)

				m, f, in = loadControl(t, dev, gpu.BFloat16, name, nil)
				hint, r = residuals(m, f, in, "picture")
				closeResiduals(f, hint, r, 0.04) // 8 bits of mantissa, rounded after every layer
			})
		}
	})
}

// The U-Net with the residuals of two ControlNets, each with its own weight.
func TestControlledUNetEqualsDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range []string{"sd1", "sd2"} {
			t.Run(name, func(t *testing.T) {
				unet, _, _ := load(t, dev, gpu.Float32, name)
				m, f, in := loadControl(t, dev, gpu.Float32, name, nil)
				_, a := residuals(m, f, in, "picture")
				_, b := residuals(m, f, in, "other")
				f.Close("plain", unet.Forward(in.x, in.t, in.cond, nil), 1e-4)
				a.Weight, b.Weight = 0.7, 1.3
				before := dev.Memory().InUse
				y := unet.Forward(in.x, in.t, in.cond, nil, a, b)
				f.Close("y", y, 1e-4)
				if y.Free(); dev.Memory().InUse != before {
					t.Errorf("%d bytes stay in use, %d before", dev.Memory().InUse, before)
				}
				a.Weight, b.Weight = 0, 0
				f.Close("plain", unet.Forward(in.x, in.t, in.cond, nil, a, b), 1e-4)
			})
		}
	})
}

// The file under the names of latent diffusion holds what the folder holds; without
// a config.json the model is built from its tensors, those of the folder too.
func TestControlNetFromTensors(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range controlCases {
			for _, file := range []string{"diffusion_pytorch_model.safetensors", "ldm.safetensors"} {
				if file == "ldm.safetensors" && name != "sd1" && name != "sdxl" {
					continue
				}
				t.Run(name+"/"+file, func(t *testing.T) {
					want := controlConfig(t, name)
					base := want.Config
					base.ClassName = className // as the U-Net's own
					src := nn.Source(golden.Open(t, controlDir(name), file))
					key := func(key string) string { return key }
					if file == "ldm.safetensors" {
						key = func(key string) string { return "control_model." + controlOf(base).LDMName(key) }
					}
					cfg, err := ControlConfigOf(base, func(k string) []int {
						v, _ := src.Get(key(k))
						return v.Shape
					})
					if err != nil {
						t.Fatal(err)
					}
					m, err := NewControlNet(cfg)
					if err != nil {
						t.Fatal(err)
					}
					if file == "ldm.safetensors" {
						src = nn.Mapped(src, m, func(k string) nn.Place { return nn.Place{Name: "control_model." + cfg.LDMName(k)} },
							func(string) bool { return true })
					}
					if err := nn.Load(m, dev, gpu.Float32, src); err != nil {
						t.Fatal(err)
					}
					golden.Open(t, controlDir(name), "diffusion_pytorch_model.safetensors").Same(nn.Entries(m, safetensors.F16, nil))
					_, f, in := loadControl(t, dev, gpu.Float32, name, nil)
					m.Control.ChannelOrder = want.ChannelOrder // which no tensor tells
					hint, r := residuals(m, f, in, "picture")
					closeResiduals(f, hint, r, 1e-4)
				})
			}
		}
	})
}

// A ControlNet whose numbers overflow in float16 is run in float32 where they do,
// and so is what they are added to.
func TestRescueOfControlNet(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		run := func(dtype gpu.DType, rescue bool) (*gpu.Tensor, *nn.Rescue) {
			unet, _, _ := load(t, dev, dtype, "sd1")
			m, f, in := loadControl(t, dev, dtype, "sd1", nil)
			w := m.Down[0].Weight.T
			v := w.Float32s()
			for i := range v {
				v[i] = min(max(v[i]*60000, -60000), 60000)
			}
			w.Write(v)
			if rescue {
				m.Rescue, unet.Rescue = &nn.Rescue{Model: m}, &nn.Rescue{Model: unet}
			}
			_, r := residuals(m, f, in, "picture")
			return unet.Forward(in.x, in.t, in.cond, nil, r), m.Rescue
		}
		want, _ := run(gpu.Float32, false)
		if got, _ := run(gpu.Float16, false); got.Finite() {
			t.Fatal("the weights do not overflow: there is nothing to rescue")
		}
		got, rescue := run(gpu.Float16, true)
		if !slices.Equal(rescue.Born, []string{"controlnet_down_blocks.0"}) {
			t.Errorf("born in %q", rescue.Born)
		}
		var diff, all float64
		a := got.Float32s()
		for i, w := range want.Float32s() {
			diff += math.Pow(float64(a[i]-w), 2)
			all += float64(w) * float64(w)
		}
		if e := math.Sqrt(diff / all); !(e < 0.02) {
			t.Errorf("off by %.2g", e)
		}
	})
}

var controlConfigs = golden.Configs[ControlConfig, *ControlNet]{Parse: ParseControlConfig, New: NewControlNet}

// The models that people have, by their number of parameters.
func TestControlNetSizes(t *testing.T) {
	for _, c := range []struct {
		name, config string
		want         int
	}{
		{"SD 1.5", `{"cross_attention_dim":768}`, 361_279_120},
		{"SDXL", `{"cross_attention_dim":2048,"attention_head_dim":[5,10,20],"use_linear_projection":true,
			"block_out_channels":[320,640,1280],"transformer_layers_per_block":[1,2,10],
			"down_block_types":["DownBlock2D","CrossAttnDownBlock2D","CrossAttnDownBlock2D"],
			"addition_embed_type":"text_time","addition_time_embed_dim":256,
			"projection_class_embeddings_input_dim":2816}`, 1_251_014_160},
	} {
		controlConfigs.Counts(t, c.name, c.config, c.want)
	}
}

func TestParseControlConfigErrors(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`[]`, "ControlNet config: json: cannot unmarshal array into Go value of type map[string]interface {}"},
		{`{"_class_name":"ControlNetUnionModel"}`, `ControlNet config: _class_name is "ControlNetUnionModel", want "ControlNetModel"`},
		{`{"global_pool_conditions":true}`, "ControlNet config: global_pool_conditions = true (a ControlNet for shuffled pictures) is not supported"},
		{`{"conditioning_channels":1}`, "ControlNet config: conditioning_channels = 1 is not supported, only 3"},
		{`{"controlnet_conditioning_channel_order":"gbr"}`, `ControlNet config: controlnet_conditioning_channel_order = "gbr" is not supported`},
		{`{"conditioning_embedding_out_channels":[]}`, "ControlNet config: 0 conditioning_embedding_out_channels: want 1 to 16"},
		{`{"conditioning_embedding_out_channels":[16,0]}`, "ControlNet config: conditioning_embedding_out_channels is 0, want 1 to 1048576"},
		{`{"mid_block_type":"UNetMidBlock2DSimpleCrossAttn"}`, `ControlNet config: mid_block_type = "UNetMidBlock2DSimpleCrossAttn" is not supported`},
		{`{"mid_block_type":null}`, `ControlNet config: mid_block_type = "" is not supported`},
		{`{"block_out_channels":[32]}`, "ControlNet config: 1 block_out_channels and 4 down_block_types: want as many of each, 1 to 16"},
		{`{"down_block_types":["DownBlock2D","DownBlock2D","DownBlock2D","SkipDownBlock2D"]}`, `ControlNet config: down_block_types = "SkipDownBlock2D" is not supported`},
	} {
		controlConfigs.Refuses(t, c.config, c.want)
	}
}

func FuzzParseControlConfig(f *testing.F) {
	var seeds [][]byte
	for _, name := range controlCases {
		seeds = append(seeds, golden.Read(f, controlDir(name), "config.json"))
	}
	controlConfigs.Fuzz(f, seeds...)
}
