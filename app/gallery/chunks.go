package gallery

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
)

// PNG (W3C Recommendation "Portable Network Graphics", 3rd edition, sections 5
// and 11.3.3): a signature, then chunks of length, type, data and CRC.

const (
	signature = "\x89PNG\r\n\x1a\n"
	keyword   = "parameters" // of the text chunk that holds the recipe
	maxText   = 1 << 20      // bytes of a text chunk, packed or not, and of an EXIF block
	ihdrEnd   = len(signature) + 12 + 13
)

var errNoRecipe = errors.New("no recipe in this picture")

// insertText returns the PNG with one more text chunk, right after its IHDR.
func insertText(png []byte, text string) []byte {
	out := make([]byte, 0, len(png)+len(text)+64)
	out = append(out, png[:ihdrEnd]...)
	out = appendChunk(out, textChunk(text))
	return append(out, png[ihdrEnd:]...)
}

// textChunk returns type and data: tEXt as long as Latin-1 suffices, else iTXt.
func textChunk(text string) []byte {
	if latin1, ok := toLatin1(text); ok {
		return append([]byte("tEXt"+keyword+"\x00"), latin1...)
	}
	// Not compressed, no language, no translated keyword.
	return []byte("iTXt" + keyword + "\x00" + "\x00\x00" + "\x00" + "\x00" + text)
}

func appendChunk(out, typeAndData []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(typeAndData)-4))
	out = append(out, typeAndData...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(typeAndData))
}

// keywords are the text chunks that recipes are in, of Latent and others.
var keywords = []string{keyword, "prompt", "invokeai_metadata", "Comment", "Description", "Software", "Source", "Title"}

// readPNG returns the texts that stand under the keywords in a PNG, and its EXIF
// block. It decodes no pixels, and stops where the recipe itself is found.
func readPNG(r io.Reader) (texts map[string]string, exif []byte, err error) {
	in := bufio.NewReader(r)
	start := make([]byte, len(signature))
	if _, err := io.ReadFull(in, start); err != nil || string(start) != signature {
		return nil, nil, errors.New("not a PNG picture")
	}
	texts = map[string]string{}
	for {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, nil, cutOff(err)
		}
		size, kind := binary.BigEndian.Uint32(head[:]), string(head[4:])
		if size > 1<<31-1 {
			return nil, nil, errors.New("damaged PNG: impossible chunk length")
		}
		switch {
		case kind == "IEND":
			return texts, exif, nil
		case kind != "tEXt" && kind != "iTXt" && kind != "zTXt" && kind != "eXIf" || size > maxText:
			if _, err := io.CopyN(io.Discard, in, int64(size)+4); err != nil {
				return nil, nil, cutOff(err)
			}
			continue
		}
		// Not made at once: a length is quickly written.
		data, err := io.ReadAll(io.LimitReader(in, int64(size)+4))
		if err != nil || len(data) < int(size)+4 {
			return nil, nil, cutOff(cmp.Or(err, io.EOF))
		}
		data, sum := data[:size], binary.BigEndian.Uint32(data[size:])
		if crc32.Update(crc32.ChecksumIEEE(head[4:]), crc32.IEEETable, data) != sum {
			return nil, nil, fmt.Errorf("damaged PNG: wrong checksum of a %s chunk", kind)
		}
		if kind == "eXIf" {
			exif = data
			continue
		}
		word, rest, _ := bytes.Cut(data, []byte{0})
		name := string(word)
		if _, have := texts[name]; have || !slices.Contains(keywords, name) {
			continue
		}
		if texts[name], err = decodeText(kind, rest); err != nil {
			return nil, nil, err
		}
		if name == keyword {
			return texts, exif, nil
		}
	}
}

func cutOff(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("damaged PNG: it ends too early")
	}
	return err
}

// decodeText reads what follows the keyword and its NUL.
func decodeText(kind string, data []byte) (string, error) {
	bad := fmt.Errorf("damaged PNG: malformed %s chunk", kind)
	switch kind {
	case "zTXt":
		if len(data) < 1 {
			return "", bad
		}
		latin1, err := inflate(data[1:])
		return fromLatin1(latin1), err
	case "iTXt":
		if len(data) < 2 {
			return "", bad
		}
		compressed := data[0] == 1
		parts := bytes.SplitN(data[2:], []byte{0}, 3) // language, translated keyword, text
		if len(parts) < 3 {
			return "", bad
		}
		text := parts[2]
		if compressed {
			var err error
			if text, err = inflate(text); err != nil {
				return "", err
			}
		}
		return strings.ToValidUTF8(string(text), "\ufffd"), nil
	default:
		return fromLatin1(data), nil
	}
}

func inflate(data []byte) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("damaged PNG: compressed text: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, maxText+1))
	if err != nil {
		return nil, fmt.Errorf("damaged PNG: compressed text: %w", err)
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("damaged PNG: more than %d bytes of text", maxText)
	}
	return text, nil
}

// toLatin1 returns s in Latin-1, if that has all of its letters.
func toLatin1(s string) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}

func fromLatin1(data []byte) string {
	var b strings.Builder
	for _, c := range data {
		b.WriteRune(rune(c))
	}
	return b.String()
}
