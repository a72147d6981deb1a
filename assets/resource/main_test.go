package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
)

func TestIco(t *testing.T) {
	red := color.NRGBA{200, 10, 20, 255}
	m := image.NewNRGBA(image.Rect(0, 0, 512, 512))
	for i := range 512 * 512 {
		m.SetNRGBA(i%512, i/512, red)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	icon, err := ico(b.Bytes(), 256, 16)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(icon[:6], []byte{0, 0, 1, 0, 2, 0}) {
		t.Fatalf("head % x, want two pictures of an icon", icon[:6])
	}
	end := 6 + 2*16
	for i, size := range []int{256, 16} {
		entry := icon[6+16*i:]
		n, at := int(binary.LittleEndian.Uint32(entry[8:])), int(binary.LittleEndian.Uint32(entry[12:]))
		if at != end || at+n > len(icon) {
			t.Fatalf("picture %d lies at %d, want %d", size, at, end)
		}
		end = at + n
		if entry[0] != byte(size) || entry[1] != byte(size) {
			t.Errorf("picture %d is said to be %d×%d", size, entry[0], entry[1])
		}
		got, err := png.Decode(bytes.NewReader(icon[at:end]))
		if err != nil {
			t.Fatal(err)
		}
		if got.Bounds().Size() != image.Pt(size, size) || color.NRGBAModel.Convert(got.At(size/2, size/2)) != red {
			t.Errorf("picture %d is %v, %v", size, got.Bounds(), got.At(size/2, size/2))
		}
	}
	if end != len(icon) {
		t.Errorf("%d bytes after the last picture", len(icon)-end)
	}
	if _, err := ico([]byte("no picture"), 16); err == nil {
		t.Error("text became an icon")
	}
}

func TestRC(t *testing.T) {
	for _, c := range []struct{ version, want string }{
		{"0.1.0", "FILEVERSION 0,1,0,0\n"}, {"2.10", "FILEVERSION 2,10,0,0\n"}, {"1.2.3.4", "FILEVERSION 1,2,3,4\n"},
		{"1.2.3.4.5", ""}, {"1.x", ""}, {"", ""}, {"70000", ""},
	} {
		got, err := rc(c.version)
		if (err == nil) != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%q: %v\n%s", c.version, err, got)
		}
	}
}
