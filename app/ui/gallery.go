//go:build !headless

package ui

import (
	"fmt"
	"image"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"latent/app/gallery"
	"latent/app/pictures"
)

// galleryPage shows the pictures of the output folder, the newest first, and
// the recipe of the one that is chosen.
type galleryPage struct {
	content fyne.CanvasObject
	win     *Window

	search    *entry
	onlyStars *button
	count     *text
	grid      *grid
	empty     fyne.CanvasObject
	emptyText *text
	thumbs    *thumbs
	notice    *notice
	browse    fyne.CanvasObject // all but the lightbox
	lightbox  *lightbox

	shelf      shelf
	all        []gallery.Picture // found by the search
	list       []gallery.Picture // of them, those that are shown
	favourites map[string]bool   // names of files
	starred    bool              // only favourites are shown
	tiles      map[string]*tile  // by the path that each shows now
	visible    bool
	stale      bool         // the folder has changed since it was read
	reads      atomic.Int64 // counts readings, so that an old one is not shown over a new
	pruned     bool

	details  fyne.CanvasObject
	view     *view
	prompt   *widget.Label
	negative *widget.Label
	facts    *fyne.Container
	star     *button
	chosen   *opened
	wanted   gallery.Picture // what is to be opened
	opening  bool
}

// opened is a picture file that was read.
type opened struct {
	gallery.Picture
	image  *image.NRGBA
	recipe gallery.Recipe
}

func newGalleryPage(w *Window) *galleryPage {
	k := &w.keys
	p := &galleryPage{win: w, notice: newNotice(k), tiles: map[string]*tile{}, favourites: map[string]bool{}, stale: true}
	p.thumbs = newThumbs(w.post, filepath.Join(w.places.cache, "thumbnails"), p.thumbReady)
	p.search = newEntry(k, 1)
	p.search.SetPlaceHolder("Search prompts, models, seeds")
	p.search.SetIcon(theme.SearchIcon())
	p.search.OnChanged = func(string) { p.changed() }
	p.search.OnSubmitted = func(string) { w.Canvas().Focus(p.grid) }
	p.onlyStars = newButton(k, "Favourites", icon("star-line"), func() { p.showStarred(!p.starred) })
	p.count = caption("")
	p.grid = newGrid(k, func() int { return len(p.list) }, p.fill)
	p.grid.walked, p.grid.opened, p.grid.typed = p.open, p.openLightbox, p.typedKey
	p.emptyText = caption("")
	p.empty = emptyHint(icon("gallery"), "No pictures here", p.emptyText)
	p.empty.Hide()

	p.view = newView(w.post)
	p.prompt, p.negative, p.facts = widget.NewLabel(""), widget.NewLabel(""), stack(3)
	for _, l := range []*widget.Label{p.prompt, p.negative} {
		l.Wrapping = fyne.TextWrapWord
	}
	p.star = newButton(k, "", icon("star-line"), p.toggleFavourite)
	full := newButton(k, "", theme.ViewFullScreenIcon(), p.openLightbox)
	more := newMenuButton(k, "More", theme.MoreHorizontalIcon(), p.more)
	actions := stack(tight,
		newButton(k, "Use these settings", theme.ContentUndoIcon(), p.reuse).primary(),
		columns(newButton(k, "Save as…", theme.DocumentSaveIcon(), p.saveAs), more),
		columns(full, p.star, newButton(k, "", theme.DeleteIcon(), p.trash)))
	p.details = container.New(&insets{left: tight}, fixedSize(detailsWidth, 0, newPanel(colorPanel, gap+2, container.New(detailsLayout{}, p.view,
		container.New(&insets{top: tight, bottom: tight}, newFading(k, stack(tight, p.prompt, p.negative, container.New(&insets{left: 7}, p.facts))).content), actions))))
	p.details.Hide()

	head := beside(nil, p.search, row(gap, p.onlyStars, middle(p.count)))
	p.browse = edges(nil, nil, nil, p.details, newPanel(colorPanel, gap+2,
		edges(stack(tight, head, p.notice), nil, nil, nil,
			container.New(&insets{top: gap}, container.NewStack(p.grid, p.empty)))))
	p.lightbox = newLightbox(p)
	p.content = container.NewStack(p.browse, p.lightbox)
	return p
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

// shown is told when the page comes up or goes.
func (p *galleryPage) shown(visible bool) {
	p.visible = visible
	if !visible {
		return
	}
	if p.stale {
		p.changed()
	}
	if !p.pruned {
		p.pruned = true
		go prune(p.thumbs.dir, thumbFiles)
	}
}

// changed reads the folder again, once somebody looks.
func (p *galleryPage) changed() {
	p.stale = true
	if !p.visible {
		return
	}
	p.stale = false
	read, folder, words := p.reads.Add(1), p.win.settings.Output, p.search.Text
	type answer struct {
		list       []gallery.Picture
		favourites map[string]bool
	}
	inBackground(p.win.post, func() (a answer, err error) {
		p.win.keeper.flush() // the list of favourites may be on its way to the disk
		if a.list, err = p.shelf.list(folder, words, func() bool { return p.reads.Load() != read }); err == nil {
			a.favourites, err = readFavourites(folder)
		}
		return a, err
	}, func(a answer, err error) {
		if read != p.reads.Load() {
			return
		}
		if err != nil {
			p.notice.fail(fmt.Sprintf("the pictures folder %s cannot be read: %v", folder, err))
		}
		p.all = a.list
		if a.favourites != nil {
			p.favourites = a.favourites
		}
		p.arrange()
	})
}

// arrange shows what of all is to be shown.
func (p *galleryPage) arrange() {
	p.list = p.all
	if p.starred {
		p.list = slices.DeleteFunc(slices.Clone(p.all), func(g gallery.Picture) bool { return !p.isFavourite(g.Path) })
	}
	p.count.SetText(plural(len(p.list), "picture"))
	show(p.empty, len(p.list) == 0)
	switch {
	case strings.TrimSpace(p.search.Text) != "":
		p.emptyText.SetText("No picture has these words in its recipe or name")
	case p.starred:
		p.emptyText.SetText("Mark a picture with the star, or with F, to find it here")
	default:
		p.emptyText.SetText("Each picture that you make is kept in this gallery")
	}
	p.grid.chosen = -1
	if p.chosen != nil {
		p.grid.chosen = slices.IndexFunc(p.list, func(g gallery.Picture) bool { return g.Path == p.chosen.Path })
	}
	clear(p.tiles)
	p.grid.Refresh()
}

func (p *galleryPage) isFavourite(path string) bool { return p.favourites[filepath.Base(path)] }

// fill makes a tile of the grid show picture i.
func (p *galleryPage) fill(i int, t *tile) {
	if i >= len(p.list) {
		return
	}
	pic := p.list[i]
	for old, other := range p.tiles {
		if other == t {
			delete(p.tiles, old)
		}
	}
	p.tiles[pic.Path] = t
	img, known := p.thumbs.get(pic)
	t.show(img)
	t.mark(p.isFavourite(pic.Path), known && img == nil)
}

func (p *galleryPage) thumbReady(path string) {
	t := p.tiles[path]
	i := slices.IndexFunc(p.list, func(g gallery.Picture) bool { return g.Path == path })
	if t != nil && i >= 0 {
		img, known := p.thumbs.get(p.list[i])
		t.show(img)
		t.mark(p.isFavourite(path), known && img == nil)
	}
}

// step goes to another picture.
func (p *galleryPage) step(by int) { p.grid.walk(p.grid.chosen + by) }

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
		if p.wanted != pic {
			p.read()
			return
		}
		if o == nil {
			p.notice.fail(fmt.Sprintf("%s cannot be shown: %v", filepath.Base(pic.Path), withoutPath(err, pic.Path)))
			return
		}
		if !p.notice.action.Visible() { // Undo stays
			p.notice.clear()
		}
		p.choose(o)
	})
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
		p.facts.Add(beside(fixedSize(factName, 0, caption(f.Key)), newText(f.Value, theme.ColorNameForeground, theme.SizeNameCaptionText).short(), nil))
	}
	p.facts.Refresh()
	p.showStar()
	if !p.details.Visible() {
		p.details.Show()
		p.content.Refresh()
	}
	for path, t := range p.tiles {
		t.choose(path == o.Path)
	}
}

func (p *galleryPage) showStar() {
	res := icon("star-line")
	if p.chosen != nil && p.isFavourite(p.chosen.Path) {
		res = theme.NewPrimaryThemedResource(icon("star"))
	}
	p.star.SetIcon(res)
	p.lightbox.star.SetIcon(res)
}

// toggleFavourite marks the chosen picture, or takes its mark away.
func (p *galleryPage) toggleFavourite() {
	if p.chosen == nil {
		return
	}
	name := filepath.Base(p.chosen.Path)
	if p.favourites[name] {
		delete(p.favourites, name)
	} else {
		p.favourites[name] = true
	}
	p.win.keeper.put(filepath.Join(filepath.Dir(p.chosen.Path), favouritesFile), formatFavourites(p.favourites))
	p.showStar()
	if t := p.tiles[p.chosen.Path]; t != nil {
		t.mark(p.favourites[name], t.broken)
	}
}

// showStarred shows only the favourites, or all.
func (p *galleryPage) showStarred(only bool) {
	p.starred = only
	p.onlyStars.Icon = icon("star-line")
	if only {
		p.onlyStars.Icon = theme.NewPrimaryThemedResource(icon("star"))
	}
	p.onlyStars.Refresh()
	p.arrange()
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
	add("Model", r.Model)
	add("Made", when(o.Time, time.Now()))
	add("File", filepath.Base(o.Path))
	for _, e := range r.Extra {
		add(e.Key, e.Value)
	}
	return out
}

func (p *galleryPage) openLightbox() {
	if p.chosen == nil && p.grid.chosen < 0 {
		return
	}
	p.lightbox.Show()
	p.browse.Hide() // Tab must not go behind the picture
	p.win.keys.shown()
	p.win.Canvas().Focus(p.lightbox)
}

func (p *galleryPage) closeLightbox() {
	p.lightbox.Hide()
	p.browse.Show()
	p.win.keys.shown()
	p.win.Canvas().Focus(p.grid)
}

// typedKey does what a key means to the chosen picture.
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
	items := []*fyne.MenuItem{
		fyne.NewMenuItem("Copy prompt", text("prompt", o.recipe.Prompt)),
		fyne.NewMenuItem("Copy recipe", text("recipe", o.recipe.String())),
	}
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
			p.notice.fail(fmt.Sprintf("the picture could not be copied: %v", plainReason(err)))
			return
		}
		p.notice.tell("picture copied")
	})
}

// trash deletes the chosen picture, which can be undone.
func (p *galleryPage) trash() {
	o := p.chosen
	if o == nil {
		return
	}
	name, at := filepath.Base(o.Path), p.grid.chosen
	inBackground(p.win.post, func() (trashed, error) { return toTrash(p.win.places.trash, o.Path) }, func(t trashed, err error) {
		if err != nil {
			p.notice.fail(fmt.Sprintf("%s could not be moved to the trash: %v", name, err))
			return
		}
		gone := func(g gallery.Picture) bool { return g.Path == o.Path }
		p.all = slices.DeleteFunc(slices.Clone(p.all), gone)
		if p.chosen == o {
			p.chosen = nil
			p.details.Hide()
		}
		p.arrange()
		if at >= 0 && len(p.list) > 0 {
			p.grid.walk(min(at, len(p.list)-1))
		} else {
			p.closeLightbox()
		}
		p.notice.offer(name+" is in the trash", "Undo", func() {
			inBackground(p.win.post, func() (struct{}, error) { return struct{}{}, t.restore() }, func(_ struct{}, err error) {
				if err != nil {
					p.notice.fail(fmt.Sprintf("%s could not be brought back: %v", name, err))
				}
				p.changed()
			})
		})
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
				p.notice.fail(fmt.Sprintf("the picture could not be saved: %v", plainReason(err)))
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
