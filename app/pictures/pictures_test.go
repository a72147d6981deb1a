package pictures

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func near(got, want color.NRGBA) bool {
	for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B), int(got.A) - int(want.A)} {
		if d < -12 || d > 12 { // what JPEG and lossy WebP lose
			return false
		}
	}
	return true
}

var red, blue = color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}

func TestLoad(t *testing.T) {
	for _, name := range []string{"rgb.png", "palette.png", "rgba.webp", "rgb.webp", "alpha.webp", "rgb.jpg", "cmyk.jpg", "sideways.jpg"} {
		img, err := Load(filepath.Join("testdata", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if img.Bounds() != image.Rect(0, 0, 8, 4) || !near(img.NRGBAAt(1, 2), red) || !near(img.NRGBAAt(6, 2), blue) {
			t.Errorf("%s: %v, %v at the left and %v at the right", name, img.Bounds(), img.NRGBAAt(1, 2), img.NRGBAAt(6, 2))
		}
		want := uint8(255)
		if name == "alpha.webp" {
			want = 128
		}
		if got := img.NRGBAAt(0, 0).A; got != want {
			t.Errorf("%s: alpha %d at the top left, want %d", name, got, want)
		}
	}
	if _, err := Load(filepath.Join("testdata", "absent.png")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := Load("testdata"); err == nil {
		t.Error("a folder was loaded")
	}
}

func TestTransparentPixelsKeepTheirColour(t *testing.T) {
	src := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	copy(src.Pix, []byte{10, 20, 30, 0, 200, 100, 50, 1, 1, 2, 3, 128, 255, 255, 255, 255})
	var buf bytes.Buffer
	if err := png.Encode(&buf, src); err != nil {
		t.Fatal(err)
	}
	img, err := Decode(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(img.Pix, src.Pix) {
		t.Errorf("pixels %v, want %v", img.Pix, src.Pix)
	}
}

// hugePNG claims a size that no memory could hold.
func hugePNG() []byte {
	ihdr := []byte("IHDR\x7f\xff\xff\xff\x00\x10\x00\x00\x08\x06\x00\x00\x00")
	data := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), ihdr...)
	return binary.BigEndian.AppendUint32(data, crc32.ChecksumIEEE(ihdr))
}

// badIndex is a paletted PNG with a pixel beyond its one colour.
func badIndex(t testing.TB) []byte {
	t.Helper()
	img := image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{red})
	for i := range img.Pix {
		img.Pix[i] = 1
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestRefuses(t *testing.T) {
	whole, err := os.ReadFile("testdata/rgb.png")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":        {nil, "not a PNG, JPEG or WebP"},
		"GIF":          {[]byte("GIF89a\x01\x00\x01\x00"), "not a PNG, JPEG or WebP"},
		"BMP":          {[]byte("BM\x00\x00\x00\x00"), "not a PNG, JPEG or WebP"},
		"TIFF":         {[]byte("II*\x00\x08\x00\x00\x00"), "not a PNG, JPEG or WebP"},
		"RIFF":         {[]byte("RIFF"), "not a PNG, JPEG or WebP"},
		"cut PNG":      {whole[:len(whole)-20], "damaged PNG"},
		"cut JPEG":     {[]byte("\xff\xd8\xff\xe0"), "damaged JPEG"},
		"cut WebP":     {[]byte("RIFF\x10\x00\x00\x00WEBPVP8 "), "damaged WebP"},
		"huge PNG":     {hugePNG(), "make it smaller"},
		"beyond limit": {make([]byte, maxBytes+1), "more than 128 MB"},
	} {
		img, err := Decode(c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, error %v, want one line with %q", name, img != nil, err, c.want)
		}
	}
}

// A picture beyond the limit is not decoded, and not called damaged.
func TestTooLarge(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewPaletted(image.Rect(0, 0, 10_000, 10_000), color.Palette{red, blue})); err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(b.Bytes()); err == nil || !strings.HasPrefix(err.Error(), "10000×10000 pixels, more than the 67 million") {
		t.Error(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	Decode(b.Bytes())
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes to find out that it is too large", n)
	}
}

// A file that no memory should hold is refused unread.
func TestLoadReadsNoMoreThanItNeeds(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewPaletted(image.Rect(0, 0, 10_000, 10_000), color.Palette{red, blue})); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		head []byte
		size int64
		want string
	}{
		"long":            {[]byte("\x89PNG\r\n\x1a\n"), 8 << 30, "more than 128 MB"},
		"large":           {b.Bytes(), 100 << 20, "10000×10000 pixels"},
		"another's":       {[]byte("II*\x00"), 100 << 20, "not a PNG"},
		"another's, long": {nil, 8 << 30, "more than 128 MB"},
	} {
		path := filepath.Join(dir, name)
		if err := cmp.Or(os.WriteFile(path, c.head, 0o644), os.Truncate(path, c.size)); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Load(path)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%s: %v, want something of %q", name, err, c.want)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes to find out", name, n)
		}
	}
}

func TestNamed(t *testing.T) {
	for name, want := range map[string]bool{"a.png": true, "dir/B.JPEG": true, "c.jpg": true, "d.WebP": true, ".e.png": true, "f.tif": false, "png": false, "g.png.txt": false} {
		if Named(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// An index beyond the palette, used outside of Decode, would end the program.
func TestBadPaletteIndex(t *testing.T) {
	img, err := Decode(badIndex(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := Fill(img, 1, 1).NRGBAAt(0, 0); got != (color.NRGBA{0, 0, 0, 255}) {
		t.Errorf("colour %v, want black", got)
	}
}

func TestFillAndFit(t *testing.T) {
	img, err := Load("testdata/rgb.png")
	if err != nil {
		t.Fatal(err)
	}
	square := Fill(img, 2, 2) // the middle 4×4 pixels
	if square.Bounds() != image.Rect(0, 0, 2, 2) || square.NRGBAAt(0, 0).R < 200 || square.NRGBAAt(1, 0).B < 200 {
		t.Errorf("filled: %v %v", square.Bounds(), square.Pix)
	}
	if b := Fit(img, 4, 4).Bounds(); b != image.Rect(0, 0, 4, 2) {
		t.Errorf("fitted into 4×4: %v", b)
	}
	// A part of a picture has its own stride and origin.
	part := img.SubImage(image.Rect(4, 0, 8, 4))
	if got := Fill(part, 4, 4); got.NRGBAAt(0, 0) != blue || got.NRGBAAt(3, 3) != blue {
		t.Errorf("a part: %v", got.Pix)
	}
}

// Any bytes become a picture within the limits or an error.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(badIndex(f))
	f.Add(hugePNG())
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := Decode(data)
		if err != nil {
			return
		}
		b := img.Bounds()
		if b.Min != (image.Point{}) || b.Empty() || b.Dx()*b.Dy() > MaxPixels {
			t.Fatalf("bounds %v", b)
		}
		if b.Dx()*b.Dy() < 1<<16 {
			Fill(img, 4, 4)
		}
	})
}
