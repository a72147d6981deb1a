package pipeline

import (
	"context"
	"fmt"
	"image"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/disintegration/imaging"

	"latent/app/gallery"
	"latent/app/library"
	"latent/app/pictures"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/vae/esrgan"
)

// Upscale enlarges a picture to width×height pixels with the ESRGAN in the file
// upscaler, which stays open; 0×0 is what that makes of it. progress, which may be nil,
// is called on the engine's goroutine.
func (e *Engine) Upscale(ctx context.Context, upscaler string, img *image.NRGBA, width, height int, progress func(done, all int)) (out *image.NRGBA, err error) {
	err = e.submit(ctx, func(w *worker) error {
		if err := w.scaler.open(upscaler, w.dev, w.dtype); err != nil {
			return err
		}
		out, err = w.scaler.enlarge(ctx, w.dev, img, width, height, progress)
		return err
	})
	return out, err
}

// scaler is the ESRGAN that is open beside a model. The zero value holds none.
type scaler struct {
	net     *esrgan.Net // nil: none is open
	path    string
	changed time.Time
}

// set opens the ESRGAN of a request, whose upscaler is found, and closes another.
func (s *scaler) set(m *library.Model, r Request) error {
	if r.Hires == nil || slices.Contains(Upscalers, r.Hires.Upscaler) {
		s.close()
		return nil
	}
	return s.open(r.Hires.Upscaler, m.Device, m.DType)
}

// open opens the ESRGAN at path, unless it is open and as it was.
func (s *scaler) open(path string, dev *gpu.Device, dtype gpu.DType) error {
	changed := modified(path)
	if s.net != nil && s.path == path && s.changed.Equal(changed) {
		return nil
	}
	s.close()
	net, err := library.OpenUpscaler(path, dev, dtype)
	if err == nil {
		*s = scaler{net, path, changed}
	}
	return err
}

func (s *scaler) close() {
	if s.net != nil {
		nn.Free(s.net)
	}
	*s = scaler{}
}

func (s *scaler) enlarge(ctx context.Context, dev *gpu.Device, img *image.NRGBA, width, height int, progress func(done, all int)) (_ *image.NRGBA, err error) {
	scale := s.net.Config.Scale()
	// A factor beyond the network's is reached by several passes.
	for {
		size := img.Rect.Size()
		if scale == 1 && (width > size.X || height > size.Y) {
			return nil, fmt.Errorf("upscaler %s mends pictures, it does not enlarge them: choose another", s.path)
		}
		if w, h := size.X*scale, size.Y*scale; w > pictures.MaxPixels/h {
			return nil, fmt.Errorf("a picture of %dx%d made %d times larger has more than %d million pixels, which could not be read again: choose a smaller factor",
				size.X, size.Y, scale, pictures.MaxPixels>>20)
		}
		if img, err = s.net.Enlarge(ctx, dev, img, progress); err != nil {
			return nil, err
		}
		if now := img.Rect.Size(); now.X >= width && now.Y >= height {
			break
		}
	}
	if width > 0 && img.Rect.Size() != image.Pt(width, height) {
		img = imaging.Resize(img, width, height, imaging.Lanczos)
	}
	return img, nil
}

// upscaler is h's: one of Upscalers, or the file of an ESRGAN.
func (h Hires) upscaler(folder string) (string, error) {
	if slices.Contains(Upscalers, h.Upscaler) {
		return h.Upscaler, nil
	}
	if folder == "" && !isWeights(h.Upscaler) {
		return "", fmt.Errorf("unknown upscaler %q: choose one of %s, or the file of an ESRGAN", h.Upscaler, strings.Join(Upscalers, ", "))
	}
	return FindUpscaler(h.Upscaler, folder)
}

// FindUpscaler is the file of an ESRGAN: of that path, or in folder and the folders
// inside it, called as recipes call it.
func FindUpscaler(name, folder string) (path string, err error) {
	if path = name; folder != "" || !isWeights(name) {
		if path, err = find(library.KindUpscaler, library.PublishedUpscaler(name), folder); err != nil {
			return "", err
		}
	}
	switch i := library.Identify(path); {
	case i.Err != nil:
		return "", fmt.Errorf("upscaler %s: %w", path, i.Err)
	case i.Kind != library.KindUpscaler:
		return "", fmt.Errorf("upscaler %s is %s", path, i.What)
	}
	return path, nil
}

// upscalerLabel is what a recipe calls an upscaler: AUTOMATIC1111's name of one of
// Upscalers, or a file's.
func upscalerLabel(name string) string {
	if label, ok := map[string]string{"lanczos": "Lanczos", "latent": "Latent"}[name]; ok {
		return label
	}
	return strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
}

// Upscaled is a picture's recipe once an ESRGAN has made it so many times larger, in
// AUTOMATIC1111's words.
func Upscaled(r gallery.Recipe, upscaler string, times float64) gallery.Recipe {
	r.Extra = append(slices.Clone(r.Extra),
		gallery.Pair{Key: gallery.KeyUpscaleBy, Value: strconv.FormatFloat(times, 'g', 4, 64)},
		gallery.Pair{Key: gallery.KeyUpscaler, Value: upscalerLabel(upscaler)})
	return r
}
