package gallery

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"unicode/utf16"
)

// EXIF (CIPA DC-008): a TIFF file of tags alone. AUTOMATIC1111 keeps infotext in
// UserComment, as UTF-16; ComfyUI its graph in Model, as "prompt:{…}".
const (
	tagMake        = 0x010f
	tagModel       = 0x0110
	tagExif        = 0x8769 // where the second table of tags stands
	tagUserComment = 0x9286
)

var errNoPicture = errors.New("not a PNG, JPEG or WebP picture")

// exifOfJPEG returns the EXIF block of a JPEG (ITU-T T.81, annex B: markers, each
// with its length), nil if there is none.
func exifOfJPEG(r io.Reader) ([]byte, error) {
	in := bufio.NewReader(r)
	in.Discard(2)
	for {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, errors.New("damaged JPEG: it ends too early")
		}
		size := int(binary.BigEndian.Uint16(head[2:])) - 2
		const app1, scan = 0xe1, 0xda
		switch {
		case head[0] != 0xff || size < 0:
			return nil, errors.New("damaged JPEG: no marker where one must be")
		case head[1] == scan:
			return nil, nil
		}
		data := make([]byte, size) // below 64 KiB
		if _, err := io.ReadFull(in, data); err != nil {
			return nil, errors.New("damaged JPEG: it ends too early")
		}
		if tiff, ok := bytes.CutPrefix(data, []byte("Exif\x00\x00")); ok && head[1] == app1 {
			return tiff, nil
		}
	}
}

// exifOfWebP returns the EXIF block of a WebP (RFC 9649, section 2.3: chunks of
// type, length and data), nil if there is none.
func exifOfWebP(r io.Reader) ([]byte, error) {
	in := bufio.NewReader(r)
	in.Discard(12)
	for {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err == io.EOF {
			return nil, nil
		} else if err != nil {
			return nil, errors.New("damaged WebP: it ends too early")
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		if string(head[:4]) != "EXIF" || size > maxText {
			if _, err := io.CopyN(io.Discard, in, size+size&1); err != nil {
				return nil, nil // the last chunk may lack its padding
			}
			continue
		}
		data, err := io.ReadAll(io.LimitReader(in, size))
		if err != nil || int64(len(data)) < size {
			return nil, errors.New("damaged WebP: it ends too early")
		}
		return bytes.TrimPrefix(data, []byte("Exif\x00\x00")), nil
	}
}

// parseEXIF returns the texts of an EXIF block by the keywords they have in a
// PNG. What is damaged is passed over.
func parseEXIF(tiff []byte) map[string]string {
	texts := map[string]string{}
	var order binary.ByteOrder
	switch {
	case len(tiff) < 8:
		return texts
	case string(tiff[:2]) == "MM":
		order = binary.BigEndian
	case string(tiff[:2]) == "II":
		order = binary.LittleEndian
	default:
		return texts
	}
	tags := func(at uint32, each func(tag uint16, value []byte)) {
		if int64(at)+2 > int64(len(tiff)) {
			return
		}
		entries := tiff[at+2:]
		for range order.Uint16(tiff[at:]) {
			if len(entries) < 12 {
				return
			}
			e := entries[:12]
			entries = entries[12:]
			unit := map[uint16]int64{1: 1, 2: 1, 4: 4, 7: 1}[order.Uint16(e[2:])] // bytes, text, long, any
			size := unit * int64(order.Uint32(e[4:]))
			value := e[8:]
			if size > 4 {
				from := int64(order.Uint32(e[8:]))
				if from+size > int64(len(tiff)) {
					continue
				}
				value = tiff[from:]
			}
			if size > 0 {
				each(order.Uint16(e), value[:min(size, int64(len(value)))])
			}
		}
	}
	tags(order.Uint32(tiff[4:]), func(tag uint16, value []byte) {
		switch tag {
		case tagMake, tagModel:
			text := strings.TrimRight(string(value), "\x00")
			if graph, ok := cutFold(text, "prompt:"); ok {
				texts["prompt"] = graph
			}
		case tagExif:
			if len(value) < 4 {
				return
			}
			tags(order.Uint32(value), func(tag uint16, value []byte) {
				if tag == tagUserComment {
					texts[keyword] = userComment(value, order)
				}
			})
		}
	})
	return texts
}

// cutFold is strings.CutPrefix where case does not count.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// userComment decodes a text that eight letters of its encoding precede.
func userComment(data []byte, order binary.ByteOrder) string {
	if len(data) < 8 {
		return ""
	}
	kind, text := string(bytes.TrimRight(data[:8], "\x00")), data[8:]
	if kind != "UNICODE" {
		return strings.ToValidUTF8(strings.TrimRight(string(text), "\x00"), "\ufffd")
	}
	// It should stand in the block's byte order, but most writers take big-endian
	// whatever that is. The zeros of ASCII letters tell.
	even, odd := 0, 0
	for i := 0; i+1 < len(text); i += 2 {
		if text[i] == 0 {
			even++
		}
		if text[i+1] == 0 {
			odd++
		}
	}
	switch {
	case even > odd:
		order = binary.BigEndian
	case odd > even:
		order = binary.LittleEndian
	}
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	return strings.Trim(string(utf16.Decode(units)), "\x00\ufeff")
}
