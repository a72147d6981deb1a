//go:build !headless

package ui

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"path/filepath"

	"latent/app/pictures"
	"latent/gpu/atomicfile"
)

// fromFile reads a picture that a person gives as a file.
func fromFile(path string) func() (image.Image, error) {
	return func() (image.Image, error) {
		img, err := pictures.Load(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), atomicfile.ReasonOf(err, path))
		}
		return img, nil
	}
}

// fromClipboard reads the picture in the clipboard.
func fromClipboard() (image.Image, error) {
	data, err := pastePNG()
	if err != nil {
		return nil, err
	}
	return pictures.Decode(data)
}

// withFile reads a picture that a request goes by, and makes the PNG file of it that
// the queue keeps.
func withFile(from func() (image.Image, error)) (img image.Image, file []byte, err error) {
	if img, err = from(); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img)
	return img, b.Bytes(), err
}
