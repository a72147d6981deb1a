//go:build !headless

package ui

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"latent/app/gallery"
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
	picked     map[string]bool   // paths of those that are chosen together: none, or two and more
	trashing   bool              // until all are in the trash
	visible    bool
	stale      bool         // the folder has changed since it was read
	reads      atomic.Int64 // counts readings, so that an old one is not shown over a new
	pruned     bool

	details  fyne.CanvasObject
	view     *view
	prompt   *prose
	negative *prose
	facts    *fyne.Container
	star     *button
	whole    []fyne.CanvasObject // what is of use with a picture that can be shown
	chosen   *opened             // nil: none, or one that cannot be shown
	wanted   gallery.Picture     // what has the ring
	opening  bool
}

func newGalleryPage(w *Window) *galleryPage {
	k := &w.keys
	p := &galleryPage{win: w, notice: newNotice(k), tiles: map[string]*tile{}, favourites: map[string]bool{}, picked: map[string]bool{}, stale: true}
	p.thumbs = newThumbs(w.post, filepath.Join(w.places.cache, "thumbnails"), p.thumbReady)
	p.search = newEntry(k, 1)
	p.search.SetPlaceHolder("Search")
	p.search.SetIcon(theme.SearchIcon())
	p.search.OnChanged = func(string) { p.changed() }
	p.search.OnSubmitted = func(string) { w.Canvas().Focus(p.grid) }
	p.onlyStars = newButton(k, "Favourites", icon("star-line"), func() { p.showStarred(!p.starred) })
	p.count = caption("")
	p.grid = newGrid(k, func() int { return len(p.list) }, p.fill)
	p.grid.walked, p.grid.opened, p.grid.typed = p.open, p.openLightbox, p.typedKey
	p.grid.ranged, p.grid.toggled, p.grid.all = p.pickRange, p.togglePick, p.pickAll
	p.emptyText = caption("")
	p.empty = emptyHint(icon("gallery"), "No pictures here", p.emptyText)
	p.empty.Hide()

	p.view = newView(w.post)
	p.prompt, p.negative, p.facts = newProse(k), newProse(k), stack(3)
	p.star = newButton(k, "", icon("star-line"), p.toggleFavourite)
	full := newButton(k, "", theme.ViewFullScreenIcon(), p.openLightbox)
	more := newMenuButton(k, "More", theme.MoreHorizontalIcon(), p.more)
	p.whole = []fyne.CanvasObject{
		newButton(k, "Use these settings", theme.ContentUndoIcon(), p.reuse).primary(),
		columns(newButton(k, "Save as…", theme.DocumentSaveIcon(), p.saveAs), more), full,
	}
	actions := stack(tight, p.whole[0], p.whole[1], columns(full, p.star, newButton(k, "", theme.DeleteIcon(), p.trash)))
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
	anchor := ""
	if i := p.grid.anchor; i >= 0 && i < len(p.list) {
		anchor = p.list[i].Path
	}
	p.list = p.all
	if p.starred {
		p.list = slices.DeleteFunc(slices.Clone(p.all), func(g gallery.Picture) bool { return !p.isFavourite(g.Path) })
	}
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
	if p.wanted.Path != "" {
		p.grid.chosen = p.indexOf(p.wanted.Path)
	}
	p.grid.anchor = p.indexOf(anchor)
	p.keepPicks()
	clear(p.tiles)
	p.grid.Refresh()
}

// indexOf is where a file is in the list; -1: nowhere.
func (p *galleryPage) indexOf(path string) int {
	return slices.IndexFunc(p.list, func(g gallery.Picture) bool { return g.Path == path })
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
	t.pick(p.picked[pic.Path])
}

func (p *galleryPage) thumbReady(path string) {
	t := p.tiles[path]
	i := p.indexOf(path)
	if t != nil && i >= 0 {
		img, known := p.thumbs.get(p.list[i])
		t.show(img)
		t.mark(p.isFavourite(path), known && img == nil)
	}
}

// step goes to another picture.
func (p *galleryPage) step(by int) { p.grid.walk(p.grid.chosen + by) }

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
