package safetensors

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"
)

// file puts a header's length before it and a body behind it.
func file(header string, body int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, body)...)
}

func TestBrokenFiles(t *testing.T) {
	tensor := func(s string) []byte { return file(`{"t":`+s+`}`, 8) }
	deep := strings.Repeat("[", 1<<20)
	for _, c := range []struct {
		data []byte
		want string // part of the error
	}{
		{nil, "an empty file"},
		{[]byte("abc"), "only 3 bytes"},
		{[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3438354725\n"), "Git LFS pointer"},
		{[]byte("\n<!DOCTYPE html><html><head>"), "web page"},
		{[]byte("\xef\xbb\xbf<HTML lang=en>"), "web page"},
		{[]byte("PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl"), "zip archive"},
		{[]byte("\x80\x02}q\x00(X\x0a\x00\x00\x00state_dict"), "pickle"},
		{[]byte("GGUF\x03\x00\x00\x00\x00\x00"), "GGUF"},
		{[]byte(`{"error":"Access to model is restricted"}`), "JSON text"},
		{[]byte("some other text altogether"), "some other kind"},
		{file(`{"t":`, 0)[:12], "truncated: 12 of more than 13 bytes"},
		{file(`{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 3), "truncated: 65 of 70 bytes"},
		{append(binary.LittleEndian.AppendUint64(nil, 1<<63), '{'), "some other kind"},
		{file(`{`, 0), "ends too early"},
		{file(`{}x`, 0), "text after its end"},
		{file("{\"\xff\":1}", 0), "not UTF-8"},
		{file(`{"t":`+deep, 0), "in place of {"},
		{tensor(`{"dtype":"F32","shape":` + deep + `}`), "not a size"},
		{tensor(`7`), "in place of {"},
		{tensor(`{}`), "shape is missing"},
		{tensor(`{"dtype":"F32","shape":[2]}`), "data_offsets"},
		{tensor(`{"dtype":"F32","shape":[2],"data_offsets":[8,0]}`), "data_offsets"},
		{tensor(`{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}`), "data_offsets"},
		{tensor(`{"dtype":"F32","shape":[2],"data_offsets":[0,8],"extra":{}}`), `"extra": unknown`},
		{tensor(`{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}`), "stands twice"},
		{tensor(`{"dtype":"F31","shape":[2],"data_offsets":[0,8]}`), "unknown dtype"},
		{tensor(`{"dtype":7,"shape":[2],"data_offsets":[0,8]}`), "not a text"},
		{tensor(`{"dtype":"F32","shape":[3],"data_offsets":[0,8]}`), "takes 12 bytes"},
		{tensor(`{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}`), "not a size"},
		{tensor(`{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}`), "not a size"},
		{tensor(`{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}`), "not a size"},
		{tensor(`{"dtype":"F4","shape":[3],"data_offsets":[0,1]}`), "whole number of bytes"},
		{tensor(`{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}`), "impossible shape"},
		{tensor(`{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,0]}`), "not a size"},
		{tensor(`{"dtype":"F32","shape":[2],"data_offsets":[4,12]}`), "gap"},
		{tensor(`{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`), "4 bytes after the last tensor"},
		{tensor(`{"dtype":"U8","shape":[1152921504606846975],"data_offsets":[0,1152921504606846975]}`), "truncated"},
		{file(`{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}}`, 8), "stands twice"},
		{file(`{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}`, 8), "overlaps"},
		{file(`{"__metadata__":{"a":1}}`, 0), "not a text"},
		{file(`{"__metadata__":{"a":"1","a":"2"}}`, 0), "stands twice"},
	} {
		f, err := Parse(c.data)
		if err == nil {
			t.Errorf("%.80q: no error, %v", c.data, f.Names())
			continue
		}
		if msg := err.Error(); !strings.Contains(msg, c.want) || strings.Contains(msg, "\n") || len(msg) > 500 {
			t.Errorf("%.80q: error %q, want one line with %q", c.data, msg, c.want)
		}
	}
}

// wellFormed checks what Parse accepts, and that it survives writing and reading.
func wellFormed(t *testing.T, data []byte) {
	t.Helper()
	first, err := Parse(data)
	if err != nil {
		return
	}
	total := 0
	for _, name := range first.Names() {
		v, _ := first.Get(name)
		if size, err := byteSize(v.DType, v.Shape); err != nil || size != len(v.Data) {
			t.Fatalf("%q: %s %v with %d bytes", name, v.DType, v.Shape, len(v.Data))
		}
		total += len(v.Data)
	}
	if total > len(data) {
		t.Fatalf("%d bytes of tensors in a file of %d", total, len(data))
	}
	var buf bytes.Buffer
	if err := WriteTo(&buf, entriesOf(t, first), first.Metadata()); err != nil {
		t.Fatal(err)
	}
	second, err := Parse(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := first.Names(), second.Names(); !slices.Equal(a, b) {
		t.Fatalf("names %q became %q", a, b)
	}
	for _, name := range first.Names() {
		a, _ := first.Get(name)
		b, _ := second.Get(name)
		if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) || !bytes.Equal(a.Data, b.Data) {
			t.Fatalf("%q changed", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, name := range []string{ // of diffusers, PEFT and kohya
		"../../app/library/testdata/sdxl/text_encoder_2/model.safetensors", "../../app/library/lora/testdata/sd1_lokr_whole.safetensors",
		"../../app/library/lora/testdata/sd1_peft.safetensors", "../half/testdata/float8.safetensors",
	} {
		if data, err = os.ReadFile(name); err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(file(`{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"a":"b"}}`, 8))
	f.Add(file(`{"t":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}`, 2))
	f.Add(file(`{}`, 0))
	f.Fuzz(wellFormed)
}

// FuzzHeader changes the JSON without breaking the length before it.
func FuzzHeader(f *testing.F) {
	for _, name := range []string{golden, "../half/testdata/float8.safetensors", "../../app/library/lora/testdata/sd1_lokr_whole.safetensors"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		header, body, err := split(data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(header), uint16(len(body)))
	}
	f.Add(`{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"a":"b"}}`, uint16(8))
	f.Add(`{"b":{"dtype":"F4","shape":[4],"data_offsets":[1,3]},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`, uint16(3))
	f.Fuzz(func(t *testing.T, header string, body uint16) { wellFormed(t, file(header, int(body))) })
}
