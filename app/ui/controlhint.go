//go:build !headless

package ui

import (
	"image"
	"strings"

	"latent/app/pictures"
	"latent/app/pictures/hint"
)

// showHint shows what the net will be shown, made small.
func (c *controlPane) showHint() {
	img, way := c.image, c.way.SelectedIndex()
	if img == nil || way < 0 {
		return
	}
	a, b := c.a, c.b
	inBackground(c.page.win.post, func() (image.Image, error) {
		// Edges are those of a picture of about the size that is painted.
		return pictures.Fit(hint.All()[way].Apply(pictures.Fit(img, hintPixels, hintPixels), a, b), thumbPixels, thumbPixels), nil
	}, func(small image.Image, _ error) {
		if c.image == img && c.way.SelectedIndex() == way {
			c.tile.show(small)
		}
	})
}

const hintPixels = 512

// hintSide is the size of the shown hint.
const hintSide = 96

// wayName is what a person reads of a preprocessor.
func wayName(p hint.Preprocessor) string { return strings.ToUpper(p.What[:1]) + p.What[1:] }
