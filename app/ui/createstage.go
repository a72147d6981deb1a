//go:build !headless

package ui

import (
	"fmt"
	"image"
	"slices"

	"fyne.io/fyne/v2"

	"latent/app/gallery"
	"latent/app/pictures"
	"latent/gpu/atomicfile"
)

// moreMenu is what can be done with the picture that is shown.
func (p *createPage) moreMenu() []*fyne.MenuItem {
	r := p.shown
	if r == nil {
		return nil
	}
	items := []*fyne.MenuItem{fyne.NewMenuItem("Use its settings", p.reuseSettings)}
	f := p.win.engine.Features()
	if f.Variation {
		items = append(items, fyne.NewMenuItem("Another one like it", p.vary))
	}
	if f.Hires {
		items = append(items, fyne.NewMenuItem("Paint it twice as large", p.enlarge))
	}
	items = append(items, p.win.upscaleItems(func(with Extra) { p.upscale(r, with) })...)
	if f.Init {
		items = append(items, fyne.NewMenuItem("Begin from it", func() {
			if r.path != "" {
				p.initial.load(r.path)
			} else {
				p.initial.read(func() (image.Image, error) { return r.Image, nil })
			}
		}))
	}
	if p.compared != nil {
		items = append(items, fyne.NewMenuItem("End comparing", p.endComparing))
	} else if before := p.strip.after(r); before != nil {
		items = append(items, fyne.NewMenuItem("Compare with the one before", func() { p.compareWith(before) }))
	}
	items = append(items, fyne.NewMenuItem("Copy recipe", func() { fyne.CurrentApp().Clipboard().SetContent(r.Recipe.String()) }))
	if copy, _ := pictureClipboard(); copy != nil {
		items = append(items, fyne.NewMenuItem("Copy picture", func() {
			p.withImage(r, func(img image.Image) error {
				data, err := gallery.Encode(img, r.Recipe)
				if err == nil {
					err = copyPNG(data)
				}
				return err
			}, "the picture could not be copied")
		}))
	}
	return items
}

// compareWith shows an older picture beside the one that is shown.
func (p *createPage) compareWith(before *result) {
	p.load(before, func(img image.Image) {
		p.compared = before
		p.compare.show(img)
		p.compare.Show()
		p.stage.Objects = []fyne.CanvasObject{p.compare, p.view}
		p.stage.Refresh()
		p.refresh()
	})
}

func (p *createPage) endComparing() {
	p.compared = nil
	p.compare.show(nil)
	p.stage.Objects = []fyne.CanvasObject{p.view}
	p.stage.Refresh()
	p.refresh()
}

// finished takes a picture that the queue has made.
func (p *createPage) finished(r *result) {
	p.strip.add(r.thumb, r)
	for _, it := range p.strip.items[min(resultsHeld, len(p.strip.items)):] {
		if it.value.path != "" {
			it.value.Image = nil // the gallery has it
		}
	}
	if p.pinned {
		p.strip.choose(p.shown)
		return
	}
	p.shown = r
	p.showPicked()
}

// resultsHeld is how many of the latest pictures are held in memory.
const resultsHeld = 4

// pickByHand shows a finished picture, also while the next one is painted.
func (p *createPage) pickByHand(r *result) {
	p.shown = r
	p.pinned = p.win.jobs.running != nil
	p.showPicked()
	p.refresh()
}

// unpin goes back to watching.
func (p *createPage) unpin() {
	p.pinned = false
	p.refresh()
}

func (p *createPage) showPicked() {
	r := p.shown
	if r == nil {
		p.view.show(nil)
		p.empty.Show()
		return
	}
	p.empty.Hide()
	p.load(r, func(img image.Image) {
		if p.shown == r {
			p.view.show(img)
			p.refresh() // which tells its size
		}
	})
}

// load hands on a result's picture, read back from the gallery if need be.
func (p *createPage) load(r *result, then func(image.Image)) {
	if r.Image != nil {
		then(r.Image)
		return
	}
	inBackground(p.win.post, func() (image.Image, error) { return pictures.Load(r.path) }, func(img image.Image, err error) {
		if err != nil {
			p.notice.fail(fmt.Sprintf("the picture is gone from the gallery: %v", atomicfile.ReasonOf(err, r.path)))
			return
		}
		then(img)
	})
}

// withImage does something with a result's picture in the background.
func (p *createPage) withImage(r *result, do func(image.Image) error, failure string) {
	p.load(r, func(img image.Image) {
		inBackground(p.win.post, func() (struct{}, error) { return struct{}{}, do(img) }, func(_ struct{}, err error) {
			if err != nil {
				p.notice.fail(fmt.Sprintf("%s: %v", failure, atomicfile.Reason(err)))
			}
		})
	})
}

// recalled is how many of the gallery's latest pictures the strip begins with.
const recalled = 12

// recall puts the gallery's latest pictures into the strip, so that a person finds
// there what was made before.
func (p *createPage) recall() {
	folder := p.win.settings.Output
	inBackground(p.win.post, func() (out []*result, err error) {
		list, err := gallery.List(folder)
		if err != nil {
			return nil, err // the gallery tells of it
		}
		for _, g := range list[:min(recalled, len(list))] {
			recipe, err := gallery.Read(g.Path)
			if err != nil {
				continue
			}
			if thumb, err := gallery.Thumbnail(g.Path, thumbPixels); err == nil {
				out = append(out, &result{Picture: Picture{Recipe: recipe}, thumb: thumb, path: g.Path})
			}
		}
		return out, nil
	}, func(out []*result, _ error) {
		if len(p.strip.items) > 0 {
			return // somebody was faster
		}
		for _, r := range slices.Backward(out) {
			p.strip.add(r.thumb, r)
		}
		p.strip.mark(nil)
	})
}
