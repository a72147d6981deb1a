//go:build !headless

package ui

import (
	"path/filepath"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"
)

// queue stands in for the window's goroutine: the test runs what is posted.
type queue chan func()

func (q queue) post(f func()) { q <- f }

// until runs what is posted until done says so.
func (q queue) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	for !done() {
		select {
		case f := <-q:
			f()
		case <-time.After(5 * time.Millisecond): // not all that is waited for is posted
		case <-limit:
			t.Fatal("waited in vain until " + what)
		}
	}
}

// open returns a window over e, whose folders and settings are temporary.
func open(t *testing.T, e Engine) (*Window, queue) {
	t.Helper()
	return openIn(t, e, t.TempDir())
}

// openIn returns a window whose folders and settings are in dir, as those of a
// program that is started again.
func openIn(t *testing.T, e Engine, dir string) (*Window, queue) {
	t.Helper()
	at := places{settings: filepath.Join(dir, "config", "settings.toml"), state: filepath.Join(dir, "state"), cache: filepath.Join(dir, "cache"), trash: filepath.Join(dir, "trash")}
	s := defaultSettings()
	s.Output, s.Models = filepath.Join(dir, "pictures"), filepath.Join(dir, "models")
	s.LoRAs, s.Embeddings, s.VAEs = filepath.Join(dir, "loras"), filepath.Join(dir, "embeddings"), filepath.Join(dir, "vae")
	s.Controls, s.Upscalers = filepath.Join(dir, "controlnet"), filepath.Join(dir, "upscalers")
	if err := saveSettings(at.settings, s); err != nil {
		t.Fatal(err)
	}
	q := make(queue, 10000)
	w := newWindow(test.NewTempApp(t), e, at, q.post)
	t.Cleanup(func() {
		w.leave()
		w.gallery.thumbs.rest()
	})
	return w, q
}

// rest waits for the thumbnails under way, and lets no other be begun.
func (t *thumbs) rest() {
	for {
		t.mu.Lock()
		t.wanted = nil
		done := t.workers == 0
		t.mu.Unlock()
		if done {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// themedApp is an app for widgets that are tested alone.
func themedApp(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(newLook("dark"))
}

// idle tells whether all pictures are finished and kept.
func idle(w *Window) func() bool {
	return func() bool { return w.jobs.running == nil && w.jobs.waits() == 0 }
}
