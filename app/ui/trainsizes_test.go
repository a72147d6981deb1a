//go:build !headless

package ui

import (
	"fmt"
	"testing"
	"time"

	"fyne.io/fyne/v2"
)

// Nothing of the Train page is cut off, whatever it shows.
func TestTrainSizes(t *testing.T) {
	for _, screen := range []struct {
		width, height int // pixels
		scale         float32
	}{{1100, 700, 1}, {1100, 700, 1.5}, {1366, 768, 1.5}, {3840, 2160, 1}, {3840, 2160, 2}} {
		t.Run(fmt.Sprintf("%dx%d at %g", screen.width, screen.height, screen.scale), func(t *testing.T) {
			const titleBar, menu = 28, 30 // pixels of the screen, units
			room := fyne.NewSize(float32(screen.width)/screen.scale, (float32(screen.height)-titleBar)/screen.scale-menu)
			e := &fakeEngine{resumable: true, delay: time.Millisecond}
			w, q := open(t, e)
			p := w.train
			at := time.Now()
			e.left.Store(&[]Checkpoint{{Path: "x/.train/y", Step: 123456, Time: at, Size: 5e9, GoesOn: true}, {Path: "x", Step: 99999, Time: at, Size: 5e6, Result: true}})
			look := func(name string) {
				t.Helper()
				w.Resize(room.AddWidthHeight(1, 1)) // lays out what was hidden
				w.Resize(room)
				if min := w.Content().MinSize(); min.Width > room.Width || min.Height > room.Height {
					t.Errorf("%s needs %v of %v", name, min, room)
				}
				cut(t, name, w.Content(), fyne.NewPos(0, 0), fyne.NewPos(0, 0), room)
			}
			w.show(pageTrain)
			look("empty")
			p.folder.SetText(training(t))
			q.until(t, "the album is read", func() bool { return len(p.album.all) == 7 && p.album.all[6].looked })
			p.album.grid.walk(2)
			p.fold(false)
			look("album")
			p.notice.fail("something went wrong that takes some words to say: more than go into one line of it")
			p.tab(tabCheckpoints)
			q.until(t, "the checkpoints are listed", func() bool { return len(p.kept.all) == 2 })
			look("checkpoints")
			e.resumable = false
			p.steps.set(20)
			p.run()
			q.until(t, "samples have come", func() bool { return len(p.samples.items) > 0 || p.notice.Visible() && p.idle() })
			look("running")
			q.until(t, "it is done", p.idle)
			look("done")
			p.album.thumbs.rest()
		})
	}
}
