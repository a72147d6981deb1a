package torchfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latent/gpu/safetensors"
)

// Both formats of torch.save hold the tensors that Python wrote to safetensors.
func TestReadsPythonsFiles(t *testing.T) {
	want, err := safetensors.Open("testdata/golden.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	for _, name := range []string{"zip.pt", "legacy.pt"} {
		f, err := Open("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, key := range want.Names() {
			w, _ := want.Get(key)
			got, ok := f.Get(key)
			if !ok || got.DType != w.DType || !slices.Equal(got.Shape, w.Shape) || !bytes.Equal(got.Data, w.Data) {
				t.Errorf("%s: %s is %s %v %x, want %s %v %x", name, key, got.DType, got.Shape, got.Data, w.DType, w.Shape, w.Data)
			}
		}
		for key, n := range map[string]byte{"epoch": 3, "negative": 0xfb} {
			if v, ok := f.Get(key); !ok || v.DType != safetensors.I64 || v.Data[0] != n {
				t.Errorf("%s: %s is %v %v", name, key, ok, v)
			}
		}
		if v, ok := f.Get("global_step"); !ok || v.Data[0] != 875000&255 || v.Data[2] != 875000>>16 {
			t.Errorf("%s: global_step is %v", name, v)
		}
		for _, key := range f.Names() {
			if _, ok := f.Get(key); !ok {
				t.Errorf("%s: %s is named and not there", name, key)
			}
		}
	}
}

// torch saves the 8-bit formats as bytes with a type beside them.
func TestReadsFloat8(t *testing.T) {
	want, err := safetensors.Open("testdata/eight.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	for _, name := range []string{"eight.pt", "eight_legacy.pt"} {
		f, err := Open("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, key := range []string{"float8_e4m3fn", "float8_e5m2", "scale"} {
			w, ok := want.Get(key)
			got, _ := f.Get(key)
			if !ok || got.DType != w.DType || !slices.Equal(got.Shape, w.Shape) || !bytes.Equal(got.Data, w.Data) {
				t.Errorf("%s: %s is %s %v %x, want %s %v %x", name, key, got.DType, got.Shape, got.Data, w.DType, w.Shape, w.Data)
			}
		}
	}
}

func TestReadsEmbedding(t *testing.T) {
	f, err := Open("testdata/embedding.pt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if v, ok := f.Get("string_to_param.*"); !ok || !slices.Equal(v.Shape, []int{2, 8}) {
		t.Errorf("no vectors among %q", f.Names())
	}
}

// What a file wants to run is named, and not run.
func TestRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"harm_system.pt":  "os.system",
		"harm_eval.pt":    "builtins.eval",
		"harm_getattr.pt": "builtins.getattr",
		"harm_load.pt":    "torch.storage._load_from_bytes",
		"harm_legacy.pt":  "os.system",
		"harm_bare.pkl":   "os.system",
	} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse(data)
		var g *GlobalError
		if !errors.As(err, &g) || g.Global != want {
			t.Errorf("%s: %v, want it to name %s", name, err, want)
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	zipped, stream := read("zip.pt"), read("legacy.pt")
	for _, c := range []struct {
		what string
		data []byte
		want string
	}{
		{"beyond the storage", read("beyond.pt"), "reach beyond its storage of 16 bytes"},
		{"vast by repetition", read("repeated.pt"), "reach beyond its storage of 16 bytes"},
		{"truncated archive", zipped[:len(zipped)/2], "truncated"},
		{"truncated stream", stream[:len(stream)-10], "truncated"},
		{"truncated program", stream[:100], "ends too early"},
		{"other pickle", []byte("\x80\x02K\x05."), "none of torch.save"},
		{"pop of nothing", []byte("\x80\x020."), "takes what it has not made"},
		{"memo of nothing", []byte("\x80\x02h\x07."), "takes what it has not made"},
		{"unknown instruction", []byte("\x80\x02\xff."), "instruction 0xff"},
		{"nothing", nil, "ends too early"},
	} {
		if _, err := Parse(c.data); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
}

// A list inside itself and a tree of shared dictionaries are visited once.
func TestSharedValues(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("\x80\x02}q\x00")
	for i := range 60 { // each dictionary holds the one before it twice
		b.WriteString("}q" + string(rune(i+1)) + "(U\x01ah" + string(rune(i)) + "U\x01bh" + string(rune(i)) + "u")
	}
	b.WriteByte('.')
	m := &machine{data: b.Bytes()}
	root, err := m.run()
	if err != nil {
		t.Fatal(err)
	}
	f := newFile(b.Len())
	if err := f.collect(root); err != nil { // would not end in a lifetime otherwise
		t.Error(err)
	}
	if len(f.Names()) != 0 {
		t.Errorf("found %q", f.Names())
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.p*")
	for _, name := range files {
		if filepath.Ext(name) == ".py" {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		for _, name := range file.Names() {
			v, ok := file.Get(name)
			if !ok || len(v.Data) > len(data)+8 {
				t.Errorf("%q: %v, %d bytes out of %d", name, ok, len(v.Data), len(data))
			}
		}
	})
}
