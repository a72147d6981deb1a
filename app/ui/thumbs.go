//go:build !headless

package ui

import (
	"image"
	"sync"

	"latent/app/gallery"
)

// thumbs makes small pictures of files in the background and keeps the latest.
// What was asked for last is made first: it is what the screen shows now.
type thumbs struct {
	post  poster
	ready func(path string) // on the window's goroutine

	mu      sync.Mutex
	made    map[string]image.Image // nil for a file that is no picture
	order   []string               // of made, the oldest first
	wanted  []string               // the newest wish last
	workers int
}

const (
	thumbWorkers = 2
	thumbsKept   = 600
	thumbsWanted = 200 // more than a screen shows; older wishes have scrolled away
	gallerySide  = 148
)

func newThumbs(post poster, ready func(string)) *thumbs {
	return &thumbs{post: post, ready: ready, made: map[string]image.Image{}}
}

// get returns the file's thumbnail, or nil until ready is called for it.
func (t *thumbs) get(path string) image.Image {
	t.mu.Lock()
	defer t.mu.Unlock()
	if img, ok := t.made[path]; ok {
		return img
	}
	t.wanted = append(t.wanted, path)
	if n := len(t.wanted) - thumbsWanted; n > 0 {
		t.wanted = t.wanted[n:]
	}
	if t.workers < thumbWorkers {
		t.workers++
		go t.work()
	}
	return nil
}

func (t *thumbs) work() {
	for {
		path, ok := t.next()
		if !ok {
			return
		}
		var img image.Image
		if n, err := gallery.Thumbnail(path, 2*gallerySide); err == nil {
			img = asRGBA(n)
		}
		t.keep(path, img)
		t.post(func() { t.ready(path) })
	}
}

// next takes the newest wish that nobody has fulfilled.
func (t *thumbs) next() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := len(t.wanted); n > 0; n = len(t.wanted) {
		path := t.wanted[n-1]
		t.wanted = t.wanted[:n-1]
		if _, ok := t.made[path]; !ok {
			return path, true
		}
	}
	t.workers--
	return "", false
}

func (t *thumbs) keep(path string, img image.Image) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.made[path]; !ok {
		t.order = append(t.order, path)
	}
	t.made[path] = img
	for len(t.order) > thumbsKept {
		delete(t.made, t.order[0])
		t.order = t.order[1:]
	}
}
