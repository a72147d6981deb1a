//go:build !headless

package ui

import (
	"fmt"
	"image"
	"net/url"
	"path/filepath"
	"strings"
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

	search *entry
	count  *text
	grid   *widget.GridWrap
	empty  fyne.CanvasObject
	thumbs *thumbs
	notice *notice

	list    []gallery.Picture
	tiles   map[string]*tile // by the path that each shows now
	visible bool
	stale   bool // the folder has changed since it was read
	reads   int  // counts readings, so that an old one is not shown over a new

	details  fyne.CanvasObject
	view     *view
	prompt   *widget.Label
	negative *widget.Label
	facts    *fyne.Container
	chosen   *opened
}

// opened is a picture file that was read.
type opened struct {
	path   string
	image  *image.NRGBA
	recipe gallery.Recipe
}

func newGalleryPage(w *Window) *galleryPage {
	k := &w.keys
	p := &galleryPage{win: w, notice: newNotice(k), tiles: map[string]*tile{}, stale: true}
	p.thumbs = newThumbs(w.post, p.thumbReady)
	p.search = newEntry(k, 1)
	p.search.SetPlaceHolder("Search prompts, models, seeds")
	p.search.SetIcon(theme.SearchIcon())
	p.search.OnChanged = func(string) { p.changed() }
	p.count = caption("")
	p.grid = widget.NewGridWrap(func() int { return len(p.list) },
		func() fyne.CanvasObject { return newTile(gallerySide) }, p.fill)
	p.grid.OnSelected = p.open
	p.empty = emptyState(icon("gallery"), "No pictures here yet", "Each picture that you make is kept in this gallery")
	p.empty.Hide()

	p.view = newView(w.post)
	p.prompt, p.negative, p.facts = widget.NewLabel(""), widget.NewLabel(""), stack(3)
	for _, l := range []*widget.Label{p.prompt, p.negative} {
		l.Wrapping, l.Selectable = fyne.TextWrapWord, true
	}
	actions := stack(tight,
		newButton(k, "Use these settings", theme.ContentUndoIcon(), p.reuse).primary(),
		columns(
			newButton(k, "Save as…", theme.DocumentSaveIcon(), p.saveAs),
			newButton(k, "Copy prompt", theme.ContentCopyIcon(), func() { fyne.CurrentApp().Clipboard().SetContent(p.chosen.recipe.Prompt) })),
		newButton(k, "Open folder", theme.FolderOpenIcon(), p.openFolder))
	p.details = container.New(&insets{left: tight}, fixedSize(300, 0, newPanel(colorPanel, gap+2, container.NewBorder(
		fixedSize(0, 272, p.view), actions, nil, nil,
		container.NewVScroll(stack(tight, p.prompt, p.negative, container.New(&insets{left: 7}, p.facts)))))))
	p.details.Hide()

	head := beside(nil, p.search, middle(p.count))
	p.content = container.NewBorder(nil, nil, nil, p.details, newPanel(colorPanel, gap+2,
		container.NewBorder(stack(tight, head, p.notice), nil, nil, nil,
			container.New(&insets{top: gap}, container.NewStack(p.grid, p.empty)))))
	return p
}

// shown is told when the page comes up or goes.
func (p *galleryPage) shown(visible bool) {
	p.visible = visible
	if visible && p.stale {
		p.changed()
	}
}

// changed reads the folder again, once somebody looks.
func (p *galleryPage) changed() {
	p.stale = true
	if !p.visible {
		return
	}
	p.stale = false
	p.reads++
	read, folder, words := p.reads, p.win.settings.Output, p.search.Text
	inBackground(p.win.post, func() ([]gallery.Picture, error) { return listPictures(folder, words) },
		func(list []gallery.Picture, err error) {
			if read != p.reads {
				return
			}
			p.notice.clear()
			if err != nil {
				p.notice.fail(fmt.Sprintf("the pictures folder cannot be read: %v", err))
			}
			p.list = list
			p.count.SetText(plural(len(list), "picture"))
			p.empty.Hide()
			if len(list) == 0 && strings.TrimSpace(words) == "" && err == nil {
				p.empty.Show()
			}
			clear(p.tiles)
			p.grid.UnselectAll()
			p.grid.Refresh()
			p.mark()
		})
}

// fill makes a tile of the grid show picture i.
func (p *galleryPage) fill(i widget.GridWrapItemID, o fyne.CanvasObject) {
	t, path := o.(*tile), p.list[i].Path
	for old, other := range p.tiles {
		if other == t {
			delete(p.tiles, old)
		}
	}
	p.tiles[path] = t
	t.tapped = func() { p.grid.Select(i) }
	t.show(p.thumbs.get(path))
	t.choose(p.chosen != nil && p.chosen.path == path)
}

func (p *galleryPage) thumbReady(path string) {
	if t := p.tiles[path]; t != nil {
		t.show(p.thumbs.get(path))
	}
}

// open reads the chosen file and shows it with its recipe.
func (p *galleryPage) open(i widget.GridWrapItemID) {
	if i >= len(p.list) {
		return
	}
	pic := p.list[i]
	inBackground(p.win.post, func() (*opened, error) {
		img, err := pictures.Load(pic.Path)
		if err != nil {
			return nil, err
		}
		r, err := gallery.Read(pic.Path)
		return &opened{pic.Path, img, r}, err
	}, func(o *opened, err error) {
		if o == nil {
			p.notice.fail(fmt.Sprintf("%s cannot be shown: %v", filepath.Base(pic.Path), err))
			return
		}
		p.notice.clear()
		p.chosen = o
		p.view.show(o.image)
		p.prompt.SetText(o.recipe.Prompt)
		p.negative.Hide()
		if n := o.recipe.Negative; n != "" {
			p.negative.SetText("Not: " + n)
			p.negative.Show()
		}
		p.facts.Objects = nil
		for _, f := range facts(o, pic.Time) {
			p.facts.Add(beside(fixedSize(factName, 0, caption(f.Key)), newText(f.Value, theme.ColorNameForeground, theme.SizeNameCaptionText), nil))
		}
		if !p.details.Visible() {
			p.details.Show()
			p.content.Refresh()
		}
		p.mark()
	})
}

func (p *galleryPage) mark() {
	for path, t := range p.tiles {
		t.choose(p.chosen != nil && p.chosen.path == path)
	}
}

// factName is the width of the names of facts.
const factName = 66

// facts is the recipe but for the prompts.
func facts(o *opened, t time.Time) []gallery.Pair {
	var out []gallery.Pair
	add := func(name, value string) {
		if value != "" && value != "0" {
			out = append(out, gallery.Pair{Key: name, Value: value})
		}
	}
	r, b := o.recipe, o.image.Bounds()
	add("Seed", fmt.Sprint(r.Seed))
	add("Steps", fmt.Sprint(r.Steps))
	add("Guidance", fmt.Sprintf("%g", r.CFGScale))
	add("Sampler", strings.TrimSpace(r.Sampler+" "+r.ScheduleType))
	add("Size", sizeText(b.Dx(), b.Dy()))
	add("Model", r.Model)
	add("Made", when(t, time.Now()))
	add("File", filepath.Base(o.path))
	return out
}

func (p *galleryPage) reuse() {
	p.win.create.restore(p.chosen.recipe)
	p.win.show(pageCreate)
}

func (p *galleryPage) saveAs() {
	o := p.chosen
	p.win.askSave(filepath.Base(o.path), func(path string) {
		inBackground(p.win.post, func() (struct{}, error) {
			return struct{}{}, gallery.Save(path, o.image, o.recipe)
		}, func(_ struct{}, err error) {
			if err != nil {
				p.notice.fail(fmt.Sprintf("the picture could not be saved: %v", err))
			}
		})
	})
}

func (p *galleryPage) openFolder() {
	u := &url.URL{Scheme: "file", Path: filepath.ToSlash(p.win.settings.Output)}
	if err := fyne.CurrentApp().OpenURL(u); err != nil {
		p.notice.fail(fmt.Sprintf("the folder %s could not be opened: %v", p.win.settings.Output, err))
	}
}
