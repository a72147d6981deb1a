//go:build !headless

package ui

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"latent/app/gallery"
)

// thumbs makes small pictures of files in the background, keeps the latest in
// memory and all in a folder. What was asked for last is made first: it is what
// the screen shows now.
type thumbs struct {
	dir   string // "": none are kept on the disk
	post  poster
	ready func(path string) // on the window's goroutine

	mu      sync.Mutex
	made    map[gallery.Picture]image.Image // nil for a file that is no picture
	order   []gallery.Picture               // of made, the oldest first
	wanted  []gallery.Picture               // the newest wish last
	workers int
}

const (
	thumbWorkers = 2
	thumbsKept   = 240 // some screens full: 80 MB
	thumbsWanted = 200 // more than a screen shows; older wishes have scrolled away
	thumbFiles   = 40_000
	gallerySide  = 148
)

func newThumbs(post poster, dir string, ready func(string)) *thumbs {
	return &thumbs{post: post, dir: dir, ready: ready, made: map[gallery.Picture]image.Image{}}
}

// get returns the file's thumbnail, nil for a file that is no picture. Until it
// is known, it returns false; ready is called then.
func (t *thumbs) get(p gallery.Picture) (image.Image, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if img, ok := t.made[p]; ok {
		return img, true
	}
	t.wanted = append(t.wanted, p)
	if n := len(t.wanted) - thumbsWanted; n > 0 {
		t.wanted = t.wanted[n:]
	}
	if t.workers < thumbWorkers {
		t.workers++
		go t.work()
	}
	return nil, false
}

func (t *thumbs) work() {
	for {
		p, ok := t.next()
		if !ok {
			return
		}
		t.keep(p, t.make(p))
		t.post(func() { t.ready(p.Path) })
	}
}

// make returns the thumbnail from the folder, or makes it.
func (t *thumbs) make(p gallery.Picture) image.Image {
	path := t.path(p)
	if data, err := os.ReadFile(path); path != "" && err == nil {
		if img, err := jpeg.Decode(bytes.NewReader(data)); err == nil {
			return asRGBA(img)
		}
	}
	n, err := gallery.Thumbnail(p.Path, 2*gallerySide)
	if err != nil {
		return nil
	}
	img := asRGBA(n)
	if path != "" {
		saveThumb(path, img)
	}
	return img
}

// path is where the file's thumbnail is kept; a file that changes gets another.
func (t *thumbs) path(p gallery.Picture) string {
	if t.dir == "" {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", p.Path, p.Time.UnixNano(), 2*gallerySide))
	name := fmt.Sprintf("%x", sum[:12])
	return filepath.Join(t.dir, name[:2], name[2:]+".jpg")
}

// saveThumb writes a thumbnail, which may fail: it can be made again.
func saveThumb(path string, img image.Image) {
	var b bytes.Buffer
	if jpeg.Encode(&b, img, &jpeg.Options{Quality: 88}) != nil || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".*.tmp")
	if err != nil {
		return
	}
	_, err = f.Write(b.Bytes())
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
}

// prune deletes the thumbnails that were made longest ago, if there are too many.
func prune(dir string, most int) {
	type file struct {
		path string
		time time.Time
	}
	var files []file
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			files = append(files, file{path, info.ModTime()})
		}
		return nil
	})
	if len(files) <= most {
		return
	}
	slices.SortFunc(files, func(a, b file) int { return a.time.Compare(b.time) })
	for _, f := range files[:len(files)-most] {
		os.Remove(f.path)
	}
}

// next takes the newest wish that nobody has fulfilled.
func (t *thumbs) next() (gallery.Picture, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := len(t.wanted); n > 0; n = len(t.wanted) {
		p := t.wanted[n-1]
		t.wanted = t.wanted[:n-1]
		if _, ok := t.made[p]; !ok {
			return p, true
		}
	}
	t.workers--
	return gallery.Picture{}, false
}

func (t *thumbs) keep(p gallery.Picture, img image.Image) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.made[p]; !ok {
		t.order = append(t.order, p)
	}
	t.made[p] = img
	for len(t.order) > thumbsKept {
		delete(t.made, t.order[0])
		t.order = t.order[1:]
	}
}
