//go:build !headless

package ui

import (
	"fmt"
	"image"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"latent/app/gallery"
	"latent/app/pictures"
	"latent/gpu/atomicfile"
)

// opened is a picture file that was read.
type opened struct {
	gallery.Picture
	image  *image.NRGBA
	recipe gallery.Recipe
}

// detailsWidth is the width of the chosen picture's panel.
const detailsWidth = 290

// detailsLayout puts a picture above its facts and what can be done with it. The
// picture gives way where the window is low.
type detailsLayout struct{}

const detailsPicture, detailsFacts = 240, 150

func (detailsLayout) MinSize(o []fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(o[2].MinSize().Width, 60+80+o[2].MinSize().Height)
}

func (detailsLayout) Layout(o []fyne.CanvasObject, size fyne.Size) {
	actions := o[2].MinSize().Height
	picture := min(detailsPicture, max(60, size.Height-actions-detailsFacts))
	y := float32(0)
	for i, h := range []float32{picture, size.Height - actions - picture, actions} {
		o[i].Move(fyne.NewPos(0, y))
		o[i].Resize(fyne.NewSize(size.Width, h))
		y += h
	}
}

// open reads the chosen file and shows it with its recipe. Of those chosen while
// one is read, only the last is read next.
func (p *galleryPage) open(i int) {
	if i >= len(p.list) {
		return
	}
	p.wanted = p.list[i]
	if !p.opening {
		p.read()
	}
}

func (p *galleryPage) read() {
	p.opening = true
	pic := p.wanted
	inBackground(p.win.post, func() (*opened, error) {
		img, err := pictures.Load(pic.Path)
		if err != nil {
			return nil, err
		}
		r, err := gallery.Read(pic.Path)
		return &opened{pic, img, r}, err
	}, func(o *opened, err error) {
		p.opening = false
		if p.wanted.Path == "" { // none any more
			return
		}
		if p.wanted != pic {
			p.read()
			return
		}
		if !p.notice.action.Visible() { // Undo stays
			p.notice.clear()
		}
		if o == nil {
			p.chooseBroken(pic.Path, atomicfile.ReasonOf(err, pic.Path))
		} else {
			p.choose(o)
		}
	})
}

// chooseBroken shows why a file is no picture, in place of one: what is done to what
// is chosen is done to it.
func (p *galleryPage) chooseBroken(path string, why error) {
	p.chosen = nil
	says := sentence(fmt.Sprintf("%s cannot be shown: %v", filepath.Base(path), why))
	p.view.show(nil)
	p.lightbox.view.show(nil)
	p.lightbox.title.SetText(says)
	p.prompt.SetText(says)
	p.negative.Hide()
	p.facts.Objects = nil
	p.detail(path)
}

// choose shows a picture that was read.
func (p *galleryPage) choose(o *opened) {
	p.chosen = o
	p.view.show(o.image)
	p.lightbox.show(o)
	p.prompt.SetText(o.recipe.Prompt)
	p.negative.Hide()
	if n := o.recipe.Negative; n != "" {
		p.negative.SetText("Not: " + n)
		p.negative.Show()
	}
	p.facts.Objects = nil
	for _, f := range facts(o) {
		if f.Key == "Model" {
			f.Value = p.win.modelName(f.Value)
		}
		var name fyne.CanvasObject = caption(f.Key)
		if name.MinSize().Width < factName { // keys of other programs may be longer
			name = fixedSize(factName, 0, name)
		}
		p.facts.Add(beside(name, newText(f.Value, theme.ColorNameForeground, theme.SizeNameCaptionText).short(), nil))
	}
	p.detail(o.Path)
}

// detail brings up the details of a file.
func (p *galleryPage) detail(path string) {
	p.facts.Refresh()
	for _, o := range p.whole {
		show(o, p.chosen != nil)
	}
	p.showStar()
	if !p.details.Visible() {
		p.details.Show()
		p.content.Refresh()
	}
	for at, t := range p.tiles {
		t.choose(at == path)
	}
	p.win.keys.shown()
}

// showStar shows whether all that are chosen are favourites.
func (p *galleryPage) showStar() {
	res := icon("star-line")
	if paths := p.targets(); len(paths) > 0 && p.areFavourites(paths) {
		res = theme.NewPrimaryThemedResource(icon("star"))
	}
	p.star.SetIcon(res)
	p.lightbox.star.SetIcon(res)
}

func (p *galleryPage) areFavourites(paths []string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool { return !p.isFavourite(path) })
}

// toggleFavourite marks what is chosen, or takes the marks away where all have one.
func (p *galleryPage) toggleFavourite() {
	paths := p.targets()
	if len(paths) == 0 {
		return
	}
	mark := !p.areFavourites(paths)
	for _, path := range paths {
		if name := filepath.Base(path); mark {
			p.favourites[name] = true
		} else {
			delete(p.favourites, name)
		}
		if t := p.tiles[path]; t != nil {
			t.mark(mark, t.broken)
		}
	}
	p.win.keeper.put(filepath.Join(filepath.Dir(paths[0]), favouritesFile), formatFavourites(p.favourites))
	p.showStar()
}

// factName is the width of the names of facts.
const factName = 66

// facts is the recipe but for the prompts.
func facts(o *opened) []gallery.Pair {
	var out []gallery.Pair
	add := func(name, value string) {
		if value != "" && value != "0" {
			out = append(out, gallery.Pair{Key: name, Value: value})
		}
	}
	r, b := o.recipe, o.image.Bounds()
	add("Seed", fmt.Sprint(uint64(r.Seed)))
	add("Steps", fmt.Sprint(r.Steps))
	add("Guidance", fmt.Sprintf("%g", r.CFGScale))
	add("Sampler", strings.TrimSpace(r.Sampler+" "+r.ScheduleType))
	add("Size", sizeText(b.Dx(), b.Dy()))
	if r.HiresUpscale > 0 || r.HiresWidth > 0 {
		add("Enlarged", fmt.Sprintf("from %s, %s", sizeText(r.Width, r.Height), r.HiresUpscaler))
	}
	add("Upscaled", upscaledOf(r))
	add("Model", r.Model)
	add("Made", when(o.Time, time.Now()))
	add("File", filepath.Base(o.Path))
	for _, e := range r.Extra {
		if e.Key != gallery.KeyUpscaleBy && e.Key != gallery.KeyUpscaler {
			add(e.Key, e.Value)
		}
	}
	return out
}
