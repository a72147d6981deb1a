//go:build !headless

package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBadInput goes over files that are no good pictures, in the gallery and in a
// training, with the keyboard: each is told of, none ends the program or fills its
// memory.
func TestBadInput(t *testing.T) {
	d := newDesk(t)
	var huge bytes.Buffer
	if err := png.Encode(&huge, image.NewPaletted(image.Rect(0, 0, 10_000, 10_000), color.Palette{color.Black, color.White})); err != nil {
		t.Fatal(err)
	}
	album, shown := d.album(4), d.path("Pictures", "Latent")
	good, err := os.ReadFile(filepath.Join(album, "p0.png"))
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{
		"huge.png": huge.Bytes(), "tiff.png": append([]byte("II*\x00\x08\x00\x00\x00"), make([]byte, 1000)...),
		"torn.png": good[:len(good)/2], "empty.png": nil,
	}
	for i := range 20 { // each as large as one picture may be, decoded
		bad[fmt.Sprintf("huge%d.png", i)] = huge.Bytes()
	}
	for name, data := range bad {
		for _, dir := range []string{album, shown} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(album, "p1.txt"), bytes.Repeat([]byte("a long caption "), 7000), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shown, "z-good.png"), good, 0o644); err != nil {
		t.Fatal(err)
	}
	d.open()
	d.key("ctrl+3", "Return")
	d.opens("Right")
	d.key(times(8, "Right")...)
	d.key("Return", "Right", "Left", "Escape") // and in full

	d.key("ctrl+4")
	d.click(200, 85)
	d.replace(album)
	d.click(385, 287)
	d.replace("2")
	d.click(385, 332)
	d.replace("1")
	d.click(258, 659)
	d.until("what is left is trained on", 3*time.Minute, func() bool {
		_, err := os.Stat(d.path("data", "latent", "loras", "my-model", "my-model.safetensors"))
		return err == nil
	})
	if peak := d.memory("VmHWM:"); peak > 800<<20 {
		t.Errorf("%d MB at the most", peak>>20)
	} else {
		t.Logf("%d MB at the most", peak>>20)
	}
	if s := d.stderr.String(); strings.Contains(s, "panic") {
		t.Errorf("the program said: %s", s)
	}
	for name := range bad {
		for _, dir := range []string{album, shown} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
	}
	d.kill()
}
