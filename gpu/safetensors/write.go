package safetensors

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"latent/gpu/atomicfile"
)

// An Entry is a tensor to be written: its bytes, little-endian and row-major,
// are Data, or, if Stream is set, what Stream writes when its turn comes, so
// that a large model need never be in memory twice.
type Entry struct {
	Name   string
	DType  string
	Shape  []int
	Data   []byte
	Stream func(io.Writer) error
}

// Write replaces the file at path by a safetensors file, whole or not at all.
func Write(path string, entries []Entry, metadata map[string]string) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		if err := WriteTo(w, entries, metadata); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		return nil
	})
}

// WriteTo writes a safetensors file to w. The same entries, in any order, give
// the same bytes: tensors stand by format, the widest first, then by name.
func WriteTo(w io.Writer, entries []Entry, metadata map[string]string) error {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(rank(b.DType), rank(a.DType)), cmp.Compare(a.Name, b.Name))
	})
	header, err := encodeHeader(entries, metadata)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<20)
	if _, err := out.Write(header); err != nil {
		return err
	}
	for _, e := range entries {
		size, _ := byteSize(e.DType, e.Shape) // checked by encodeHeader
		exact := &exactWriter{w: out, left: size}
		if e.Stream != nil {
			err = e.Stream(exact)
		} else {
			_, err = exact.Write(e.Data)
		}
		if err == nil && exact.left > 0 {
			err = fmt.Errorf("%d bytes are missing", exact.left)
		}
		if err != nil {
			return fmt.Errorf("tensor %q: %w", e.Name, err)
		}
	}
	return out.Flush()
}

// encodeHeader returns the length and the JSON, filled up with spaces so that
// the tensors begin at a multiple of 8.
func encodeHeader(entries []Entry, metadata map[string]string) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 8))
	buf.WriteByte('{')
	if len(metadata) > 0 {
		if err := encodePair(buf, metadataKey, metadata); err != nil {
			return nil, err
		}
	}
	type fields struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	seen := make(map[string]bool)
	end := 0
	for _, e := range entries {
		size, err := byteSize(e.DType, e.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", e.Name, err)
		}
		if seen[e.Name] || e.Name == metadataKey || !utf8.ValidString(e.Name) {
			return nil, fmt.Errorf("tensor %q: this name cannot be used, or stands twice", e.Name)
		}
		seen[e.Name] = true
		shape := append([]int{}, e.Shape...) // a nil shape would be null
		if err := encodePair(buf, e.Name, fields{e.DType, shape, [2]int{end, end + size}}); err != nil {
			return nil, err
		}
		end += size
	}
	buf.WriteByte('}')
	for buf.Len()%8 != 0 {
		buf.WriteByte(' ')
	}
	if buf.Len()-8 > maxHeader {
		return nil, fmt.Errorf("the header takes %d bytes, more than readers accept", buf.Len()-8)
	}
	binary.LittleEndian.PutUint64(buf.Bytes(), uint64(buf.Len()-8))
	return buf.Bytes(), nil
}

// encodePair appends "key":value, after a comma unless it is the first.
func encodePair(buf *bytes.Buffer, key string, value any) error {
	if buf.Bytes()[buf.Len()-1] != '{' {
		buf.WriteByte(',')
	}
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(key); err != nil {
		return err
	}
	buf.Bytes()[buf.Len()-1] = ':' // in place of Encode's newline
	if err := enc.Encode(value); err != nil {
		return err
	}
	buf.Truncate(buf.Len() - 1)
	return nil
}

// exactWriter passes on as many bytes as a tensor has and refuses more.
type exactWriter struct {
	w    io.Writer
	left int
}

func (e *exactWriter) Write(p []byte) (int, error) {
	if len(p) > e.left {
		return 0, errors.New("more bytes than its shape takes")
	}
	n, err := e.w.Write(p)
	e.left -= n
	return n, err
}
