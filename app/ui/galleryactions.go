//go:build !headless

package ui

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"fyne.io/fyne/v2"

	"latent/gpu/atomicfile"
)

func (p *galleryPage) openLightbox() {
	if p.chosen == nil && p.grid.chosen < 0 {
		return
	}
	p.lightbox.Show()
	p.browse.Hide() // Tab must not go behind the picture
	p.win.keys.shown()
	p.showStar()
	p.win.Canvas().Focus(p.lightbox)
}

func (p *galleryPage) closeLightbox() {
	p.lightbox.Hide()
	p.browse.Show()
	p.showStar()
	p.win.keys.shown()
	p.win.Canvas().Focus(p.grid)
}

// typedKey does what a key means to what is chosen.
func (p *galleryPage) typedKey(k fyne.KeyName) {
	switch k {
	case fyne.KeyDelete, fyne.KeyBackspace:
		p.trash()
	case fyne.KeyF:
		p.toggleFavourite()
	}
}

// more is what else can be done with the chosen picture.
func (p *galleryPage) more() []*fyne.MenuItem {
	o := p.chosen
	text := func(what, s string) func() {
		return func() { fyne.CurrentApp().Clipboard().SetContent(s); p.notice.tell(what + " copied") }
	}
	items := []*fyne.MenuItem{fyne.NewMenuItem("Copy prompt", text("prompt", o.recipe.Prompt))}
	if o.recipe.Negative != "" {
		items = append(items, fyne.NewMenuItem("Copy negative prompt", text("negative prompt", o.recipe.Negative)))
	}
	items = append(items, p.win.upscaleItems(func(with Extra) {
		p.win.upscale(o.recipe, o.image.Rect.Size(), func() ([]byte, error) { return os.ReadFile(o.Path) }, with, p.notice)
		p.notice.tell("the picture is in the queue, to be enlarged with " + with.Name)
	})...)
	items = append(items, fyne.NewMenuItem("Copy recipe", text("recipe", o.recipe.String())))
	if copy, _ := pictureClipboard(); copy != nil {
		items = append(items, fyne.NewMenuItem("Copy picture", p.copyPicture))
	}
	return append(items, fyne.NewMenuItem("Open the folder", p.openFolder))
}

func (p *galleryPage) copyPicture() {
	path := p.chosen.Path
	inBackground(p.win.post, func() (struct{}, error) {
		data, err := os.ReadFile(path)
		if err == nil {
			err = copyPNG(data)
		}
		return struct{}{}, err
	}, func(_ struct{}, err error) {
		if err != nil {
			p.notice.fail(fmt.Sprintf("the picture could not be copied: %v", atomicfile.Reason(err)))
			return
		}
		p.notice.tell("picture copied")
	})
}

func (p *galleryPage) reuse() {
	p.win.create.restore(p.chosen.recipe)
	p.win.show(pageCreate)
}

// saveAs copies the file, byte for byte: nothing that it holds is lost.
func (p *galleryPage) saveAs() {
	o := p.chosen
	p.win.askSave(filepath.Base(o.Path), func(path string) {
		inBackground(p.win.post, func() (struct{}, error) {
			data, err := os.ReadFile(o.Path)
			if err == nil {
				err = keep(path, data)
			}
			return struct{}{}, err
		}, func(_ struct{}, err error) {
			if err != nil {
				p.notice.fail(fmt.Sprintf("the picture could not be saved: %v", atomicfile.Reason(err)))
				return
			}
			p.notice.tell("saved as " + path)
		})
	})
}

func (p *galleryPage) openFolder() {
	u := &url.URL{Scheme: "file", Path: filepath.ToSlash(p.win.settings.Output)}
	if err := fyne.CurrentApp().OpenURL(u); err != nil {
		p.notice.fail(fmt.Sprintf("the folder %s could not be opened: %v", p.win.settings.Output, err))
	}
}
