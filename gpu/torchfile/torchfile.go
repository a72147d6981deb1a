// Package torchfile reads the weights in files that PyTorch's torch.save wrote
// (.ckpt, .pt, .bin): a zip archive with a pickle, data.pkl, and the bytes of the
// tensors, or the stream of pickles of versions before 1.6.
//
// A pickle is a program, and in a file from anywhere it may be one that does harm.
// The machine here knows how to put together numbers, texts, lists, dictionaries
// and tensors; it can call nothing, and a file that names anything beyond what
// weights need gives a *GlobalError.
package torchfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"latent/gpu/safetensors"
)

// File is an open file of weights.
type File struct {
	tensors map[string]*tensor
	numbers map[string]int64 // whole numbers beside the tensors, such as global_step
	room    int              // bytes that names may still take
	mapping safetensors.Mapping
}

// Open maps the file at path into memory; bytes are read when they are first
// touched. The caller must Close it.
func Open(path string) (*File, error) {
	f, m, err := safetensors.OpenAs(path, Parse)
	if err != nil {
		return nil, err
	}
	f.mapping = m
	return f, nil
}

// Is tells by its first bytes whether a file may be of this kind.
func Is(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) ||
		len(head) > 1 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5
}

// Parse reads a file that is already in memory; the Views share its bytes.
func Parse(data []byte) (*File, error) {
	read := parseStream
	if bytes.HasPrefix(data, []byte("PK")) {
		read = parseZip
	}
	root, err := read(data)
	if err != nil {
		return nil, err
	}
	f := newFile(len(data))
	if err := f.collect(root); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(f.tensors)) {
		if err := f.tensors[name].check(); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", short(name), err)
		}
	}
	if len(f.tensors) == 0 {
		return nil, errors.New("a pickle without tensors")
	}
	return f, nil
}

// newFile is one of size bytes without tensors. All names together take no more
// than some times the file: one dictionary inside another could make any length.
func newFile(size int) *File {
	return &File{tensors: map[string]*tensor{}, numbers: map[string]int64{}, room: 8*size + 4096}
}

// Names returns the names of all tensors, sorted: those inside "state_dict"
// without that prefix, those in other dictionaries with their path. Whole numbers
// at the top count as tensors of one I64.
func (f *File) Names() []string {
	names := slices.Collect(maps.Keys(f.tensors))
	for name := range f.numbers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Get returns the tensor of that name, and whether there is one.
func (f *File) Get(name string) (safetensors.View, bool) {
	if t, ok := f.tensors[name]; ok {
		return t.view(), true
	}
	if n, ok := f.numbers[name]; ok {
		return safetensors.View{DType: safetensors.I64, Shape: []int{}, Data: binary.LittleEndian.AppendUint64(nil, uint64(n))}, true
	}
	return safetensors.View{}, false
}

// Close gives the file's memory back. Views taken from it must not be used any more.
func (f *File) Close() error {
	f.tensors = nil
	return f.mapping.Close()
}

// collect names the tensors inside the file's value.
func (f *File) collect(root any) error {
	top, ok := root.(*dict)
	if !ok {
		return f.flatten("", root, map[any]bool{}, 0)
	}
	seen := map[any]bool{top: true}
	if state, ok := top.get("state_dict").(*dict); ok {
		if err := f.flatten("", state, seen, 0); err != nil {
			return err
		}
	}
	for _, p := range top.pairs {
		key, ok := keyText(p.key)
		if !ok || key == "state_dict" {
			continue
		}
		if n, ok := p.value.(int64); ok {
			if _, taken := f.tensors[key]; !taken {
				f.numbers[key] = n
			}
			continue
		}
		if err := f.flatten(key, p.value, seen, 0); err != nil {
			return err
		}
	}
	return nil
}

// maxDepth is deeper than any file of weights nests.
const maxDepth = 16

// flatten visits each container once, however often the file refers to it: the
// work is bounded by the file's size.
func (f *File) flatten(name string, v any, seen map[any]bool, depth int) error {
	if depth > maxDepth {
		return nil
	}
	switch v := v.(type) {
	case *tensor:
		if _, taken := f.tensors[name]; !taken {
			f.tensors[name] = v
		}
	case *object:
		if !seen[v] {
			seen[v] = true
			return f.flatten(name, v.state, seen, depth+1)
		}
	case *dict:
		if seen[v] {
			return nil
		}
		seen[v] = true
		for _, p := range v.pairs {
			key, ok := keyText(p.key)
			if !ok || !named(p.value) {
				continue
			}
			if key == "_parameters" || key == "_metadata" { // of an nn.Module; beside the names
				key = ""
			}
			if f.room -= len(name) + len(key); f.room < 0 {
				return errors.New("damaged pickle: names without end")
			}
			if err := f.flatten(join(name, key), p.value, seen, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// named tells whether a value is a tensor or may hold some.
func named(v any) bool {
	switch v.(type) {
	case *tensor, *object, *dict:
		return true
	}
	return false
}

func join(name, key string) string {
	if name == "" || key == "" {
		return name + key
	}
	return name + "." + key
}
