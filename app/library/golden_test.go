package library

import (
	"bytes"
	"maps"
	"os"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/unet"
)

// cases are the models of testdata/make_golden.py.
var cases = []struct {
	name   string
	family Family
}{{"sd1", SD1}, {"sd2", SD2}, {"sdxl", SDXL}}

// openSmall opens a small model in one file. Its widths are not those that tell a
// family, so that family and configs come from the case and the folder beside it.
func openSmall(t *testing.T, path string, family Family, folder string, dtype gpu.DType) *Model {
	t.Helper()
	m, err := smallFile(t, path, family, folder, dtype, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func smallFile(t *testing.T, path string, family Family, folder string, dtype gpu.DType, o Options) (*Model, error) {
	t.Helper()
	s, err := Skeleton(os.DirFS(folder), nil, gpu.Float32, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := configs{text: s.Text.Config, unet: s.UNet.Config, vae: s.VAE.Config, scheduler: s.Scheduler, vocabulary: s.Vocabulary}
	if s.Text2 != nil {
		c.text2 = s.Text2.Config
	}
	f, err := OpenTensors(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	traits := look(f)
	traits.family = family
	return o.openTensors(f, traits, c, device(t), dtype)
}

// allWeights are weights with the second text encoder's.
func allWeights(m *Model) map[string][]byte {
	out := weights(m)
	for _, p := range nn.Params(m.Text2) {
		out["text_encoder_2."+p.Key] = p.T.ReadBytes()
	}
	return out
}

// The folder that diffusers saved and the single file of the same model give the
// same weights, bit for bit.
func TestFileEqualsFolder(t *testing.T) {
	for _, c := range cases {
		for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16} {
			folder := openModel16(t, "testdata/"+c.name, dtype)
			file := openSmall(t, "testdata/"+c.name+".safetensors", c.family, "testdata/"+c.name, dtype)
			got, want := allWeights(file), allWeights(folder)
			if len(want) < 150 || !maps.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%s %v: the file gives other weights than the folder (%d and %d parameters)", c.name, dtype, len(got), len(want))
			}
		}
	}
}

// The checkpoint that torch.save wrote holds what the safetensors file holds.
func TestCheckpointEqualsSafetensors(t *testing.T) {
	want := allWeights(openSmall(t, "testdata/sd1.safetensors", SD1, "testdata/sd1", gpu.Float32))
	got := allWeights(openSmall(t, "testdata/sd1.ckpt", SD1, "testdata/sd1", gpu.Float32))
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Error("the checkpoint gives other weights")
	}
}

func openModel16(t *testing.T, path string, dtype gpu.DType) *Model {
	t.Helper()
	m, err := Open(path, device(t), dtype)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Text encoders, U-Net and decoder of the single file compute what transformers
// and diffusers compute.
func TestFileAgreesWithPython(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := golden.Open(t, "testdata", c.name+".golden.safetensors")
			m := openSmall(t, "testdata/"+c.name+".safetensors", c.family, "testdata/"+c.name, gpu.Float32)
			tensor := func(name string) *gpu.Tensor { return f.Tensor(m.Device, gpu.Float32, name) }
			row := []int32{}
			for _, id := range tensor("ids").Float32s() {
				row = append(row, int32(id))
			}
			out := m.Text.Forward([][]int32{row})
			cond, added := out.LastHidden, (*unet.Added)(nil)
			if c.family == SDXL {
				out2 := m.Text2.Forward([][]int32{row})
				first, second := out.Hidden[len(out.Hidden)-2], out2.Hidden[len(out2.Hidden)-2]
				f.Close("text2", second, 1e-5)
				f.Close("pooled", out2.Pooled, 1e-5)
				f.Close("text", first, 1e-5)
				cond = gpu.Concat(first, second)
				added = &unet.Added{Pooled: tensor("pooled"), TimeIDs: [][]float32{tensor("time_ids").Float32s()}}
			} else {
				f.Close("text", cond, 1e-5)
			}
			f.Close("y", m.UNet.Forward(tensor("x"), []float32{301}, cond, added), 1e-5)
			picture, err := m.VAE.Decode(tensor("x"))
			if err != nil {
				t.Fatal(err)
			}
			f.Close("picture", picture, 1e-5)
		})
	}
}
