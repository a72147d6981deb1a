//go:build !headless

package ui

import (
	"fmt"

	"fyne.io/fyne/v2/theme"

	"latent/app/gallery"
)

// targets are the files that Delete, the star and the like are for: all that are
// chosen together, or the one. Over one in full, it alone: nobody sees the others.
func (p *galleryPage) targets() (paths []string) {
	switch {
	case len(p.picked) > 0 && !p.lightbox.Visible():
		for _, g := range p.list {
			if p.picked[g.Path] {
				paths = append(paths, g.Path)
			}
		}
	case p.wanted.Path != "": // read already or not, and whether it can be shown or not
		paths = []string{p.wanted.Path}
	}
	return paths
}

// pickRange chooses all from one picture to another, beside those that are or alone.
func (p *galleryPage) pickRange(from, to int, beside bool) {
	if !beside {
		clear(p.picked)
	}
	for i := min(from, to); i <= max(from, to); i++ {
		p.picked[p.list[i].Path] = true
	}
	p.showPicks()
}

func (p *galleryPage) pickAll() {
	if len(p.list) == 0 {
		return
	}
	p.pickRange(0, len(p.list)-1, false)
	if p.grid.chosen < 0 { // the details are of one of them
		p.grid.chosen, p.grid.anchor = 0, 0
		p.grid.Refresh()
		p.open(0)
	}
}

// togglePick chooses picture i too, or all but it. One stays chosen.
func (p *galleryPage) togglePick(i int) {
	path, at := p.list[i].Path, p.grid.chosen
	if len(p.picked) == 0 && at >= 0 {
		p.picked[p.list[at].Path] = true
	}
	switch {
	case !p.picked[path]:
		p.picked[path] = true
		at = i
	case len(p.picked) > 1:
		delete(p.picked, path)
		if at == i {
			at = p.nearestPick(i)
		}
	}
	p.grid.anchor, p.grid.chosen = i, at
	p.showPicks()
	p.grid.Refresh()
	p.open(at)
}

// nearestPick is the picture nearest to i of those that are chosen together.
func (p *galleryPage) nearestPick(i int) int {
	for d := 1; d < len(p.list); d++ {
		for _, k := range []int{i + d, i - d} {
			if k >= 0 && k < len(p.list) && p.picked[p.list[k].Path] {
				return k
			}
		}
	}
	return i
}

// chooseNone lets all go. The arrows go on from where they were.
func (p *galleryPage) chooseNone() {
	if len(p.picked) == 0 && p.chosen == nil && p.grid.chosen < 0 {
		return
	}
	p.forget()
	p.grid.chosen = -1
	p.showPicks()
	p.grid.Refresh()
	if c := p.win.Canvas(); c.Focused() != p.search { // it may have been in the details
		c.Focus(p.grid)
	}
	p.win.keys.shown()
}

// forget closes the details, and chooses none.
func (p *galleryPage) forget() {
	clear(p.picked)
	p.chosen, p.wanted = nil, gallery.Picture{}
	p.details.Hide()
}

// keepPicks lets those go that are not shown any more: nobody would see what
// happens to them.
func (p *galleryPage) keepPicks() {
	if len(p.picked) > 0 {
		old := p.picked
		p.picked = map[string]bool{}
		for _, g := range p.list {
			if old[g.Path] {
				p.picked[g.Path] = true
			}
		}
	}
	p.showPicks()
}

// showPicks shows what is chosen together; one alone has the ring.
func (p *galleryPage) showPicks() {
	if len(p.picked) == 1 {
		clear(p.picked)
	}
	for path, t := range p.tiles {
		t.pick(p.picked[path])
	}
	says, color := plural(len(p.list), "picture"), colorMuted
	if n := len(p.picked); n > 0 {
		says, color = fmt.Sprintf("%d of %d chosen", n, len(p.list)), theme.ColorNamePrimary
	}
	p.count.color = color
	p.count.Text = says
	p.count.Refresh()
	p.showStar()
}
