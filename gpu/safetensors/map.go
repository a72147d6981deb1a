package safetensors

import "fmt"

// A Mapping is the memory of a mapped file; the zero value holds none.
type Mapping struct{ unmap func() error }

// OpenAs maps the file at path and has it parsed. What parse makes may share the
// bytes it is given: they are read from the file when they are first touched, until
// the Mapping is closed.
func OpenAs[F any](path string, parse func(data []byte) (F, error)) (file F, m Mapping, err error) {
	data, unmap, err := Map(path)
	if err != nil {
		return file, m, err
	}
	if file, err = parse(data); err != nil {
		unmap()
		return file, m, fmt.Errorf("%s: %w", path, err)
	}
	return file, Mapping{unmap}, nil
}

// Close gives the memory back. Further calls do nothing.
func (m *Mapping) Close() error {
	unmap := m.unmap
	m.unmap = nil
	if unmap == nil {
		return nil
	}
	return unmap()
}
