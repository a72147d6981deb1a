package library

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"latent/gpu/nn"
	"latent/scheduler"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"
)

// shapes are the tensors of a file without their bytes.
type shapes map[string][]int

// writeHeader writes a safetensors file of F16 tensors whose bytes are a hole.
func writeHeader(t testing.TB, path string, tensors shapes, meta map[string]string) {
	t.Helper()
	header := map[string]any{}
	end := 0
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		n := 2
		for _, d := range tensors[name] {
			n *= d
		}
		header[name] = map[string]any{"dtype": "F16", "shape": tensors[name], "data_offsets": []int{end, end + n}}
		end += n
	}
	if meta != nil {
		header["__metadata__"] = meta
	}
	data, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	whole := append(binary.LittleEndian.AppendUint64(nil, uint64(len(data))), data...)
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(whole)+end)); err != nil {
		t.Fatal(err)
	}
}

// fullSize are the tensors of a model in one file as it was published, but for the
// attention's fused matrices: names and shapes, no bytes.
func fullSize(t testing.TB, family Family, channels int) shapes {
	t.Helper()
	c := publishedConfigs(family, channels, scheduler.PredictEpsilon, false)
	out := shapes{}
	u, err := unet.New(c.unet)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, p nn.Named) {
		if p.Kind == nn.Kernel {
			out[name] = []int{p.Shape[0], p.Shape[3], p.Shape[1], p.Shape[2]}
		} else {
			out[name] = p.Shape
		}
	}
	for _, p := range nn.Params(u) {
		put(ldmUNet+c.unet.LDMName(p.Key), p)
	}
	v, err := vae.New(c.vae)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range nn.Params(v) {
		put(ldmVAE+c.vae.LDMName(p.Key), p)
	}
	text, err := textencoder.New(c.text)
	if err != nil {
		t.Fatal(err)
	}
	prefix := map[Family]string{SD1: "cond_stage_model.transformer.", SD2: "cond_stage_model.model.", SDXL: "conditioner.embedders.0.transformer."}[family]
	for _, p := range nn.Params(text) {
		if family == SD2 {
			putPlace(out, prefix, p)
		} else {
			put(prefix+p.Key, p)
		}
	}
	if family == SDXL {
		text2, err := textencoder.New(c.text2)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range nn.Params(text2) {
			putPlace(out, "conditioner.embedders.1.model.", p)
		}
	}
	return out
}

func putPlace(out shapes, prefix string, p nn.Named) {
	at := textencoder.OpenCLIPPlace(p.Key)
	shape := slices.Clone(p.Shape)
	if at.Of > 0 {
		shape[0] *= at.Of
	}
	out[prefix+at.Name] = shape
}

// The numbers of parameters that the models were published with.
func TestPublishedSizes(t *testing.T) {
	for _, c := range []struct {
		family            Family
		unet, text, text2 int
	}{
		{SD1, 859_520_964, 123_060_480, 0},
		{SD2, 865_910_724, 340_387_840, 0},
		{SDXL, 2_567_463_684, 123_060_480, 694_659_840},
	} {
		p := publishedConfigs(c.family, 4, scheduler.PredictEpsilon, false)
		u, err := unet.New(p.unet)
		if err != nil {
			t.Fatal(err)
		}
		text, err := textencoder.New(p.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := nn.Count(u); got != c.unet {
			t.Errorf("%s: U-Net of %d parameters, want %d", c.family, got, c.unet)
		}
		if got := nn.Count(text); got != c.text {
			t.Errorf("%s: text encoder of %d parameters, want %d", c.family, got, c.text)
		}
		if c.text2 > 0 {
			text2, err := textencoder.New(p.text2)
			if err != nil {
				t.Fatal(err)
			}
			if got := nn.Count(text2); got != c.text2 {
				t.Errorf("%s: second text encoder of %d parameters, want %d", c.family, got, c.text2)
			}
		}
		v, err := vae.New(p.vae)
		if err != nil {
			t.Fatal(err)
		}
		if got := nn.Count(v); got != 83_653_863 {
			t.Errorf("%s: autoencoder of %d parameters, want 83653863", c.family, got)
		}
	}
}
