package torchfile

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
)

// parseZip reads the archive of torch.save since 1.6. Its files are stored as they
// are, so that tensors can be mapped.
func parseZip(data []byte) (any, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("damaged or truncated zip archive (%w); download it again", err)
	}
	files := map[string]*zip.File{}
	pickle := ""
	for _, f := range z.File {
		files[f.Name] = f
		if path.Base(f.Name) == "data.pkl" && (pickle == "" || len(f.Name) < len(pickle)) {
			pickle = f.Name
		}
	}
	if pickle == "" {
		return nil, errors.New("a zip archive without data.pkl: no file of torch.save")
	}
	root := strings.TrimSuffix(pickle, "data.pkl")
	content := func(name string) ([]byte, error) {
		f, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("%s is missing in the archive", short(name))
		}
		at, err := f.DataOffset()
		if err != nil {
			return nil, err
		}
		if f.Method != zip.Store || f.UncompressedSize64 > uint64(len(data)) || at < 0 || uint64(at)+f.UncompressedSize64 > uint64(len(data)) {
			return nil, fmt.Errorf("%s is compressed or damaged in the archive", short(name))
		}
		return data[at : uint64(at)+f.UncompressedSize64], nil
	}
	if order, err := content(root + "byteorder"); err == nil && string(order) == "big" {
		return nil, errors.New("its numbers are big-endian, which is not supported")
	}
	program, err := content(pickle)
	if err != nil {
		return nil, err
	}
	m := &machine{data: program}
	storages := map[string]*[]byte{}
	m.persistent = func(id any) (any, error) {
		s, err := storageOf(id)
		if err != nil {
			return nil, err
		}
		if storages[s.key] == nil {
			bytes, err := content(root + "data/" + s.key)
			if err != nil {
				return nil, err
			}
			storages[s.key] = &bytes
		}
		s.data = storages[s.key]
		return s, nil
	}
	return m.run()
}

// storageOf reads a persistent id: ("storage", type, key, device, elements).
func storageOf(id any) (storage, error) {
	bad := errors.New("damaged pickle: a storage with wrong arguments")
	t, _ := id.(tuple)
	if len(t) < 5 {
		return storage{}, bad
	}
	kind, ok := t[1].(global)
	key, ok1 := t[2].(string)
	n, ok2 := t[4].(int64)
	if t[0] != "storage" || !ok || !ok1 || !ok2 || n < 0 {
		return storage{}, bad
	}
	dtype := storageTypes[kind.name]
	if dtype == "" {
		return storage{}, bad
	}
	return storage{key: key, dtype: dtype, elems: int(n)}, nil
}

// The start of a stream: torch's magic number, of which long keeps the lowest 64
// bits, and the protocol.
const (
	streamMagic    = 0x6a20f9469cfc6c // of 0x1950a86a20f9469cfc6c
	streamProtocol = 1001
)

// parseStream reads what torch.save wrote before 1.6: five pickles (magic number,
// protocol, the machine's sizes, the value, the keys of its storages), then for
// each key the number of elements and their bytes.
func parseStream(data []byte) (any, error) {
	m := &machine{data: data}
	m.persistent = func(any) (any, error) {
		return nil, errors.New("damaged pickle: a storage where none may be")
	}
	magic, err := m.run()
	if err != nil {
		return nil, err
	}
	if n, _ := magic.(int64); n&(1<<56-1) != streamMagic&(1<<56-1) {
		return nil, errors.New("a pickle, but none of torch.save")
	}
	if version, err := m.run(); err != nil {
		return nil, err
	} else if version != int64(streamProtocol) {
		return nil, errors.New("a version of torch.save that is not supported")
	}
	if info, err := m.run(); err != nil {
		return nil, err
	} else if d, ok := info.(*dict); ok && d.get("little_endian") == false {
		return nil, errors.New("its numbers are big-endian, which is not supported")
	}
	storages := map[string]*storage{}
	m.persistent = func(id any) (any, error) {
		if t, _ := id.(tuple); len(t) > 1 && t[0] == "module" { // a class beside its source
			return t[1], nil
		}
		s, err := storageOf(id)
		if err != nil {
			return nil, err
		}
		if t := id.(tuple); len(t) > 5 && t[5] != nil {
			return nil, errors.New("views of storages are not supported")
		}
		if known := storages[s.key]; known != nil {
			return *known, nil
		}
		s.data = new([]byte)
		storages[s.key] = &s
		return s, nil
	}
	root, err := m.run()
	if err != nil {
		return nil, err
	}
	keys, err := m.run()
	if err != nil {
		return nil, err
	}
	order, ok := keys.(*list)
	if !ok {
		return nil, errors.New("damaged file: no list of storages")
	}
	for _, key := range order.items {
		name, _ := key.(string)
		s := storages[name]
		if s == nil {
			return nil, errors.New("damaged file: a storage that nothing uses")
		}
		n, err := m.uint(8)
		if err != nil {
			return nil, truncated(data)
		}
		if n != uint64(s.elems) {
			return nil, fmt.Errorf("damaged file: storage %s has %d elements in place of %d", short(name), n, s.elems)
		}
		if n > uint64(len(data)) {
			return nil, truncated(data)
		}
		if *s.data, err = m.bytes(int(n) * sizes[s.dtype]); err != nil {
			return nil, truncated(data)
		}
	}
	return root, nil
}

func truncated(data []byte) error {
	return fmt.Errorf("truncated after %d bytes; download it again", len(data))
}
