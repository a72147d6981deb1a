//go:build !headless

package ui

import (
	"image"
	"slices"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
)

func TestQueueKeys(t *testing.T) {
	w, _ := open(t, &fakeEngine{})
	w.Resize(fyne.NewSize(1100, 700))
	w.jobs.pause(true)
	ask(w, "one", "two", "three")
	w.show(pageQueue)
	l := w.queue.list
	press(l, fyne.KeyDown)
	l.TypedShortcut(altDown)
	if got := prompts(w.jobs.list); !slices.Equal(got, []string{"one", "three", "two"}) || l.chosen != 2 {
		t.Errorf("after Alt+Down on the second: %v, at %d", got, l.chosen)
	}
	press(l, fyne.KeySpace)
	if !w.jobs.list[2].Held {
		t.Error("Space must hold the job")
	}
	press(l, fyne.KeyUp, fyne.KeyDelete)
	if got := prompts(w.jobs.list); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("after Delete on the second: %v", got)
	}
	press(l, fyne.KeyDelete, fyne.KeyDelete, fyne.KeyDelete, fyne.KeyDown, fyne.KeySpace)
	if len(w.jobs.list) != 0 {
		t.Errorf("%d are left", len(w.jobs.list))
	}
}

func TestStripKeys(t *testing.T) {
	themedApp(t)
	picked := -1
	s := newStrip(&keys{}, func(v int) { picked = v })
	w := test.NewTempWindow(t, s.content)
	if !s.content.Disabled() {
		t.Error("Tab must pass an empty strip by")
	}
	for i := range 20 {
		s.add(image.NewRGBA(image.Rect(0, 0, 2, 2)), i)
	}
	w.Resize(fyne.NewSize(300, 100))
	press(s.content, fyne.KeyRight, fyne.KeyRight)
	if picked != 17 {
		t.Errorf("two to the right of the newest is %d", picked)
	}
	press(s.content, fyne.KeyEnd, fyne.KeyRight)
	if picked != 0 || s.content.scroll.Offset.X == 0 {
		t.Errorf("the end is %d, scrolled by %g", picked, s.content.scroll.Offset.X)
	}
	press(s.content, fyne.KeyHome, fyne.KeyLeft)
	if picked != 19 || s.content.scroll.Offset.X > 8 {
		t.Errorf("the beginning is %d, scrolled by %g", picked, s.content.scroll.Offset.X)
	}
}
