//go:build !headless && linux

package ui

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fyne.io/fyne/v2/theme"

	"latent/app/trainer"
)

// trainOn fills the form with a short training of the tiny model.
func trainOn(w *Window, folder string, steps float64) *trainPage {
	p := w.train
	p.folder.SetText(folder)
	p.base.SetSelected("tiny")
	p.name.SetText("squares")
	p.prompt.SetText("")
	p.steps.set(steps)
	p.batch.set(2)
	w.show(pageTrain)
	return p
}

// smallDisk is a file system of so many kB at dir.
func smallDisk(t *testing.T, dir string, size int) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs a file system of its own")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", size)); err != nil {
		t.Skip("no file system of its own: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// A folder with all that can be wrong with pictures and captions is trained on as
// far as it goes: what is left out is named, and the rest is learned.
func TestTrainOnBadPictures(t *testing.T) {
	w, q, _, folder := openReal(t)
	bad := badPictures(t)
	for name, data := range bad {
		write(t, filepath.Join(folder, name), data)
		write(t, filepath.Join(folder, strings.TrimSuffix(name, ".png")+".txt"), "a square")
	}
	long := strings.Repeat("a very long caption, ", 100_000/21)
	write(t, filepath.Join(folder, "blue.txt"), long)
	p := trainOn(w, folder, 4)
	q.until(t, "all are looked at", func() bool { return len(p.album.all) == 7 && p.album.all[6].looked })
	if got := p.found.Text; got != "7 pictures, 4 faulty" { // the palette's is black, the caption long
		t.Errorf("of the folder it says %q", got)
	}
	p.run()
	q.until(t, "it is done", func() bool {
		return p.idle() && (strings.HasPrefix(p.status.Text, "Done") || p.notice.kind == theme.ColorNameError)
	})
	if got := p.notice.message.Text; !strings.Contains(got, "are left out") || !strings.Contains(got, "empty.png") || !strings.Contains(got, "huge.png") || strings.Contains(got, "\n") {
		t.Errorf("notice %q", got)
	}
	if len(p.chart.curve.raw) != 4 {
		t.Errorf("%d losses: %s", len(p.chart.curve.raw), p.status.Text)
	}
	if got := read(t, filepath.Join(folder, "blue.txt")); got != long {
		t.Error("the long caption was changed")
	}
	w.train.album.thumbs.rest()
}

// A folder that goes while it is trained on ends nothing, and the page lives on.
func TestFolderVanishesInTheWindow(t *testing.T) {
	w, q, _, folder := openReal(t)
	p := trainOn(w, folder, 100)
	q.until(t, "the album is read", func() bool { return len(p.album.all) == 3 && p.album.all[2].looked })
	p.run()
	q.until(t, "it trains", func() bool { return len(p.chart.curve.raw) > 0 || p.idle() })
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	p.tab(tabPictures)
	p.album.grid.walk(1)
	p.album.caption.SetText("typed too late")
	p.album.keep()
	q.until(t, "that is told", func() bool { return p.notice.Visible() || p.idle() })
	if got := p.notice.message.Text; !strings.Contains(got, "green.txt could not be kept: no such file") {
		t.Errorf("notice %q", got)
	}
	q.until(t, "it is done", func() bool { return p.idle() && p.status.Text != "" })
	if !strings.HasPrefix(p.status.Text, "Done") || p.chart.curve.last != 100 {
		t.Errorf("after %d steps: %q, %s", p.chart.curve.last, p.status.Text, p.notice.message.Text)
	}
	// Another one cannot begin.
	p.name.SetText("again")
	p.run()
	q.until(t, "it is told", func() bool { return p.idle() && strings.Contains(p.notice.message.Text, "no such folder") })
	p.look()
	q.until(t, "it is told at the form too", func() bool { return strings.Contains(strings.ToLower(p.found.Text), "no such file") })
	p.album.thumbs.rest()
}

// A disk that fills up in mid-training costs checkpoints, not the training; once
// there is room all is well.
func TestDiskFillsUpInTheWindow(t *testing.T) {
	w, q, _, folder := openReal(t)
	smallDisk(t, w.settings.LoRAs, 4<<10)
	p := trainOn(w, folder, 1_000_000)
	p.run()
	q.until(t, "it trains", func() bool { return len(p.chart.curve.raw) > 0 || p.idle() })
	ballast := filepath.Join(w.settings.LoRAs, "ballast")
	f, err := os.Create(ballast)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	q.until(t, "it is told", func() bool { return p.notice.Visible() || p.idle() })
	if got := p.notice.message.Text; p.idle() || !strings.Contains(got, "could not be written") || !strings.Contains(got, "no space left") || !strings.Contains(got, "goes on") {
		t.Errorf("idle %v, notice %q", p.idle(), got)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p.abort()
	q.until(t, "it has stopped, and can go on", func() bool { return p.start.Text == continueWord || p.idle() && p.notice.kind == theme.ColorNameError })
	last := p.chart.curve.last
	state, err := os.ReadFile(filepath.Join(p.output(), trainer.State, "denoiser.safetensors"))
	if err != nil || !bytes.Contains(state[:4096], fmt.Appendf(nil, `"step":"%d"`, last)) {
		t.Errorf("the checkpoint is not that of step %d: %v", last, err)
	}
	p.run()
	q.until(t, "it goes on", func() bool { return p.chart.curve.last > last || p.idle() && p.notice.Visible() })
	if p.chart.curve.first != 1 || p.idle() {
		t.Errorf("from step %d on: %s", p.chart.curve.first, p.notice.message.Text)
	}
	p.abort()
	q.until(t, "it has stopped", p.idle)
	p.album.thumbs.rest()
}

// Where nothing can be written, that is told before anything is trained.
func TestReadOnlyFolders(t *testing.T) {
	w, q, _, folder := openReal(t)
	smallDisk(t, w.settings.LoRAs, 64)
	if err := syscall.Mount("tmpfs", w.settings.LoRAs, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=64k"); err != nil {
		t.Fatal(err)
	}
	p := trainOn(w, folder, 4)
	p.run()
	q.until(t, "it is told", func() bool { return p.idle() && p.notice.Visible() })
	if got := p.notice.message.Text; !strings.Contains(got, "cannot be written: read-only file system") || strings.Contains(got, "\n") {
		t.Errorf("notice %q", got)
	}
	if p.start.Text != startWord || p.try.Visible() {
		t.Error("there is nothing to go on with or to try")
	}
	p.album.thumbs.rest()
}
