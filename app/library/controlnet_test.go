package library

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/unet"
)

// guided is a model that the ControlNets of unet's tests can guide: its U-Net is the
// one that they were made for.
func guided(t *testing.T) *Model {
	t.Helper()
	folder := "../../unet/testdata/sd1"
	data, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	m := openSmall(t, "testdata/sd1.safetensors", SD1, "testdata/sd1", gpu.Float32)
	m.Family = Other
	cfg, err := unet.ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	if m.UNet, err = unet.New(cfg); err != nil {
		t.Fatal(err)
	}
	m.VAE.Config.BlockOutChannels = make([]int, 4) // of factor 8
	return m
}

const control = "../../unet/testdata/control/sd1"

// underOtherNames saves the tensors of a file under other names.
func underOtherNames(t *testing.T, from, to string, rename func(string) string, more ...safetensors.Entry) {
	t.Helper()
	f, err := OpenTensors(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries := more
	for _, name := range f.Names() {
		v, _ := f.Get(name)
		entries = append(entries, safetensors.Entry{Name: rename(name), DType: v.DType, Shape: v.Shape, Data: v.Data})
	}
	if err := safetensors.Write(to, entries, nil); err != nil {
		t.Fatal(err)
	}
}

// All layouts give the weights of the folder that diffusers saved.
func TestOpenControlNet(t *testing.T) {
	m, dir := guided(t), t.TempDir()
	same := func(name string) string { return name }
	path := func(name string) string { return filepath.Join(dir, name) }
	underOtherNames(t, control+"/diffusion_pytorch_model.safetensors", path("mine.safetensors"), same)
	underOtherNames(t, control+"/ldm.safetensors", path("bare.safetensors"), func(name string) string { return strings.TrimPrefix(name, ldmControl) })
	whole := safetensors.Entry{Name: "model.diffusion_model.input_blocks.0.0.weight", DType: "F16", Shape: []int{1}, Data: []byte{0, 0}}
	underOtherNames(t, control+"/ldm.safetensors", path("whole.safetensors"), same, whole)
	if err := os.Mkdir(path("fp16"), 0o755); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(control + "/config.json")
	if err == nil {
		err = os.WriteFile(path("fp16/config.json"), config, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	underOtherNames(t, control+"/diffusion_pytorch_model.safetensors", path("fp16/diffusion_pytorch_model.fp16.safetensors"), same)

	open := func(path string) map[string]string {
		t.Helper()
		before := m.Device.Memory().InUse
		c, err := OpenControlNet(path, m)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, p := range nn.Params(c.ControlNet) {
			out[p.Key] = string(p.T.ReadBytes())
		}
		if c.Close(); m.Device.Memory().InUse != before {
			t.Errorf("%s keeps memory", path)
		}
		return out
	}
	want := open(control)
	if len(want) < 60 {
		t.Fatalf("%d parameters", len(want))
	}
	for _, path := range []string{
		control + "/diffusion_pytorch_model.safetensors", control + "/ldm.safetensors", path("mine.safetensors"),
		path("bare.safetensors"), path("whole.safetensors"), path("fp16"),
	} {
		if got := open(path); !maps.Equal(got, want) {
			t.Errorf("%s gives other weights", path)
		}
		i := Identify(path)
		if i.Kind != KindControlNet || i.Err != nil {
			t.Errorf("%s is %s, %v", path, i.What, i.Err)
		}
	}
	var names []string
	for _, i := range List(dir) {
		names = append(names, i.Name)
	}
	if !slices.Equal(names, []string{"bare", "fp16", "mine", "whole"}) {
		t.Errorf("listed are %q", names)
	}
	if c, err := OpenControlNet(path("fp16"), m); err != nil || c.Name != "fp16" || c.Hash() != "e3b0c442" { // of nothing: the file is short
		t.Errorf("%+v, %v", c, err)
	}
}

func TestControlNetsThatDoNotFit(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	writeHeader(t, path("1.safetensors"), shapes{"input_hint_block.0.weight": {1}, "x.attn2.to_k.weight": {8, 768}}, nil)
	writeHeader(t, path("xl.safetensors"), shapes{"controlnet_cond_embedding.conv_in.weight": {1}, "add_embedding.linear_1.weight": {8, 2816}}, nil)
	writeHeader(t, path("difference.safetensors"), shapes{"input_hint_block.0.weight": {1}, "x.attn2.to_k.weight": {8, 768}, "difference": {1}}, nil)
	writeHeader(t, path("lora.safetensors"), shapes{"lora_unet_x.lora_down.weight": {4, 8}}, nil)
	underOtherNames(t, control+"/ldm.safetensors", path("control_v11e_sd15_shuffle.safetensors"), func(s string) string { return s })
	underOtherNames(t, control+"/ldm.safetensors", path("less.safetensors"), func(s string) string { return strings.Replace(s, "zero_convs.2.", "zero_convs.9.", 1) })
	for _, c := range []struct {
		path   string
		change func(m *Model)
		want   string
	}{
		{path("1.safetensors"), func(m *Model) { m.Family = SDXL }, "is for Stable Diffusion 1.x, and the model is Stable Diffusion XL: choose one of the model's family"},
		{path("xl.safetensors"), func(m *Model) { m.Family = SD1 }, "is for Stable Diffusion XL, and the model is Stable Diffusion 1.x"},
		{"testdata/sd1.safetensors", nil, "is a model in one file, not a ControlNet"},
		{path("difference.safetensors"), nil, "look for the whole one"},
		{path("lora.safetensors"), nil, "is a LoRA, not a ControlNet"},
		{path("control_v11e_sd15_shuffle.safetensors"), nil, "shuffled pictures, which is not supported"},
		{path("less.safetensors"), nil, "2 missing (controlnet_down_blocks.2.weight, controlnet_down_blocks.2.bias); 2 unexpected (control_model.zero_convs.9.0.bias, control_model.zero_convs.9.0.weight)"},
		{path("absent.safetensors"), nil, "no such file"},
		{dir, nil, "holds no diffusion_pytorch_model.safetensors"},
		{"../../unet/testdata/control/sdxl", nil, "of other blocks ([4 4 8]) than the model's ([8 16])"},
		{control, func(m *Model) { m.VAE.Config.BlockOutChannels = make([]int, 2) }, "makes pictures 8 times smaller, and the model's autoencoder 2 times"},
		{control, func(m *Model) { m.UNet.Config.CrossAttentionDim = unet.Ints{16} }, "attends to texts 12 wide, and the model's are 16"},
		{control, func(m *Model) { m.VAE.Config.LatentChannels = 8 }, "reads latents of 4 channels, and the model's have 8"},
	} {
		m := guided(t)
		if c.change != nil {
			c.change(m)
		}
		before := m.Device.Memory().InUse
		_, err := OpenControlNet(c.path, m)
		if err == nil || !strings.HasPrefix(err.Error(), "ControlNet "+c.path+": ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", c.path, err, c.want)
		}
		if now := m.Device.Memory().InUse; now != before {
			t.Errorf("%s keeps %d bytes", c.path, now-before)
		}
	}
}
