//go:build !headless

package ui

import (
	"image"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"latent/app/pictures"
)

// albumPane shows a training folder's pictures and lets a person write their
// captions, which are saved as they are typed.
type albumPane struct {
	content fyne.CanvasObject
	win     *Window
	changed func() // the captions

	folder  string
	all     []leaf
	list    []int // of all, those that are shown
	wanting bool  // only those that need something
	reads   int

	grid    *grid
	thumbs  *thumbs
	tiles   map[string]*tile
	filter  *link
	view    *view
	name    *text
	note    *text
	caption *entry
	at      int // of all, what the editor shows; -1: nothing
	filling bool
	timer   *time.Timer
	unsaved bool
	editor  fyne.CanvasObject
}

func newAlbumPane(w *Window, changed func()) *albumPane {
	k := &w.keys
	p := &albumPane{win: w, changed: changed, tiles: map[string]*tile{}, at: -1}
	p.thumbs = newThumbs(w.post, filepath.Join(w.places.cache, "thumbnails"), p.thumbReady)
	p.grid = newGrid(k, func() int { return len(p.list) }, p.fill)
	p.grid.walked = func(i int) { p.choose(p.list[i]) }
	p.grid.opened = func() { w.Canvas().Focus(p.caption) }
	p.grid.typed = func(fyne.KeyName) {}
	p.filter = newLink(k, "Show these", func() {
		p.wanting = !p.wanting
		p.arrange()
	})
	p.view = newView(w.post)
	p.name, p.note = newText("", theme.ColorNameForeground, theme.SizeNameText).short(), caption("").short()
	p.caption = newEntry(k, 3)
	p.caption.SetPlaceHolder("Say what the picture shows; it is saved as you type")
	p.caption.OnChanged = func(string) { p.typed() }
	p.editor = container.New(&insets{top: gap}, fixedSize(0, 150, newPanel(colorStage, gap,
		beside(fixedSize(128, 0, p.view), container.New(&insets{left: tight}, container.NewBorder(stack(2, p.name, p.note), nil, nil, nil, container.New(&insets{top: tight}, p.caption))), nil))))
	p.editor.Hide()
	p.content = container.NewBorder(nil, p.editor, nil, nil, p.grid)
	return p
}

// open shows another folder's pictures, and looks at each of them in the
// background.
func (p *albumPane) open(folder string, resolution int, done func(error)) {
	p.keep()
	p.reads++
	read := p.reads
	p.folder = folder
	inBackground(p.win.post, func() ([]leaf, error) { return readAlbum(folder) }, func(all []leaf, err error) {
		if read != p.reads {
			return
		}
		if err == nil && len(all) == 0 {
			err = errNoPictures
		}
		p.all, p.at = all, -1
		p.editor.Hide()
		p.arrange()
		done(err)
		go func() {
			for i := range all {
				l := all[i]
				l.look(resolution)
				stop := make(chan bool, 1)
				p.win.post(func() {
					if stop <- read != p.reads; read == p.reads {
						p.looked(i, l)
					}
				})
				if <-stop {
					return
				}
			}
		}()
	})
}

// looked takes what was found about picture i.
func (p *albumPane) looked(i int, l leaf) {
	old := &p.all[i]
	old.looked, old.broken = true, l.broken
	if old.problem == "" {
		old.problem = l.problem
	}
	if t := p.tiles[old.Path]; t != nil {
		p.mark(t, old)
	}
	if p.at == i {
		p.note.SetText(old.wanting())
	}
	if old.problem != "" || i == len(p.all)-1 {
		p.changed()
	}
}

func (p *albumPane) arrange() {
	p.list = p.list[:0]
	for i := range p.all {
		if !p.wanting || p.all[i].wanting() != "" {
			p.list = append(p.list, i)
		}
	}
	p.filter.Text = "Show these"
	if p.wanting {
		p.filter.Text = "Show all"
	}
	p.filter.Refresh()
	p.grid.chosen = -1
	for n, i := range p.list {
		if i == p.at {
			p.grid.chosen = n
		}
	}
	clear(p.tiles)
	p.grid.Refresh()
}

func (p *albumPane) fill(n int, t *tile) {
	if n >= len(p.list) {
		return
	}
	l := &p.all[p.list[n]]
	for old, other := range p.tiles {
		if other == t {
			delete(p.tiles, old)
		}
	}
	p.tiles[l.Path] = t
	img, _ := p.thumbs.get(l.Picture)
	t.show(img)
	p.mark(t, l)
}

func (p *albumPane) mark(t *tile, l *leaf) {
	t.warn(l.wanting() != "" && !l.broken, l.broken)
}

func (p *albumPane) thumbReady(path string) {
	t := p.tiles[path]
	for i := range p.all {
		if l := &p.all[i]; t != nil && l.Path == path {
			img, _ := p.thumbs.get(l.Picture)
			t.show(img)
			p.mark(t, l)
		}
	}
}

// choose shows picture i with its caption.
func (p *albumPane) choose(i int) {
	p.keep()
	p.at = i
	l := &p.all[i]
	p.editor.Show()
	p.win.keys.shown()
	p.name.SetText(filepath.Base(l.Path))
	p.note.SetText(l.wanting())
	p.filling = true
	p.caption.SetText(l.caption)
	p.filling = false
	if l.long > 0 {
		p.caption.Disable()
	} else {
		p.caption.Enable()
	}
	for path, t := range p.tiles {
		t.choose(path == l.Path)
	}
	path := l.Path
	inBackground(p.win.post, func() (image.Image, error) { return pictures.Load(path) }, func(img image.Image, err error) {
		if p.at < 0 || p.all[p.at].Path != path {
			return
		}
		if err != nil {
			img = nil // the note says why
		}
		p.view.show(img)
	})
}

// holds tells whether a file is of the pictures that are shown.
func (p *albumPane) holds(path string) bool {
	rel, err := filepath.Rel(p.folder, path)
	return p.folder != "" && err == nil && filepath.IsLocal(rel)
}

// typed keeps the caption once a moment has passed without another key.
func (p *albumPane) typed() {
	if p.filling || p.at < 0 {
		return
	}
	p.unsaved = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(captionDelay, func() { p.win.post(p.keep) })
}

// keep saves the caption in the editor, if it was changed.
func (p *albumPane) keep() {
	if !p.unsaved || p.at < 0 {
		return
	}
	p.unsaved = false
	l := &p.all[p.at]
	l.caption = strings.TrimSpace(p.caption.Text)
	path := captionPath(l.Path)
	data := []byte{} // emptied, not removed: it is the person's file
	if l.caption != "" {
		data = []byte(l.caption + "\n")
	}
	p.win.keeper.putMade(path, func() ([]byte, error) {
		// A folder that is gone, as with its disk, is not made again for a caption.
		_, err := os.Stat(filepath.Dir(path))
		return data, err
	})
	p.note.SetText(l.wanting())
	if t := p.tiles[l.Path]; t != nil {
		p.mark(t, l)
	}
	p.changed()
}
