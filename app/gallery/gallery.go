// Package gallery keeps finished pictures: PNG files in a folder, each with the
// recipe that made it. The folder is all there is; nothing about it is stored
// anywhere else.
package gallery

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"latent/app/pictures"
	"latent/gpu/atomicfile"
)

// Encode returns the PNG file of a picture with its recipe inside.
func Encode(img image.Image, r Recipe) ([]byte, error) {
	text := r.String()
	if len(text) > maxText-64 {
		return nil, fmt.Errorf("a recipe of %d bytes is too long for a PNG", len(text))
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		return nil, err
	}
	return insertText(buf.Bytes(), text), nil
}

// Save writes a picture with its recipe as a PNG file, in place of what may be
// there. On an error path holds what it held before, and nothing else is left.
func Save(path string, img image.Image, r Recipe) error {
	return write(path, img, r, atomicfile.WriteFile)
}

// SaveNext writes a picture under the folder's next free name and returns its
// path. It never overwrites a file, whoever else writes there meanwhile.
func SaveNext(dir string, img image.Image, r Recipe) (string, error) {
	for {
		name, err := NextName(dir, r.Seed)
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, name)
		if err := write(path, img, r, atomicfile.Create); !errors.Is(err, fs.ErrExist) {
			return path, err
		}
	}
}

// write encodes a picture and has store put it at path.
func write(path string, img image.Image, r Recipe, store func(path string, data []byte) error) error {
	data, err := Encode(img, r)
	if err == nil {
		err = store(path, data)
	}
	if err != nil {
		return fmt.Errorf("cannot save %s: %w", path, atomicfile.Reason(err))
	}
	return nil
}

// NextName returns the name for the folder's next picture, such as
// 00042-1234567.png: one more than the highest number there is, and the seed.
func NextName(dir string, seed int64) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	highest := int64(0)
	for _, e := range entries {
		digits, _, _ := strings.Cut(e.Name(), "-")
		digits = strings.TrimSuffix(digits, ".png")
		if n, err := strconv.ParseInt(digits, 10, 32); err == nil {
			highest = max(highest, n)
		}
	}
	return fmt.Sprintf("%05d-%d.png", highest+1, seed), nil
}

// A Picture is a file in the gallery.
type Picture struct {
	Path string
	Time time.Time // of its last change
}

// List returns the folder's PNG files, the newest first.
func List(dir string) ([]Picture, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []Picture
	for _, e := range entries {
		hidden := strings.HasPrefix(e.Name(), ".")
		if hidden || !e.Type().IsRegular() || !strings.EqualFold(filepath.Ext(e.Name()), ".png") {
			continue
		}
		info, err := e.Info()
		if err != nil { // gone meanwhile
			continue
		}
		list = append(list, Picture{filepath.Join(dir, e.Name()), info.ModTime()})
	}
	slices.SortFunc(list, func(a, b Picture) int {
		return cmp.Or(b.Time.Compare(a.Time), strings.Compare(b.Path, a.Path))
	})
	return list, nil
}

// Thumbnail returns a picture, scaled down to fit a square of size pixels.
func Thumbnail(path string, size int) (*image.NRGBA, error) {
	img, err := pictures.Load(path)
	if err != nil {
		return nil, err
	}
	return pictures.Fit(img, size, size), nil
}
