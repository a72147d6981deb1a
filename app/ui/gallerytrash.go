//go:build !headless

package ui

import (
	"fmt"
	"path/filepath"
	"slices"

	"latent/app/gallery"
)

// gone is a picture that is in the trash.
type gone struct {
	path string
	trashed
}

// trash deletes what is chosen, which can be undone.
func (p *galleryPage) trash() {
	paths := p.targets()
	if len(paths) == 0 || p.trashing {
		return
	}
	p.trashing = true
	at := p.indexOf(paths[0])
	if len(paths) > 100 { // which takes a while
		p.notice.tell(fmt.Sprintf("moving %d pictures to the %s…", len(paths), trashName))
	}
	inBackground(p.win.post, func() (out []gone, err error) {
		for _, path := range paths {
			t, err := toTrash(p.win.places.trash, path)
			if err != nil {
				return out, fmt.Errorf("%s could not be moved to the %s: %w", filepath.Base(path), trashName, err)
			}
			out = append(out, gone{path, t})
		}
		return out, nil
	}, func(out []gone, err error) {
		p.trashing = false
		if len(out) > 0 {
			p.takeOut(out, at)
		}
		says := plural(len(out), "picture") + " are in the " + trashName
		if len(out) == 1 {
			says = filepath.Base(out[0].path) + " is in the " + trashName
		}
		switch {
		case len(out) == 0:
			p.notice.fail(err.Error())
			return
		case err != nil:
			says += "; " + err.Error()
		}
		p.notice.offerUndo(says, func() { p.bringBack(out) })
	})
}

// takeOut shows the list without what is gone, and the picture after it.
func (p *galleryPage) takeOut(out []gone, at int) {
	paths := map[string]bool{}
	for _, g := range out {
		paths[g.path] = true
	}
	p.all = slices.DeleteFunc(slices.Clone(p.all), func(g gallery.Picture) bool { return paths[g.Path] })
	if paths[p.wanted.Path] || p.chosen != nil && paths[p.chosen.Path] {
		p.forget()
	}
	p.arrange()
	if at >= 0 && len(p.list) > 0 {
		p.grid.walk(min(at, len(p.list)-1))
	} else {
		p.closeLightbox()
	}
}

// bringBack takes all out of the trash that can be.
func (p *galleryPage) bringBack(all []gone) {
	type left struct {
		count int
		name  string // of the first
		why   error
	}
	inBackground(p.win.post, func() (l left, _ error) {
		for _, g := range all {
			if err := g.restore(); err != nil {
				if l.count++; l.count == 1 {
					l.name, l.why = filepath.Base(g.path), err
				}
			}
		}
		return l, nil
	}, func(l left, _ error) {
		switch {
		case l.count == 1:
			p.notice.fail(fmt.Sprintf("%s could not be brought back: %v", l.name, l.why))
		case l.count > 1:
			p.notice.fail(fmt.Sprintf("%s could not be brought back, %s the first: %v", plural(l.count, "picture"), l.name, l.why))
		}
		p.changed()
	})
}
