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
	unmap   func() error
}

// Open maps the file at path into memory; bytes are read when they are first
// touched. The caller must Close it.
func Open(path string) (*File, error) {
	data, unmap, err := safetensors.Map(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(data)
	if err != nil {
		unmap()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.unmap = unmap
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
	f := &File{tensors: map[string]*tensor{}, numbers: map[string]int64{}}
	f.collect(root)
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
	if f.unmap == nil {
		return nil
	}
	unmap := f.unmap
	f.unmap = nil
	return unmap()
}

// collect names the tensors inside the file's value.
func (f *File) collect(root any) {
	top, ok := root.(*dict)
	if !ok {
		f.flatten("", root, map[any]bool{}, 0)
		return
	}
	seen := map[any]bool{top: true}
	if state, ok := top.get("state_dict").(*dict); ok {
		f.flatten("", state, seen, 0)
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
		f.flatten(key, p.value, seen, 0)
	}
}

// maxDepth is deeper than any file of weights nests.
const maxDepth = 16

// flatten visits each container once, however often the file refers to it: the
// work is bounded by the file's size.
func (f *File) flatten(name string, v any, seen map[any]bool, depth int) {
	if depth > maxDepth {
		return
	}
	switch v := v.(type) {
	case *tensor:
		if _, taken := f.tensors[name]; !taken {
			f.tensors[name] = v
		}
	case *object:
		if !seen[v] {
			seen[v] = true
			f.flatten(name, v.state, seen, depth+1)
		}
	case *dict:
		if seen[v] {
			return
		}
		seen[v] = true
		for _, p := range v.pairs {
			if key, ok := keyText(p.key); ok {
				if key == "_parameters" || key == "_metadata" { // of an nn.Module; beside the names
					key = ""
				}
				f.flatten(join(name, key), p.value, seen, depth+1)
			}
		}
	}
}

func join(name, key string) string {
	if name == "" || key == "" {
		return name + key
	}
	return name + "." + key
}
