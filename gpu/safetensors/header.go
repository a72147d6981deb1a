package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// info is one tensor's entry in the header. Its bytes are [begin, end) of what
// follows the header.
type info struct {
	name       string
	dtype      string
	shape      []int
	begin, end int
}

// split cuts a file into its header's JSON and the bytes after it.
func split(data []byte) (header, body []byte, err error) {
	var n uint64
	if len(data) >= 8 {
		n = binary.LittleEndian.Uint64(data)
	}
	if len(data) < 9 || data[8] != '{' || n > maxHeader {
		return nil, nil, fmt.Errorf("not a safetensors file but %s", foreign(data))
	}
	rest := data[8:]
	if n > uint64(len(rest)) {
		return nil, nil, fmt.Errorf("truncated: %d of more than %d bytes; download it again", len(data), 8+n)
	}
	return rest[:n], rest[n:], nil
}

// foreign names what people often have in place of the file they wanted.
func foreign(data []byte) string {
	start := bytes.ToLower(bytes.TrimLeft(data[:min(len(data), 256)], " \t\r\n\ufeff"))
	has := func(prefix string) bool { return bytes.HasPrefix(start, []byte(prefix)) }
	switch {
	case len(data) == 0:
		return "an empty file"
	case has("version https://git-lfs"):
		return "a Git LFS pointer; fetch the real file with git lfs pull or download it"
	case has("<!doctype"), has("<html"), has("<?xml"):
		return "a web page, perhaps an error page or a login; download the file again"
	case has("pk\x03\x04"):
		return "a zip archive, perhaps a PyTorch checkpoint (.ckpt, .pt), which can run code when loaded; convert it to safetensors"
	case len(data) > 1 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5:
		return "a Python pickle, perhaps a checkpoint (.ckpt, .pt), which can run code when loaded; convert it to safetensors"
	case has("gguf"):
		return "a GGUF file"
	case has(`{"`):
		return "JSON text, perhaps an error message; download the file again"
	case len(data) < 9:
		return fmt.Sprintf("only %d bytes; download it again", len(data))
	}
	return "some other kind"
}

// parseHeader reads the header's JSON token by token, which finds duplicate
// keys, and accepts nothing but the format's own three levels.
func parseHeader(header []byte) ([]info, map[string]string, error) {
	if !utf8.Valid(header) {
		return nil, nil, errors.New("it is not UTF-8 text")
	}
	p := parser{json.NewDecoder(bytes.NewReader(header))}
	p.dec.UseNumber()
	var infos []info
	var metadata map[string]string
	err := p.object(func(name string) (err error) {
		if name == metadataKey {
			metadata, err = p.metadata()
			return err
		}
		t, err := p.info(name)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", short(name), err)
		}
		infos = append(infos, t)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if _, err := p.dec.Token(); err != io.EOF {
		return nil, nil, errors.New("text after its end")
	}
	return infos, metadata, nil
}

// A parser reads the few kinds of value a header may hold.
type parser struct{ dec *json.Decoder }

// token returns the next token, or an error that mentions no more of the text
// than it must.
func (p parser) token() (json.Token, error) {
	tok, err := p.dec.Token()
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("it ends too early")
	}
	return tok, err
}

func (p parser) delim(want json.Delim) error {
	tok, err := p.token()
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("%v in place of %v", short(fmt.Sprint(tok)), want)
	}
	return nil
}

// object reads {…}, calling value after each key. A key may stand only once.
func (p parser) object(value func(key string) error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for p.dec.More() {
		tok, err := p.token()
		if err != nil {
			return err
		}
		key := tok.(string) // the decoder lets nothing else be a key
		if seen[key] {
			return fmt.Errorf("key %s stands twice", short(key))
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return p.delim('}')
}

func (p parser) text() (string, error) {
	tok, err := p.token()
	if err != nil {
		return "", err
	}
	s, ok := tok.(string)
	if !ok {
		return "", fmt.Errorf("%s is not a text", short(fmt.Sprint(tok)))
	}
	return s, nil
}

// maxRank is that of PyTorch's tensors.
const maxRank = 64

// sizes reads an array of whole numbers, none below 0.
func (p parser) sizes() ([]int, error) {
	if err := p.delim('['); err != nil {
		return nil, err
	}
	list := []int{}
	for p.dec.More() {
		tok, err := p.token()
		if err != nil {
			return nil, err
		}
		number, _ := tok.(json.Number)
		n, err := strconv.ParseUint(string(number), 10, strconv.IntSize-1)
		if err != nil {
			return nil, fmt.Errorf("%s is not a size", short(fmt.Sprint(tok)))
		}
		if list = append(list, int(n)); len(list) > maxRank {
			return nil, fmt.Errorf("more than %d sizes", maxRank)
		}
	}
	return list, p.delim(']')
}

func (p parser) metadata() (map[string]string, error) {
	m := make(map[string]string)
	err := p.object(func(key string) (err error) {
		m[key], err = p.text()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metadataKey, err)
	}
	return m, nil
}

// info reads the entry of one tensor and checks that its bytes are as many as
// its shape needs.
func (p parser) info(name string) (info, error) {
	t := info{name: name}
	var offsets []int
	err := p.object(func(key string) (err error) {
		switch key {
		case "dtype":
			t.dtype, err = p.text()
		case "shape":
			t.shape, err = p.sizes()
		case "data_offsets":
			offsets, err = p.sizes()
		default:
			err = errors.New("unknown")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", short(key), err)
		}
		return nil
	})
	if err != nil {
		return info{}, err
	}
	if t.shape == nil {
		return info{}, errors.New("shape is missing")
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return info{}, errors.New("data_offsets is not [begin, end]")
	}
	t.begin, t.end = offsets[0], offsets[1]
	size, err := byteSize(t.dtype, t.shape)
	if err != nil {
		return info{}, err
	}
	if size != t.end-t.begin {
		return info{}, fmt.Errorf("%s %s takes %d bytes, its data_offsets hold %d",
			t.dtype, short(fmt.Sprint(t.shape)), size, t.end-t.begin)
	}
	return t, nil
}

// byteSize returns the bytes that a tensor takes.
func byteSize(dtype string, shape []int) (int, error) {
	r := rank(dtype)
	if r < 0 {
		return 0, fmt.Errorf("unknown dtype %s", short(dtype))
	}
	n := uint64(dtypes[r].bits)
	for _, d := range shape {
		hi, lo := bits.Mul64(n, uint64(d))
		if d < 0 || hi != 0 {
			return 0, fmt.Errorf("impossible shape %s", short(fmt.Sprint(shape)))
		}
		n = lo
	}
	if n%8 != 0 || n/8 > math.MaxInt {
		return 0, fmt.Errorf("%s %s is not a whole number of bytes", dtype, short(fmt.Sprint(shape)))
	}
	return int(n / 8), nil
}

// checkLayout makes sure that the tensors fill the body: no gap, no overlap,
// nothing outside, nothing left over.
func checkLayout(infos []info, body, file int) error {
	byPlace := slices.Clone(infos)
	slices.SortFunc(byPlace, func(a, b info) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	end := 0
	for _, t := range byPlace {
		if t.begin != end {
			what := "overlaps the one before it"
			if t.begin > end {
				what = "leaves a gap before it"
			}
			return fmt.Errorf("damaged safetensors header: tensor %s at [%d, %d] %s", short(t.name), t.begin, t.end, what)
		}
		end = t.end
	}
	switch {
	case end > body && end <= math.MaxInt-(file-body):
		return fmt.Errorf("truncated: %d of %d bytes; download it again", file, file-body+end)
	case end > body:
		return fmt.Errorf("damaged safetensors header: data_offsets reach %d, far beyond any file", end)
	case end < body:
		return fmt.Errorf("damaged safetensors file: %d bytes after the last tensor", body-end)
	}
	return nil
}

// short quotes text out of a file for an error message.
func short(s string) string {
	if r := []rune(s[:min(len(s), 400)]); len(s) > 400 || len(r) > 100 {
		s = string(r[:min(len(r), 100)]) + "…"
	}
	return strconv.Quote(s)
}
