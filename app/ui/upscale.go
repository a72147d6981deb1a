//go:build !headless

package ui

import (
	"fmt"
	"image"
	"os"

	"fyne.io/fyne/v2"

	"latent/app/gallery"
	"latent/gpu/atomicfile"
)

// upscaleItems are the menu's for enlarging a finished picture with an ESRGAN, which
// paints nothing anew; none where there is no ESRGAN.
func (w *Window) upscaleItems(do func(with Extra)) []*fyne.MenuItem {
	var items []*fyne.MenuItem
	for _, e := range w.extras.Upscalers {
		items = append(items, fyne.NewMenuItem(e.Name, func() { do(e) }))
	}
	switch len(items) {
	case 0:
		return nil
	case 1:
		items[0].Label = "Upscale with " + items[0].Label
		return items
	}
	all := fyne.NewMenuItem("Upscale with", nil)
	all.ChildMenu = fyne.NewMenu("", items...)
	return []*fyne.MenuItem{all}
}

// upscale puts the enlarging of a finished picture of a size into the queue. file gives
// the PNG with its recipe.
func (w *Window) upscale(r gallery.Recipe, size image.Point, file func() ([]byte, error), with Extra, at *notice) {
	inBackground(w.post, file, func(data []byte, err error) {
		if err != nil {
			at.fail(fmt.Sprintf("the picture could not be read: %v", atomicfile.Reason(err)))
			return
		}
		w.jobs.add(Request{
			Compute: w.settings.compute(), Upscale: with.Path, Prompt: r.Prompt, Model: r.Model,
			Steps: 1, Seed: r.Seed, Width: size.X, Height: size.Y,
		}, 1, data, nil)
	})
}

// upscale enlarges a picture that is shown.
func (p *createPage) upscale(r *result, with Extra) {
	p.load(r, func(img image.Image) {
		p.win.upscale(r.Recipe, img.Bounds().Size(), func() ([]byte, error) {
			if r.path != "" {
				return os.ReadFile(r.path)
			}
			return gallery.Encode(img, r.Recipe)
		}, with, p.notice)
	})
}
