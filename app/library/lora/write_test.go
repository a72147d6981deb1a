package lora

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/safetensors"
	"latent/noise"

	"github.com/google/go-cmp/cmp"
)

// What Write writes is what Read reads: the same weights, on both models.
func TestWrite(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	for _, name := range []string{"sd1", "sdxl"} {
		m := load(t, dev, gpu.Float32, name)
		f := read(t, name+"_kohya")
		p := New(m.parts(), nil)
		set(t, p, Use{f, 1, 1})
		want := m.bits()
		// The layers by the names of the model, the factors as the device has them.
		var layers []Layer
		for _, module := range f.modules {
			l, _ := module.lowRank(dev)
			layer := p.parts[module.part][module.name]["weight"]
			name, _ := cutLast(layer.Key)
			down, up := []int{l.r, len(l.down) / l.r}, []int{l.o, l.r}
			values := l.down
			if s := module.factors["down"].Shape; len(s) == 4 {
				values = swap(values, s[0], s[1], s[2]*s[3])
				down, up = []int{s[0], s[2], s[3], s[1]}, []int{l.o, 1, 1, l.r}
			}
			layers = append(layers, Layer{module.part, name, dev.FromFloat32(values, gpu.Float32, down...), dev.FromFloat32(l.up, gpu.Float32, up...), module.alpha})
		}
		path := filepath.Join(t.TempDir(), "written.safetensors")
		if err := Write(path, m.parts(), layers, safetensors.F16, map[string]string{"ss_output_name": "x", "note": "y"}); err != nil {
			t.Fatal(err)
		}
		w, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		set(t, p, Use{w, 1, 1})
		if !slices.EqualFunc(want, m.bits(), bytes.Equal) {
			t.Errorf("%s: the weights differ", name)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(keys(f))), slices.Sorted(maps.Keys(keys(w)))); diff != "" {
			t.Errorf("%s: keys (-want +got):\n%s", name, diff)
		}
		hash, err := AddNetHash(path)
		if err != nil || hash != w.Metadata["sshs_model_hash"] {
			t.Errorf("model hash %s, %v; the metadata has %v", hash, err, w.Metadata)
		}
		// Begin is the way back, whatever the layers hold and with any alpha.
		var begun []Layer
		for _, l := range layers {
			begun = append(begun, Layer{l.Part, l.Name, dev.Full(7, gpu.Float32, l.Down.Shape()...), dev.Full(7, gpu.Float32, l.Up.Shape()...), l.Alpha / 2})
		}
		if err := w.Begin(m.parts(), begun[1:]); err == nil || !strings.Contains(err.Error(), "not among the layers") || begun[1].Down.Float32s()[0] != 7 {
			t.Errorf("%s: a layer too few: %v", name, err)
		}
		if err := w.Begin(m.parts(), begun); err != nil {
			t.Fatal(err)
		}
		for i, l := range layers {
			down, up := begun[i].Down.Float32s(), begun[i].Up.Float32s()
			if !slices.Equal(down, half16(l.Down.Float32s())) || !slices.EqualFunc(up, half16(l.Up.Float32s()), func(a, b float32) bool { return a == 2*b }) {
				t.Fatalf("%s: %s comes back otherwise", name, l.Name)
			}
		}
		other := slices.Clone(begun)
		other[0].Down = dev.Full(0, gpu.Float32, 3*layers[0].Down.Dim(0), layers[0].Down.Dim(-1))
		if err := w.Begin(m.parts(), other); err == nil || !strings.Contains(err.Error(), "rank") {
			t.Errorf("%s: another rank: %v", name, err)
		}
		w.Close()
	}
}

// half16 rounds to what a file of half precision holds.
func half16(x []float32) []float32 {
	for i, v := range x {
		x[i] = half.F32FromF16(half.F16FromF32(v))
	}
	return x
}

func keys(f *File) map[string]bool {
	out := map[string]bool{}
	for _, name := range f.file.Names() {
		out[name] = true
	}
	return out
}

// kohya computes the old hash over a file that has only the ss_ metadata.
func TestLegacyHash(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	const r, c = 128, 4096
	data := make([]float32, r*c)
	noise.NewCPU(1).Normal(data)
	layer := Layer{UNet, "a", dev.FromFloat32(data, gpu.Float32, r, c), dev.FromFloat32(data, gpu.Float32, c, r), 1}
	dir := t.TempDir()
	path := filepath.Join(dir, "a.safetensors")
	if err := Write(path, nil, []Layer{layer}, safetensors.F32, map[string]string{"note": "not of training", "ss_seed": "1"}); err != nil {
		t.Fatal(err)
	}
	sf, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer sf.Close()
	var entries []safetensors.Entry
	for _, name := range sf.Names() {
		v, _ := sf.Get(name)
		entries = append(entries, safetensors.Entry{Name: name, DType: v.DType, Shape: v.Shape, Data: v.Data})
	}
	plain := filepath.Join(dir, "b.safetensors")
	if err := safetensors.Write(plain, entries, map[string]string{
		"ss_seed": "1", "ss_network_module": "networks.lora", "ss_network_dim": "128", "ss_network_alpha": "1"}); err != nil {
		t.Fatal(err)
	}
	want, err := LegacyHash(plain)
	if err != nil || len(want) != 8 || sf.Metadata()["sshs_legacy_hash"] != want {
		t.Errorf("legacy hash %q in the metadata, want %q, %v", sf.Metadata()["sshs_legacy_hash"], want, err)
	}
	if other, _ := LegacyHash(path); other == want {
		t.Error("the header does not count")
	}
}

// Hashes as Python's hashlib gives them; testdata/make_golden.py prints them.
func TestHashes(t *testing.T) {
	path := filepath.Join("testdata", "sd1_kohya.safetensors")
	want, err := os.ReadFile(filepath.Join("testdata", "hashes.txt"))
	if err != nil {
		t.Fatal(err)
	}
	model, err := AddNetHash(path)
	if err != nil {
		t.Fatal(err)
	}
	legacy, err := LegacyHash(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := model + " " + legacy + "\n"; got != string(want) {
		t.Errorf("hashes %swant %s", got, want)
	}
	f := read(t, "sd1_kohya")
	if h, err := f.Hash(); err != nil || h != model {
		t.Errorf("hash %s, %v", h, err)
	}
	f.Metadata["sshs_model_hash"] = strings.Repeat("AB", 32)
	if h, err := f.Hash(); err != nil || h != strings.Repeat("ab", 32) {
		t.Errorf("hash %s, %v", h, err)
	}
}
