package vae

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/safetensors"
)

var cases = []string{"sd", "plain", "old_names"}

const weights = "diffusion_pytorch_model.safetensors"

func load(t *testing.T, dev *gpu.Device, dtype gpu.DType, name string) (*Model, *golden.File) {
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
	if err := nn.Load(m, dev, dtype, nn.Renamed(golden.Open(t, dir, weights), Rename)); err != nil {
		t.Fatal(err)
	}
	return m, golden.Open(t, dir, "golden.safetensors")
}

func TestEqualsDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range cases {
			t.Run(name, func(t *testing.T) {
				m, f := load(t, dev, gpu.Float32, name)
				input := func(name string) *gpu.Tensor { return f.Tensor(dev, gpu.Float32, name) }
				near := func(name string, got *gpu.Tensor, err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
					f.Close(name, got, 1e-4)
				}
				got, err := m.EncodeMoments(input("x"))
				near("moments", got, err)
				got, err = m.Encode(input("x"), nil)
				near("mean", got, err)
				got, err = m.Encode(input("x"), input("noise"))
				near("latent", got, err)
				got, err = m.Decode(input("z"))
				near("picture", got, err)
			})
		}
	})
}

func TestBFloat16(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range cases {
			t.Run(name, func(t *testing.T) {
				m, f := load(t, dev, gpu.BFloat16, name)
				got, err := m.Decode(f.Tensor(dev, gpu.BFloat16, "z"))
				if err != nil {
					t.Fatal(err)
				}
				// 8 bits of mantissa, rounded after every layer.
				f.Close("picture", got, 0.04)
			})
		}
	})
}

func TestGradientsEqualTorch(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range cases {
			for _, checkpoint := range []bool{false, true} {
				t.Run(name+map[bool]string{true: "/checkpoint"}[checkpoint], func(t *testing.T) {
					m, f := load(t, dev, gpu.Float32, name)
					m.Checkpoint = checkpoint
					nn.Trainable(m)
					x, noise := f.Tensor(dev, gpu.Float32, "x"), f.Tensor(dev, gpu.Float32, "noise")
					loss := dev.Differentiate(1, func() *gpu.Tensor {
						moments := m.Moments(x)
						y := m.Reconstruct(gpu.GaussianSample(moments, noise))
						return gpu.Combine([]float32{1, 0.1}, gpu.MSE(y, x, nil), gpu.GaussianKL(moments))
					})
					f.Close("loss", dev.FromFloat32([]float32{loss}, gpu.Float32, 1), 1e-4)
					f.Gradients(m, 1e-3)
				})
			}
		}
	})
}

func TestSavesWhatItLoaded(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range []string{"sd", "plain"} {
			m, _ := load(t, dev, gpu.Float32, name)
			golden.Open(t, "testdata", name, weights).Same(nn.Entries(m, safetensors.F16, nil))
		}
	})
}

func TestFreesItsTemporaries(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m, f := load(t, dev, gpu.Float32, "sd")
		x, noise := f.Tensor(dev, gpu.Float32, "x"), f.Tensor(dev, gpu.Float32, "noise")
		before := dev.Memory().InUse
		z, err := m.Encode(x, noise)
		if err != nil {
			t.Fatal(err)
		}
		y, err := m.Decode(z)
		if err != nil {
			t.Fatal(err)
		}
		z.Free()
		y.Free()
		if after := dev.Memory().InUse; after != before {
			t.Errorf("%d bytes stay in use, %d before", after, before)
		}
	})
}

func TestWrongSizesAreErrors(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m, _ := load(t, dev, gpu.Float32, "plain")
		var e *gpu.Error
		_, err := m.Encode(dev.Full(0, gpu.Float32, 1, 12, 10, 3), nil)
		want := "autoencoder: picture f32[1 12 10 3] must have a height and width that 4 divides"
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if _, err := m.Decode(dev.Full(0, gpu.Float32, 1, 4, 4, 5)); !errors.As(err, &e) {
			t.Errorf("a latent of 5 channels decodes: %v", err)
		}
	})
}

var configs = golden.Configs[Config, *Model]{Parse: ParseConfig, New: New}

func TestParseConfig(t *testing.T) {
	for _, name := range cases {
		configs.Rewrites(t, name, golden.Read(t, "testdata", name, "config.json"))
	}
}

// Stable Diffusion's autoencoder, by its number of parameters.
func TestStableDiffusionSize(t *testing.T) {
	const config = `{"block_out_channels":[128,256,512,512],"layers_per_block":2,
		"down_block_types":["DownEncoderBlock2D","DownEncoderBlock2D","DownEncoderBlock2D","DownEncoderBlock2D"],
		"up_block_types":["UpDecoderBlock2D","UpDecoderBlock2D","UpDecoderBlock2D","UpDecoderBlock2D"]}`
	configs.Counts(t, "the autoencoder", config, 83_653_863)
	cfg, err := ParseConfig([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Factor(); got != 8 {
		t.Errorf("factor %d, want 8", got)
	}
}

func TestParseConfigErrors(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`7`, "autoencoder config: json: cannot unmarshal number into Go value of type vae.Config"},
		{`{"_class_name":"AutoencoderTiny"}`, `autoencoder config: _class_name is "AutoencoderTiny", want "AutoencoderKL"`},
		{`{"act_fn":"relu"}`, `autoencoder config: act_fn = "relu" is not supported, only silu`},
		{`{"latents_mean":[1]}`, "autoencoder config: latents_mean and latents_std are not supported"},
		{`{"down_block_types":["AttnDownEncoderBlock2D"]}`, `autoencoder config: down_block_types = "AttnDownEncoderBlock2D" is not supported, only DownEncoderBlock2D`},
		{`{"block_out_channels":[64,64]}`, "autoencoder config: 2 block_out_channels, 1 down_block_types and 1 up_block_types: want as many of each, 1 to 16"},
		{`{"block_out_channels":[65]}`, "autoencoder config: block_out_channels 65 does not divide into norm_num_groups 32"},
		{`{"layers_per_block":1000000}`, "autoencoder config: layers_per_block is 1000000, want 1 to 256"},
		{`{"scaling_factor":0}`, "autoencoder config: scaling_factor is 0"},
	} {
		configs.Refuses(t, c.config, c.want)
	}
}

// No config.json makes more than some megabytes of what a model would be.
func TestConfigsAreBounded(t *testing.T) {
	blocks := func(n int, s string) string { return "[" + strings.TrimSuffix(strings.Repeat(s+",", n), ",") + "]" }
	for _, config := range []string{
		`{"block_out_channels":` + blocks(16, "64") + `,"down_block_types":` + blocks(16, `"DownEncoderBlock2D"`) +
			`,"up_block_types":` + blocks(16, `"UpDecoderBlock2D"`) + `,"layers_per_block":256}`,
		`{"block_out_channels":` + blocks(1<<20, "64") + `}`,
	} {
		configs.Bounded(t, config, 64<<20)
	}
}

func FuzzParseConfig(f *testing.F) {
	var seeds [][]byte
	for _, name := range cases {
		seeds = append(seeds, golden.Read(f, "testdata", name, "config.json"))
	}
	configs.Fuzz(f, seeds...)
}
