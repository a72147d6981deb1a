package textencoder

import (
	"path/filepath"
	"slices"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/safetensors"
)

var clipCases = []string{"clip_sd1", "clip_sd2", "clip_sdxl"}

func loadCLIP(t *testing.T, dev *gpu.Device, dtype gpu.DType, name string) (*Model, *golden.File, [][]int32) {
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
	if err := nn.Load(m, dev, dtype, nn.Renamed(golden.Open(t, dir, "model.safetensors"), Rename)); err != nil {
		t.Fatal(err)
	}
	f := golden.Open(t, dir, "golden.safetensors")
	values, shape := f.Float32s("ids")
	var ids [][]int32
	for row := range slices.Chunk(values, shape[1]) {
		var r []int32
		for _, v := range row {
			r = append(r, int32(v))
		}
		ids = append(ids, r)
	}
	return m, f, ids
}

func TestCLIPEqualsTransformers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range clipCases {
			t.Run(name, func(t *testing.T) {
				m, f, ids := loadCLIP(t, dev, gpu.Float32, name)
				out, err := m.Encode(ids)
				if err != nil {
					t.Fatal(err)
				}
				f.Close("last", out.LastHidden, 1e-4)
				f.Close("pooled", out.Pooled, 1e-4)
				f.Close("hidden", gpu.Stack(out.Hidden...), 1e-4)
				f.Close("last", m.Normalize(out.Hidden[len(out.Hidden)-1]), 1e-4)
			})
		}
	})
}

func TestCLIPGradientsEqualTorch(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		// 8 bits of mantissa, rounded after every layer, in bf16.
		for dtype, tol := range map[gpu.DType]float64{gpu.Float32: 1e-3, gpu.BFloat16: 0.06} {
			for _, name := range clipCases {
				t.Run(name+"/"+dtype.String(), func(t *testing.T) {
					m, f, ids := loadCLIP(t, dev, dtype, name)
					nn.Trainable(m)
					target, pooled := f.Tensor(dev, dtype, "target"), f.Tensor(dev, dtype, "pooled_target")
					loss := dev.Differentiate(1, func() *gpu.Tensor {
						out := m.Forward(ids)
						return gpu.Add(gpu.MSE(out.LastHidden, target, nil), gpu.MSE(out.Pooled, pooled, nil))
					})
					f.Close("loss", dev.FromFloat32([]float32{loss}, gpu.Float32, 1), tol/10)
					f.Gradients(m, tol)
				})
			}
		}
	})
}

func TestCLIPSavesWhatItLoaded(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range []string{"clip_sd1", "clip_sdxl"} {
			m, _, _ := loadCLIP(t, dev, gpu.Float32, name)
			golden.Open(t, "testdata", name, "model.safetensors").Same(nn.Entries(m, safetensors.F16, nil))
		}
	})
}

func TestCLIPRefusesWrongTokens(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m, _, _ := loadCLIP(t, dev, gpu.Float32, "clip_sd1")
		for _, c := range []struct {
			ids  [][]int32
			want string
		}{
			{nil, "text encoder: no tokens"},
			{[][]int32{{}}, "text encoder: no tokens"},
			{[][]int32{{1, 2}, {3}}, "text encoder: rows of 2 and 1 tokens in one batch"},
			{[][]int32{{1, 40}}, "text encoder: token 40 is not among the model's 40: tokenizer and text encoder do not belong together"},
			{[][]int32{{-1}}, "text encoder: token -1 is not among the model's 40: tokenizer and text encoder do not belong together"},
			{[][]int32{make([]int32, 10)}, "text encoder: 10 tokens, the model reads at most 9"},
		} {
			if _, err := m.Encode(c.ids); err == nil || err.Error() != c.want {
				t.Errorf("%v\ngot  %v\nwant %s", c.ids, err, c.want)
			}
		}
	})
}

var configs = golden.Configs[Config, *Model]{Parse: ParseConfig, New: New}

func TestCLIPConfig(t *testing.T) {
	for _, name := range clipCases {
		configs.Rewrites(t, name, golden.Read(t, "testdata", name, "config.json"))
	}
}

// The models that people have, by their number of parameters.
func TestCLIPSizes(t *testing.T) {
	for _, c := range []struct {
		name, config string
		want         int
	}{
		{"SD 1.5", `{"hidden_size":768,"intermediate_size":3072,"num_attention_heads":12}`, 123_060_480},
		{"SD 2.1", `{"hidden_size":1024,"intermediate_size":4096,"num_attention_heads":16,"num_hidden_layers":23}`, 340_387_840},
		{"SDXL 2", `{"architectures":["CLIPTextModelWithProjection"],"hidden_size":1280,"intermediate_size":5120,
			"num_attention_heads":20,"num_hidden_layers":32,"projection_dim":1280}`, 694_659_840},
	} {
		configs.Counts(t, c.name, c.config, c.want)
	}
}

func TestCLIPConfigErrors(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`"x"`, "text encoder config: json: cannot unmarshal string into Go value of type textencoder.Config"},
		{`{"model_type":"t5"}`, `text encoder config: model_type is "t5", want "clip_text_model"`},
		{`{"architectures":["T5EncoderModel"]}`, `text encoder config: architecture "T5EncoderModel" is not supported, only CLIPTextModel and CLIPTextModelWithProjection`},
		{`{"hidden_act":"relu"}`, `text encoder config: hidden_act = "relu" is not supported`},
		{`{"num_attention_heads":3}`, "text encoder config: hidden_size 512 does not divide into 3 attention heads"},
		{`{"num_hidden_layers":100000}`, "text encoder config: num_hidden_layers is 100000, want 1 to 1024"},
		{`{"vocab_size":-1}`, "text encoder config: vocab_size is -1, want 1 to 16777216"},
	} {
		configs.Refuses(t, c.config, c.want)
	}
}

// No config.json makes more than some megabytes of what a model would be.
func TestCLIPConfigsAreBounded(t *testing.T) {
	configs.Bounded(t, `{"num_hidden_layers":1024,"hidden_size":16777216,"vocab_size":16777216}`, 16<<20)
}

func FuzzCLIPConfig(f *testing.F) {
	var seeds [][]byte
	for _, name := range clipCases {
		seeds = append(seeds, golden.Read(f, "testdata", name, "config.json"))
	}
	configs.Fuzz(f, seeds...)
}
