//go:build !headless

package ui

import (
	"testing"

	"fyne.io/fyne/v2"
)

func TestWindowSizeIsKept(t *testing.T) {
	dir := t.TempDir()
	w, _ := openIn(t, &fakeEngine{}, dir)
	if got := w.Canvas().Size(); got != usualSize {
		t.Errorf("a first window has %v", got)
	}
	w.Resize(fyne.NewSize(1234, 777))
	w.leave()
	w, _ = openIn(t, &fakeEngine{}, dir)
	if got, want := w.Canvas().Size(), fyne.NewSize(1234, 777); got != want {
		t.Errorf("the next window has %v, want %v", got, want)
	}
}

func FuzzWindowSize(f *testing.F) {
	f.Add(formatWindowSize(usualSize))
	f.Add([]byte("width = nan\nheight = inf"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := parseWindowSize(data)
		if !(s.Width >= 1 && s.Width <= mostSize && s.Height >= 1 && s.Height <= mostSize) {
			t.Errorf("%v", s)
		}
	})
}
