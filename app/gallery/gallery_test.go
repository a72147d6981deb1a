package gallery

import (
	"bytes"
	"compress/zlib"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func testImage() *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, 8, 6))
	for i := range img.Pix {
		img.Pix[i] = byte(37*i) | 1
	}
	return img
}

func TestSaveAndRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.png")
	for _, text := range nastyTexts {
		want := full(text, text).Complete()
		if err := Save(path, testImage(), want); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", text, diff)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(data)) // which checks every CRC
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(img.(*image.NRGBA).Pix, testImage().Pix) {
			t.Error("the pixels changed")
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}

// testdata holds pictures that Pillow wrote as AUTOMATIC1111 has it write them.
func TestReadsPicturesOfPillow(t *testing.T) {
	for name, prompt := range map[string]string{"latin1": "café, red", "unicode": "猫 🎨", "compressed": "zip zip", "itxt_compressed": "猫 zip"} {
		got, err := Read(filepath.Join("testdata", name+".png"))
		if err != nil {
			t.Error(err)
			continue
		}
		want := Recipe{Prompt: prompt, Negative: "bad", Steps: 3, Sampler: "Euler a", CFGScale: 7, Seed: 9, Width: 4, Height: 4, Model: "a,b"}.Complete()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTextChunkKind(t *testing.T) {
	for text, kind := range map[string]string{"plain": "tEXt", "café ÿ": "tEXt", "œ": "iTXt", "猫": "iTXt"} {
		if got := string(textChunk(text)[:4]); got != kind {
			t.Errorf("%q is in a %s chunk, want %s", text, got, kind)
		}
	}
}

// pngWith is a PNG with some chunks, each type and data, after its IHDR.
func pngWith(t testing.TB, chunks ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, testImage()); err != nil {
		t.Fatal(err)
	}
	data := buf.Bytes()
	out := slices.Clone(data[:ihdrEnd])
	for _, c := range chunks {
		out = appendChunk(out, []byte(c))
	}
	return append(out, data[ihdrEnd:]...)
}

func deflated(t testing.TB, n int) string {
	t.Helper()
	var buf bytes.Buffer
	z := zlib.NewWriter(&buf)
	z.Write(make([]byte, n))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestBrokenChunks(t *testing.T) {
	good := pngWith(t, "tEXtparameters\x00hello")
	flipped := slices.Clone(good)
	flipped[ihdrEnd+8+12] ^= 1
	long := slices.Clone(good)
	long[ihdrEnd] = 0xff
	for _, c := range []struct {
		name string
		data []byte
		want string // part of the error
	}{
		{"empty", nil, "not a PNG"},
		{"JPEG", []byte("\xff\xd8\xff\xe0 and so on"), "damaged JPEG"},
		{"no text", pngWith(t), "no recipe"},
		{"other text", pngWith(t, "tEXtSoftware\x00x"), "no recipe"},
		{"too much text", pngWith(t, "tEXtparameters\x00"+strings.Repeat("x", maxText)), "no recipe"},
		{"wrong CRC", flipped, "wrong checksum"},
		{"chunk too long", long, "impossible chunk length"},
		{"cut in the text", good[:ihdrEnd+15], "ends too early"},
		{"cut in the pixels", pngWith(t)[:ihdrEnd+15], "ends too early"},
		{"short iTXt", pngWith(t, "iTXtparameters\x00\x00"), "malformed iTXt"},
		{"iTXt without text", pngWith(t, "iTXtparameters\x00\x00\x00en\x00"), "malformed iTXt"},
		{"short zTXt", pngWith(t, "zTXtparameters"), "malformed zTXt"},
		{"zTXt of junk", pngWith(t, "zTXtparameters\x00\x00junk"), "compressed text"},
		{"zTXt bomb", pngWith(t, "zTXtparameters\x00\x00"+deflated(t, 8*maxText)), "bytes of text"},
	} {
		path := filepath.Join(t.TempDir(), "x.png")
		if err := os.WriteFile(path, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Read(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %+v, error %v, want %q", c.name, r, err, c.want)
		}
	}
	if texts, _, err := readPNG(bytes.NewReader(good)); err != nil || texts[keyword] != "hello" {
		t.Errorf("the unbroken one: %q, %v", texts, err)
	}
}

// Any bytes are read or refused, and a text that is there survives.
func FuzzReadText(f *testing.F) {
	f.Add(pngWith(f, "tEXtparameters\x00hello"))
	f.Add(pngWith(f, "iTXtparameters\x00\x00\x00\x00\x00猫"))
	f.Add(pngWith(f, "zTXtparameters\x00\x00"+deflated(f, 9)))
	f.Add(pngWith(f, "tEXtprompt\x00{}", "eXIfMM\x00*\x00\x00\x00\x08"))
	f.Add([]byte(signature))
	f.Fuzz(func(t *testing.T, data []byte) {
		texts, _, err := readPNG(bytes.NewReader(data))
		if err != nil || len(data) < ihdrEnd {
			return
		}
		text, ok := texts[keyword]
		// A text in Latin-1 grows in UTF-8, an iTXt may hold a NUL that tEXt may not.
		if !ok || len(text) > maxText/2 || strings.Contains(text, "\x00") {
			return
		}
		again, _, err := readPNG(bytes.NewReader(insertText(pngWith(t), text)))
		if err != nil || again[keyword] != text {
			t.Fatalf("%q came back as %q, %v", text, again, err)
		}
	})
}

func TestNextName(t *testing.T) {
	dir := t.TempDir()
	check := func(seed int64, want string) {
		t.Helper()
		if got, err := NextName(dir, seed); err != nil || got != want {
			t.Errorf("next name %q, %v; want %q", got, err, want)
		}
	}
	check(42, "00001-42.png")
	for _, name := range []string{"00007-1.png", "00003.png", "notes.txt", "-5-x.png", "x-9.png", "99999999999-1.png"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	check(-1, "00008--1.png")
	if _, err := NextName(filepath.Join(dir, "absent"), 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent folder: %v", err)
	}
}

func TestSaveNextNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	const workers, each = 4, 5
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if _, err := SaveNext(dir, testImage(), Recipe{Seed: 7}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	list, err := List(dir)
	if err != nil || len(list) != workers*each {
		t.Errorf("%d pictures, want %d: %v", len(list), workers*each, err)
	}
	if files, _ := os.ReadDir(dir); len(files) != workers*each {
		t.Errorf("%d files, want %d", len(files), workers*each)
	}
	if _, err := SaveNext(filepath.Join(dir, "absent"), testImage(), Recipe{}); err == nil {
		t.Error("saved into an absent folder")
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for i, r := range []Recipe{{Prompt: "a Red cat"}, {Prompt: "a red dog", Model: "postcard"}, {Prompt: "猫"}} {
		path := filepath.Join(dir, []string{"a.png", "b.png", "c.PNG"}[i])
		if err := Save(path, testImage(), r); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".hidden.png", "note.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.png"), 0o755); err != nil {
		t.Fatal(err)
	}
	list, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range list {
		names = append(names, filepath.Base(p.Path))
	}
	if got := strings.Join(names, " "); got != "c.PNG b.png a.png" {
		t.Errorf("List gives %q", got)
	}
}

func TestThumbnail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.png")
	img := image.NewNRGBA(image.Rect(0, 0, 400, 200))
	for i := range img.Pix {
		img.Pix[i] = 200
	}
	if err := Save(path, img, Recipe{}); err != nil {
		t.Fatal(err)
	}
	small, err := Thumbnail(path, 100)
	if err != nil {
		t.Fatal(err)
	}
	if small.Bounds() != image.Rect(0, 0, 100, 50) || small.NRGBAAt(50, 25) != (color.NRGBA{200, 200, 200, 200}) {
		t.Errorf("thumbnail %v, middle %v", small.Bounds(), small.NRGBAAt(50, 25))
	}
}
