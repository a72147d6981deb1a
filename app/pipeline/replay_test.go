package pipeline

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"

	"latent/app/library"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
)

// A device that captures paints what it paints without, bit for bit, and has its
// memory back afterwards.
func TestReplayEqualsEager(t *testing.T) {
	dev, err := gpu.Open("cuda")
	if err != nil {
		t.Skip(err)
	}
	defer dev.Close()
	defer func(f func(*gpu.Device, func() []*gpu.Tensor) (*gpu.Graph, error)) { record = f }(record)
	lora := filepath.Join(t.TempDir(), "a.safetensors")
	for _, c := range []struct {
		name, way string
		change    func(r *Request)
		captures  int
	}{
		{"guided", "", func(r *Request) {}, 1},
		{"unguided", "", func(r *Request) { r.Guidance = 1 }, 1},
		{"two pictures, rescaled", "", func(r *Request) { r.Count, r.Rescale = 2, 0.7 }, 2},
		{"another prompt later", "", func(r *Request) { r.Prompt = "a [red:blue:2] fox" }, 1},
		{"a longer prompt later", "", func(r *Request) {
			r.Prompt = "a [red:red and green and blue and white and black and grey and very very very very very very big:2] fox"
		}, 2},
		{"second pass, previews", "", func(r *Request) { r.Preview, r.Hires = 1, &Hires{Width: 64, Height: 48, Steps: 2, Strength: 0.5} }, 2},
		{"LoRA", "", func(r *Request) { r.LoRAs = []LoRA{{Name: lora, UNet: 1, Text: 1}} }, 1},
		{"inpainting", "inpaint", func(r *Request) { r.Init = smooth(48, 32) }, 1},
		{"guidance embedding", "lcm", func(r *Request) { r.Sampler = "lcm" }, 1},
		{"guided by a picture", "", func(r *Request) { r.Controls = []Control{{Model: "testdata/control/b", Picture: smooth(48, 32)}} }, 1},
		{"guided by two, one of which ends", "", func(r *Request) {
			r.Controls = []Control{{Model: "testdata/control/a.safetensors", Picture: smooth(48, 32), End: 0.7}, {Model: "testdata/control/b", Picture: smooth(30, 20)}}
		}, 2},
		{"guided where it inpaints, twice as large", "inpaint", func(r *Request) {
			r.Controls = []Control{{Model: "testdata/control/small.safetensors", Picture: smooth(48, 32)}}
			r.Hires = &Hires{Width: 64, Height: 48, Steps: 2, Strength: 0.5}
		}, 2},
		{"sizes, pooled text and a guide", "xl", func(r *Request) {
			r.Prompt, r.Controls = "a [red:blue:2] fox", []Control{{Model: "testdata/control/xl.safetensors", Picture: smooth(48, 32)}}
		}, 1},
		{"DeepCache, another prompt later", "", func(r *Request) { r.CacheInterval, r.Prompt, r.Steps = 2, "a [red:blue:3] fox", 5 }, 2},
		{"DeepCache, guided by a picture", "", func(r *Request) {
			r.CacheInterval, r.Controls = 2, []Control{{Model: "testdata/control/b", Picture: smooth(48, 32)}}
		}, 2},
		{"guidance that ends, DeepCache", "", func(r *Request) { r.CacheInterval, r.GuidanceEnd, r.Steps = 2, 0.5, 4 }, 4},
		{"sizes and pooled text", "xl", func(r *Request) { r.Prompt = "a [red:blue:2] fox" }, 1},
	} {
		for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
			if dtype == gpu.Float32 && c.name != "guided" {
				continue // the dtype changes nothing in what is captured
			}
			t.Run(c.name+"/"+dtype.String(), func(t *testing.T) {
				m := openWay(t, dev, dtype, c.way)
				writeAttentionLoRA(t, m, lora)
				req := goldenRequest
				req.Steps = 3
				c.change(&req)
				captures := 0
				paint := func(fail bool) (pix []byte) {
					record = func(d *gpu.Device, f func() []*gpu.Tensor) (*gpu.Graph, error) {
						if fail {
							return nil, errors.New("it cannot")
						}
						captures++
						g, err := d.Capture(f)
						if err != nil {
							t.Error(err)
						}
						return g, err
					}
					before := dev.Memory().InUse
					out, err := Generate(t.Context(), m, req, nil)
					if err != nil {
						t.Fatal(err)
					}
					if n := dev.Memory().InUse - before; n != 0 {
						t.Errorf("%d bytes are kept", n)
					}
					for _, p := range out {
						pix = append(pix, p.Image.Pix...)
					}
					return pix
				}
				if eager, replayed := paint(true), paint(false); !bytes.Equal(eager, replayed) {
					t.Error("the pictures differ")
				}
				if captures != c.captures {
					t.Errorf("%d captures, want %d", captures, c.captures)
				}
				// Another painting takes no more of the device.
				held := dev.Memory().Reserved
				paint(false)
				if now := dev.Memory().Reserved; now > held {
					t.Errorf("memory held grew from %d to %d bytes", held, now)
				}
			})
		}
	}
}

// A picture that is given up leaves no capture behind.
func TestReplayIsDroppedWithThePicture(t *testing.T) {
	dev, err := gpu.Open("cuda")
	if err != nil {
		t.Skip(err)
	}
	defer dev.Close()
	m := openWay(t, dev, gpu.BFloat16, "")
	before := dev.Memory().InUse
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Generate(ctx, m, goldenRequest, func(p Progress) {
		if p.Stage == StageDenoise && p.Step == 2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if n := dev.Memory().InUse - before; n != 0 {
		t.Errorf("%d bytes are kept", n)
	}
}

// writeAttentionLoRA writes a LoRA for one layer of the U-Net.
func writeAttentionLoRA(t *testing.T, m *library.Model, path string) {
	t.Helper()
	name := "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
	var c int
	for _, p := range nn.Params(m.UNet) {
		if p.Key == "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight" {
			c = p.Shape[0]
		}
	}
	entries := []safetensors.Entry{randomEntry(name+".lora_down.weight", 1, 2, c), randomEntry(name+".lora_up.weight", 2, c, 2)}
	if err := safetensors.Write(path, entries, nil); err != nil {
		t.Fatal(err)
	}
}
