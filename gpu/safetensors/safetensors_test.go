package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var keep = flag.String("keep", "", "also write the golden tensors to this file, for testdata/make_golden.py check")

const golden = "testdata/golden.safetensors" // written by Python's safetensors

func TestReadsPythonsFile(t *testing.T) {
	f, err := Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.Metadata(); len(got) != 1 || got["format"] != "pt" {
		t.Errorf("metadata %v, want format: pt", got)
	}
	if got := len(f.Names()); got != 19 {
		t.Errorf("%d tensors, want 19", got)
	}
	for _, dtype := range []string{Bool, U8, I8, F8E5M2, F8E4M3, I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64} {
		v, ok := f.Get("every." + dtype)
		if !ok || v.DType != dtype || !slices.Equal(v.Shape, []int{2, 3}) {
			t.Errorf("every.%s: %v, %s %v", dtype, ok, v.DType, v.Shape)
		}
		for i, b := range v.Data {
			want := byte(i)
			if dtype == Bool {
				want %= 2
			}
			if b != want {
				t.Errorf("every.%s: byte %d is %d, want %d", dtype, i, b, want)
			}
		}
	}
	scalar, _ := f.Get("scalar")
	if x := math.Float32frombits(binary.LittleEndian.Uint32(scalar.Data)); len(scalar.Shape) != 0 || x != 1.5 {
		t.Errorf("scalar: %v of shape %v, want 1.5", x, scalar.Shape)
	}
	if empty, ok := f.Get("empty"); !ok || !slices.Equal(empty.Shape, []int{0, 4}) || len(empty.Data) != 0 {
		t.Errorf("empty: %v %v", ok, empty)
	}
	if _, ok := f.Get(`"quoted" <ünïcode> & \ 🎨`); !ok {
		t.Errorf("the quoted name is not among %q", f.Names())
	}
	if _, ok := f.Get("absent"); ok {
		t.Error("an absent tensor was found")
	}
}

// entriesOf returns the tensors of a file, by name, every second one streamed.
func entriesOf(t *testing.T, f *File) []Entry {
	t.Helper()
	var entries []Entry
	for i, name := range f.Names() {
		v, _ := f.Get(name)
		e := Entry{Name: name, DType: v.DType, Shape: v.Shape, Data: v.Data}
		if i%2 == 1 {
			e.Data = nil
			e.Stream = func(w io.Writer) error {
				half := len(v.Data) / 2
				w.Write(v.Data[:half])
				_, err := w.Write(v.Data[half:])
				return err
			}
		}
		entries = append(entries, e)
	}
	return entries
}

func TestWritesTheBytesThatPythonWrites(t *testing.T) {
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(want)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out.safetensors")
	if *keep != "" {
		path = *keep
	}
	if err := Write(path, entriesOf(t, f), f.Metadata()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("written %q\nwant    %q", got, want)
	}
}

func TestHeaderIsAligned(t *testing.T) {
	for n := range 20 {
		var buf bytes.Buffer
		name := strings.Repeat("n", n)
		if err := WriteTo(&buf, []Entry{{Name: name, DType: U8, Shape: []int{1}, Data: []byte{7}}}, nil); err != nil {
			t.Fatal(err)
		}
		if length := binary.LittleEndian.Uint64(buf.Bytes()); length%8 != 0 {
			t.Errorf("the header of a name of %d bytes takes %d bytes", n, length)
		}
		f, err := Parse(buf.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := f.Get(name); !ok || v.Data[0] != 7 {
			t.Errorf("%q: read back %v %v", name, ok, v)
		}
	}
}

func TestNoTensors(t *testing.T) {
	var buf bytes.Buffer
	if err := WriteTo(&buf, nil, map[string]string{"b": "2", "a": "1\n\"<"}); err != nil {
		t.Fatal(err)
	}
	f, err := Parse(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if m := f.Metadata(); len(f.Names()) != 0 || m["a"] != "1\n\"<" || m["b"] != "2" {
		t.Errorf("read back %v and %v", f.Names(), m)
	}
}

func TestFailedWriteLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.safetensors")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	one := Entry{Name: "a", DType: U8, Shape: []int{2}, Data: []byte{1, 2}}
	for name, bad := range map[string]Entry{
		"stream fails":  {Name: "b", DType: U8, Shape: []int{1}, Stream: func(io.Writer) error { return boom }},
		"too few":       {Name: "b", DType: U8, Shape: []int{3}, Data: []byte{1, 2}},
		"too many":      {Name: "b", DType: U8, Shape: []int{1}, Data: []byte{1, 2}},
		"same name":     one,
		"metadata":      {Name: "__metadata__", DType: U8, Shape: []int{0}},
		"not UTF-8":     {Name: "\xff", DType: U8, Shape: []int{0}},
		"unknown dtype": {Name: "b", DType: "F7", Shape: []int{0}},
		"negative":      {Name: "b", DType: U8, Shape: []int{-1}},
		"half a byte":   {Name: "b", DType: F4, Shape: []int{3}},
		"overflow":      {Name: "b", DType: U8, Shape: []int{1 << 62, 1 << 62}},
	} {
		if err := Write(path, []Entry{one, bad}, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got, _ := os.ReadFile(path); string(got) != "old" {
			t.Errorf("%s: the file now holds %q", name, got)
		}
		if files, _ := os.ReadDir(dir); len(files) != 1 {
			t.Errorf("%s: left behind %v", name, files)
		}
	}
	if err := Write(filepath.Join(dir, "absent", "x"), []Entry{one}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent folder: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a folder was opened")
	}
	path := filepath.Join(dir, "empty")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("empty file: %v, want its path in the error", err)
	}
}

func TestCloseTwice(t *testing.T) {
	f, err := Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, ok := f.Get("scalar"); ok {
		t.Error("a tensor was found in a closed file")
	}
}

func ExampleWriteTo() {
	var buf bytes.Buffer
	weights := []Entry{{Name: "conv_in.bias", DType: F16, Shape: []int{4}, Data: make([]byte, 8)}}
	if err := WriteTo(&buf, weights, map[string]string{"format": "pt"}); err != nil {
		fmt.Println(err)
		return
	}
	f, err := Parse(buf.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	v, _ := f.Get("conv_in.bias")
	fmt.Println(f.Names(), v.DType, v.Shape, len(v.Data))
	// Output: [conv_in.bias] F16 [4] 8
}
