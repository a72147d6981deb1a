//go:build !headless

package ui

import (
	"fmt"
	"image"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
)

// Nothing is cut off on screens of these sizes, less the title bar and the menu.
func TestSizes(t *testing.T) {
	for _, screen := range []struct {
		width, height int // pixels
		scale         float32
	}{
		{1100, 700, 1}, {1100, 700, 1.5}, {1366, 768, 1}, {1366, 768, 1.25}, {1366, 768, 1.5},
		{1920, 1080, 1}, {3840, 2160, 1}, {3840, 2160, 2},
	} {
		t.Run(fmt.Sprintf("%dx%d at %g", screen.width, screen.height, screen.scale), func(t *testing.T) {
			const titleBar, menu = 28, 30 // pixels of the screen, units
			room := fyne.NewSize(float32(screen.width)/screen.scale, (float32(screen.height)-titleBar)/screen.scale-menu)
			w, q := open(t, &fakeEngine{delay: time.Millisecond})
			hang(t, w, "a fox", strings.Repeat("a long prompt about an owl, ", 12))
			f := w.create.form
			f.negative.SetText("blurry")
			f.steps.set(3)
			f.setBeyond(beyond{ClipSkip: 2})
			f.second.set(SecondPass{Hires: 2})
			w.create.start()
			w.create.start()
			q.until(t, "two are made", idle(w))
			w.Resize(room)
			cut(t, "Create from noise", w.Content(), fyne.NewPos(0, 0), fyne.NewPos(0, 0), room)
			w.create.initial.read(func() (image.Image, error) { return paint("x", 1, 64, 64, 0), nil })
			q.until(t, "there is a picture to begin from", w.create.initial.settings.Visible)
			w.create.controls.add().restoreDraft(Control{Net: "/c/control_v11p_sd15_softedge.safetensors", Weight: 1, End: 1}, w.create.initial.data)
			w.create.controls.add()
			w.create.notice.fail("something went wrong that takes some words to say: more than go into one line of it")
			w.jobs.pause(true)
			ask(w, strings.Repeat("many words ", 40), "few")
			for page, name := range []string{"Create", "Queue", "Gallery", "Train", "Models", "Settings"} {
				if page == pageTrain {
					continue
				}
				w.Resize(room)
				w.show(page)
				if page == pageGallery {
					q.until(t, "the pictures are listed", func() bool { return len(w.gallery.list) == 4 })
					w.gallery.grid.walk(2)
					q.until(t, "one is open", func() bool { return w.gallery.chosen != nil })
				}
				if min := w.Content().MinSize(); min.Width > room.Width || min.Height > room.Height {
					t.Errorf("%s needs %v of %v", name, min, room)
				}
				w.Resize(room)
				cut(t, name, w.Content(), fyne.NewPos(0, 0), fyne.NewPos(0, 0), room)
			}
			w.show(pageCreate)
			w.create.initial.paint()
			q.until(t, "the brush comes up", w.create.initial.board.Visible)
			if min := w.Content().MinSize(); min.Width > room.Width || min.Height > room.Height {
				t.Errorf("the brush needs %v of %v", min, room)
			}
			w.Resize(room.AddWidthHeight(0, -1)) // lays out what has been shown
			cut(t, "The brush", w.Content(), fyne.NewPos(0, 0), fyne.NewPos(0, 0), room)
			generate := fyne.CurrentApp().Driver().AbsolutePositionForObject(w.create.generate)
			if generate.Y+w.create.generate.Size().Height > room.Height {
				t.Errorf("Generate is at %v of %v", generate, room)
			}
		})
	}
}

// cut tells what of o does not lie in its room, or is too small for its text.
func cut(t *testing.T, name string, o fyne.CanvasObject, at, from fyne.Position, to fyne.Size) {
	t.Helper()
	if !o.Visible() {
		return
	}
	at = at.Add(o.Position())
	size := o.Size()
	const slack = 0.51
	switch c := o.(type) {
	case *container.Scroll: // has bars, but none to the side of what grows downwards
		if need := c.Content.MinSize().Width; c.Direction == container.ScrollVerticalOnly && need > size.Width+slack {
			t.Errorf("%s: what scrolls is %g wide, and there are %g", name, need, size.Width)
		}
		return
	case *canvas.Text:
		if c.Text != "" && (c.MinSize().Width > size.Width+slack || c.MinSize().Height > size.Height+slack) {
			t.Errorf("%s: %q has %v of %v", name, c.Text, size, c.MinSize())
		}
	case *button, *entry, *choice, *slider, *check, *editableChoice, *link, *navItem, *list, *grid, *view:
		m := o.MinSize()
		if _, ok := o.(*choice); ok {
			m.Width = 0 // it asks for a placeholder's that it does not have; its text is looked at
		}
		if m.Width > size.Width+slack || m.Height > size.Height+slack {
			t.Errorf("%s: %s has %v of %v", name, said(o), size, m)
		}
		if at.X < from.X-slack || at.Y < from.Y-slack || at.X+size.Width > from.X+to.Width+slack || at.Y+size.Height > from.Y+to.Height+slack {
			t.Errorf("%s: %s lies at %v, %v beyond %v", name, said(o), at, size, to)
		}
	}
	for _, inner := range insideOf(o) {
		cut(t, name, inner, at, from, to)
	}
}
