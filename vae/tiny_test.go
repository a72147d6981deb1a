package vae

import (
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
)

func TestTinyEqualsDiffusers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, c := range []struct {
			file             string
			encoder, decoder bool
		}{{weights, true, true}, {"taesd_encoder.safetensors", true, false}, {"taesd_decoder.safetensors", false, true}} {
			t.Run(c.file, func(t *testing.T) {
				src := golden.Open(t, "testdata/tiny", c.file)
				cfg, encoder, decoder, err := TinyConfigOf(src)
				if err != nil || encoder != c.encoder || decoder != c.decoder {
					t.Fatalf("encoder %v, decoder %v, %v", encoder, decoder, err)
				}
				m, err := NewTiny(cfg, encoder, decoder)
				if err != nil {
					t.Fatal(err)
				}
				if err := nn.Load(m, dev, gpu.Float32, nn.Renamed(src, TinyNames(src))); err != nil {
					t.Fatal(err)
				}
				f := golden.Open(t, "testdata/tiny/golden.safetensors")
				before := dev.Memory().InUse
				x, z := f.Tensor(dev, gpu.Float32, "x"), f.Tensor(dev, gpu.Float32, "z")
				latent, err := m.Encode(x)
				if (err == nil) != encoder {
					t.Errorf("encode: %v", err)
				}
				picture, err := m.Decode(z)
				if (err == nil) != decoder {
					t.Errorf("decode: %v", err)
				}
				if encoder {
					f.Close("latent", latent, 1e-4)
					latent.Free()
				}
				if decoder {
					f.Close("picture", picture, 1e-4)
					picture.Free()
				}
				x.Free()
				z.Free()
				if after := dev.Memory().InUse; after != before {
					t.Errorf("%d bytes stay in use, %d before", after, before)
				}
			})
		}
	})
}

// TAESD's coders, by their number of parameters.
func TestTinySize(t *testing.T) {
	m, err := NewTiny(TAESD(), true, true)
	if err != nil {
		t.Fatal(err)
	}
	if e, d := nn.Count(m.Encoder), nn.Count(m.Decoder); e != 1_222_532 || d != 1_222_531 {
		t.Errorf("%d and %d parameters", e, d)
	}
	if f := m.Config.Factor(); f != 8 {
		t.Errorf("factor %d, want 8", f)
	}
}

func TestParseTinyConfig(t *testing.T) {
	cfg, err := ParseTinyConfig(golden.Read(t, "testdata/tiny/config.json"))
	if err != nil || cfg.EncoderWidth[0] != 4 || cfg.DecoderBlocks[3] != 1 {
		t.Errorf("%+v, %v", cfg, err)
	}
	for config, want := range map[string]string{
		`[]`:                                       "tiny autoencoder config: json: cannot unmarshal array into Go value of type vae.TinyConfig",
		`{"_class_name":"AutoencoderKL"}`:          `tiny autoencoder config: _class_name is "AutoencoderKL", want "AutoencoderTiny"`,
		`{"act_fn":"gelu"}`:                        "tiny autoencoder config: in_channels, out_channels, act_fn, upsample_fn and upsampling_scaling_factor must be 3, 3, relu, nearest and 2",
		`{"num_decoder_blocks":[3]}`:               "tiny autoencoder config: the decoder has 4 widths for 1 numbers of blocks, want as many of each, 1 to 16",
		`{"latent_channels":0}`:                    "tiny autoencoder config: latent_channels is 0, want 1 to 1048576",
		`{"encoder_block_out_channels":[1,2,3,4]}`: "tiny autoencoder config: encoder_block_out_channels [1 2 3 4] must be one number, 1 to 1048576",
	} {
		tinyConfigs.Refuses(t, config, want)
	}
}

func FuzzParseTinyConfig(f *testing.F) {
	tinyConfigs.Fuzz(f, golden.Read(f, "testdata/tiny/config.json"), []byte(`{"num_encoder_blocks":[0],"encoder_block_out_channels":[1]}`))
}

var tinyConfigs = golden.Configs[TinyConfig, *Tiny]{
	Parse: ParseTinyConfig,
	New:   func(c TinyConfig) (*Tiny, error) { return NewTiny(c, true, true) },
}
