// Package safetensors reads and writes the safetensors file format
// (https://github.com/huggingface/safetensors): the length n of the header as a
// little-endian uint64, n bytes of JSON,
//
//	{"__metadata__": {"key": "text"},
//	 "name": {"dtype": "F16", "shape": [320, 4, 3, 3], "data_offsets": [0, 23040]}}
//
// and the tensors' bytes, little-endian and row-major, without gap or overlap.
//
// Files come from anywhere, so nothing in a header is trusted: whatever is wrong
// with it gives one error, and reading never takes more memory than a small
// multiple of the header's own size.
package safetensors

import (
	"fmt"
	"maps"
	"slices"
)

// The number formats of tensors, by their names in the file.
const (
	Bool      = "BOOL"
	F4        = "F4"
	F6E2M3    = "F6_E2M3"
	F6E3M2    = "F6_E3M2"
	U8        = "U8"
	I8        = "I8"
	F8E5M2    = "F8_E5M2"
	F8E4M3    = "F8_E4M3"
	F8E8M0    = "F8_E8M0"
	F8E4M3FNU = "F8_E4M3FNUZ"
	F8E5M2FNU = "F8_E5M2FNUZ"
	I16       = "I16"
	U16       = "U16"
	F16       = "F16"
	BF16      = "BF16"
	I32       = "I32"
	U32       = "U32"
	F32       = "F32"
	C64       = "C64"
	F64       = "F64"
	I64       = "I64"
	U64       = "U64"
)

// dtypes lists every format with its size in bits. Writing puts the last ones
// first, as the reference implementation does, which keeps all tensors aligned.
var dtypes = []struct {
	name string
	bits int
}{
	{Bool, 8}, {F4, 4}, {F6E2M3, 6}, {F6E3M2, 6},
	{U8, 8}, {I8, 8}, {F8E5M2, 8}, {F8E4M3, 8}, {F8E8M0, 8}, {F8E4M3FNU, 8}, {F8E5M2FNU, 8},
	{I16, 16}, {U16, 16}, {F16, 16}, {BF16, 16},
	{I32, 32}, {U32, 32}, {F32, 32},
	{C64, 64}, {F64, 64}, {I64, 64}, {U64, 64},
}

// rank returns the place of a format in dtypes, or -1.
func rank(dtype string) int {
	for i, d := range dtypes {
		if d.name == dtype {
			return i
		}
	}
	return -1
}

// metadataKey is the header's one key that names no tensor.
const metadataKey = "__metadata__"

// maxHeader is the reference implementation's limit on the header's length.
const maxHeader = 100_000_000

// A View is one tensor of a File. Its Data are the file's own bytes: they are
// only to be read, only until the File is closed, and may be unaligned.
type View struct {
	DType string // one of the formats above
	Shape []int  // outermost dimension first; empty for a scalar
	Data  []byte // little-endian, row-major
	// Scale is what a reader of quantised weights found that the numbers are to be
	// multiplied by; 0 is 1. Files say it in tensors of their own.
	Scale float32
}

// A File is an open safetensors file.
type File struct {
	tensors  map[string]View
	metadata map[string]string
	mapping  Mapping
}

// Open maps the file at path into memory; bytes are read when they are first
// touched. The file must not be shortened while it is open; replacing it by
// renaming, as Write does, is safe. The caller must Close it.
func Open(path string) (*File, error) {
	f, m, err := OpenAs(path, Parse)
	if err != nil {
		return nil, err
	}
	f.mapping = m
	return f, nil
}

// Parse reads a file that is already in memory; the Views share its bytes.
func Parse(data []byte) (*File, error) {
	header, body, err := split(data)
	if err != nil {
		return nil, err
	}
	infos, metadata, err := parseHeader(header)
	if err != nil {
		return nil, fmt.Errorf("damaged safetensors header: %w", err)
	}
	if err := checkLayout(infos, len(body), len(data)); err != nil {
		return nil, err
	}
	f := &File{tensors: make(map[string]View, len(infos)), metadata: metadata}
	for _, t := range infos {
		f.tensors[t.name] = View{DType: t.dtype, Shape: t.shape, Data: body[t.begin:t.end:t.end]}
	}
	return f, nil
}

// Names returns the names of all tensors, sorted.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.tensors)) }

// Get returns the tensor of that name, and whether there is one.
func (f *File) Get(name string) (View, bool) {
	v, ok := f.tensors[name]
	return v, ok
}

// Metadata returns a copy of the file's free key: text pairs, empty if it has none.
func (f *File) Metadata() map[string]string {
	if f.metadata == nil {
		return map[string]string{}
	}
	return maps.Clone(f.metadata)
}

// Close gives the file's memory back. Views taken from it must not be used any more.
func (f *File) Close() error {
	f.tensors = nil
	return f.mapping.Close()
}
