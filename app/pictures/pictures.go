// Package pictures loads picture files that come from anywhere and brings them
// to a wanted size.
package pictures

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/disintegration/imaging"
	"golang.org/x/image/webp"
)

// Limits on what Load accepts, so that no file can exhaust the memory: the
// file's bytes, and its pixels, four bytes each and up to eight while decoding.
const (
	maxBytes  = 128 << 20
	MaxPixels = 64 << 20
)

// Suffixes are those of the files that Load reads, as people name them.
var Suffixes = []string{".png", ".jpg", ".jpeg", ".webp"}

// Named tells whether a file has the name of a picture. Load goes by what it holds.
func Named(name string) bool {
	return slices.Contains(Suffixes, strings.ToLower(filepath.Ext(name)))
}

// A format is a kind of file that Load reads. Formats are told apart by their
// first bytes; names are not trusted.
type format struct {
	name   string
	is     func(data []byte) bool
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

var formats = []format{
	{"PNG", magic("\x89PNG\r\n\x1a\n"), png.DecodeConfig, png.Decode},
	{"JPEG", magic("\xff\xd8\xff"), jpeg.DecodeConfig, upright},
	{"WebP", func(data []byte) bool { return magic("RIFF")(data) && magic("WEBP")(data[min(8, len(data)):]) },
		webp.DecodeConfig, fullRange},
}

func magic(start string) func([]byte) bool {
	return func(data []byte) bool { return bytes.HasPrefix(data, []byte(start)) }
}

// upright decodes a JPEG and turns it as its EXIF orientation says.
func upright(r io.Reader) (image.Image, error) {
	return imaging.Decode(r, imaging.AutoOrientation(true))
}

// fullRange decodes a WebP. The lossy kind holds the Y'CbCr of video (ITU-R
// BT.601: Y' in [16,235], Cb and Cr in [16,240]), which package webp hands on
// under the type of JPEG's full range: whites would come out grey.
func fullRange(r io.Reader) (image.Image, error) {
	img, err := webp.Decode(r)
	if err != nil {
		return nil, err
	}
	switch img := img.(type) {
	case *image.YCbCr:
		return fromVideo(img, func(x, y int) uint8 { return 255 }), nil
	case *image.NYCbCrA:
		return fromVideo(&img.YCbCr, func(x, y int) uint8 { return img.A[img.AOffset(x, y)] }), nil
	}
	return img, nil
}

func fromVideo(src *image.YCbCr, alpha func(x, y int) uint8) *image.NRGBA {
	b := src.Bounds()
	dst := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	clamp := func(f float32) uint8 { return uint8(min(max(f+0.5, 0), 255)) }
	pix := dst.Pix
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := src.COffset(x, y)
			luma := 255. / 219 * (float32(src.Y[src.YOffset(x, y)]) - 16)
			cb, cr := float32(src.Cb[c])-128, float32(src.Cr[c])-128
			pix[0] = clamp(luma + 1.596027*cr)
			pix[1] = clamp(luma - 0.391762*cb - 0.812968*cr)
			pix[2] = clamp(luma + 2.017232*cb)
			pix[3] = alpha(x, y)
			pix = pix[4:]
		}
	}
	return dst
}

// Load reads a PNG, JPEG or WebP file. A photograph comes out upright, and pixel
// (0,0) is at the top left.
func Load(path string) (*image.NRGBA, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return nil, err
	}
	img, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

// readAll reads a file, but of one that is no use in any case its beginning alone:
// a folder may hold many of those.
func readAll(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxBytes {
		return nil, fmt.Errorf("%s: %w", f.Name(), errTooLong)
	}
	head, err := io.ReadAll(io.LimitReader(f, headBytes))
	if err != nil {
		return nil, err
	}
	for _, known := range formats {
		if !known.is(head) {
			continue
		}
		if c, err := known.config(bytes.NewReader(head)); err == nil && tooLarge(c) {
			return head, nil
		}
		var all bytes.Buffer
		all.Grow(int(info.Size()) + bytes.MinRead)
		all.Write(head)
		_, err := all.ReadFrom(io.LimitReader(f, maxBytes+1-headBytes))
		return all.Bytes(), err
	}
	return head, nil
}

// headBytes is where a picture's size is told, in most files.
const headBytes = 64 << 10

var errTooLong = fmt.Errorf("a file of more than %d MB: make it smaller", maxBytes>>20)

func tooLarge(c image.Config) bool {
	return c.Width > 0 && c.Height > 0 && c.Width > MaxPixels/c.Height
}

// Decode is Load for a file that is already in memory.
func Decode(data []byte) (img *image.NRGBA, err error) {
	if len(data) > maxBytes {
		return nil, errTooLong
	}
	for _, f := range formats {
		if !f.is(data) {
			continue
		}
		img, err := f.read(data)
		if errors.As(err, new(sizeError)) {
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("damaged %s: %s", f.name, plain(err))
		}
		return img, nil
	}
	return nil, errors.New("not a PNG, JPEG or WebP picture")
}

// plain is an error without the names that decoders have for themselves and for what
// is wrong.
func plain(err error) string {
	s := err.Error()
	for _, known := range []string{"image: ", "png: ", "jpeg: ", "webp: ", "vp8: ", "vp8l: ", "invalid JPEG format: ", "invalid format: "} {
		s = strings.TrimPrefix(s, known)
	}
	return s
}

// sizeError is of a picture that is whole, but larger than what is read.
type sizeError struct{ w, h int }

func (e sizeError) Error() string {
	return fmt.Sprintf("%d×%d pixels, more than the %d million that are read: make it smaller", e.w, e.h, MaxPixels/1_000_000)
}

func (f format) read(data []byte) (img *image.NRGBA, err error) {
	// A colour index beyond its palette panics when the pixel is looked up.
	defer func() {
		if p := recover(); p != nil {
			img, err = nil, fmt.Errorf("%v", p)
		}
	}()
	config, err := f.config(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if config.Width <= 0 || config.Height <= 0 || tooLarge(config) {
		return nil, sizeError{config.Width, config.Height}
	}
	decoded, err := f.decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	// Copied here and not by imaging, whose goroutines no recover reaches.
	return toNRGBA(decoded), nil
}

// toNRGBA copies any picture, unless it is one already.
func toNRGBA(img image.Image) *image.NRGBA {
	b := img.Bounds()
	if same, ok := img.(*image.NRGBA); ok && b.Min == (image.Point{}) {
		return same
	}
	dst := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(dst, dst.Bounds(), img, b.Min, draw.Src)
	return dst
}

// Fill scales img to cover w×h pixels, its proportions kept, and cuts off evenly
// what stands out. w and h must be positive.
func Fill(img image.Image, w, h int) *image.NRGBA {
	return imaging.Fill(toNRGBA(img), w, h, imaging.Center, imaging.Lanczos)
}

// Fit scales img down, its proportions kept, until it fits into w×h pixels.
func Fit(img image.Image, w, h int) *image.NRGBA {
	return imaging.Fit(toNRGBA(img), w, h, imaging.Lanczos)
}
