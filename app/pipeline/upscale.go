package pipeline

import (
	"context"
	"fmt"
	"image"
	"path/filepath"
	"slices"
	"strings"

	"github.com/disintegration/imaging"

	"latent/app/library"
	"latent/app/pictures"
	"latent/gpu"
	"latent/gpu/nn"
)

// Upscale enlarges a picture to width×height pixels with the ESRGAN in the file
// upscaler; 0×0 is what that makes of it. progress, which may be nil, is called on the
// engine's goroutine.
func (e *Engine) Upscale(ctx context.Context, upscaler string, img *image.NRGBA, width, height int, progress func(done, all int)) (out *image.NRGBA, err error) {
	err = e.submit(ctx, func(w *worker) error {
		out, err = upscale(ctx, upscaler, w.dev, w.dtype, img, width, height, progress)
		return err
	})
	return out, err
}

func upscale(ctx context.Context, upscaler string, dev *gpu.Device, dtype gpu.DType, img *image.NRGBA, width, height int, progress func(done, all int)) (*image.NRGBA, error) {
	net, err := library.OpenUpscaler(upscaler, dev, dtype)
	if err != nil {
		return nil, err
	}
	defer nn.Free(net)
	scale := net.Config.Scale()
	// A factor beyond the network's is reached by several passes.
	for {
		size := img.Rect.Size()
		if scale == 1 && (width > size.X || height > size.Y) {
			return nil, fmt.Errorf("upscaler %s mends pictures, it does not enlarge them: choose another", upscaler)
		}
		if w, h := size.X*scale, size.Y*scale; w > pictures.MaxPixels/h {
			return nil, fmt.Errorf("a picture of %dx%d made %d times larger has more than %d million pixels, which could not be read again: choose a smaller factor",
				size.X, size.Y, scale, pictures.MaxPixels>>20)
		}
		if img, err = net.Enlarge(ctx, dev, img, progress); err != nil {
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

// checkUpscaler says why there is no upscaler of this name: one of Upscalers, or the
// file of an ESRGAN.
func checkUpscaler(name string) error {
	if slices.Contains(Upscalers, name) {
		return nil
	}
	if filepath.Ext(name) == "" {
		return fmt.Errorf("unknown upscaler %q: choose one of %s, or the file of an ESRGAN", name, strings.Join(Upscalers, ", "))
	}
	switch i := library.Identify(name); {
	case i.Err != nil:
		return fmt.Errorf("upscaler %s: %w", name, i.Err)
	case i.Kind != library.KindUpscaler:
		return fmt.Errorf("upscaler %s is %s", name, i.What)
	}
	return nil
}

// upscalerLabel is what a recipe calls an upscaler: AUTOMATIC1111's name of one of
// Upscalers, or a file's.
func upscalerLabel(name string) string {
	if label, ok := map[string]string{"lanczos": "Lanczos", "latent": "Latent"}[name]; ok {
		return label
	}
	return strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
}
