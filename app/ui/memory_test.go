//go:build !headless && linux

package ui

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/test"
)

// resident is the process's memory in bytes, after a collection.
func resident(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// A thousand pictures in a row leave the memory as it was after fifty.
func TestMemoryOfAThousandPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 1,000 pictures")
	}
	w, q := open(t, &fakeEngine{})
	f := w.create.form
	f.size.SetText("256 × 256")
	f.steps.set(1)
	w.jobs.output = func() string { return w.settings.Output }
	var after50 int64
	made := 0
	for made < 1000 {
		f.count.SetSelected("× 100")
		if made < 50 {
			f.count.SetSelected("× 16")
		}
		w.create.start()
		q.until(t, "they are made", idle(w))
		list, err := os.ReadDir(w.settings.Output)
		if err != nil {
			t.Fatal(err)
		}
		made = len(list)
		if after50 == 0 && made >= 50 {
			after50 = resident(t)
		}
	}
	now := resident(t)
	t.Logf("%d MB after 50 pictures, %d MB after %d", after50>>20, now>>20, made)
	if d := now - after50; d > 50<<20 || d < -50<<20 {
		t.Errorf("the memory grew by %d MB", d>>20)
	}
}

// badPictures are files that are no good pictures in ways of their own.
func badPictures(t *testing.T) map[string]string {
	t.Helper()
	encode := func(img image.Image) []byte {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	// A paletted picture whose pixels look beyond the palette.
	p := image.NewPaletted(image.Rect(0, 0, 64, 64), color.Palette{color.Black, color.White, color.White, color.Black})
	for i := range p.Pix {
		p.Pix[i] = 3
	}
	palette := encode(p)
	if i := bytes.Index(palette, []byte("PLTE")); i > 0 { // only the first colour is left
		n := binary.BigEndian.Uint32(palette[i-4:])
		cut := append(bytes.Clone(palette[:i-4]), 0, 0, 0, 3)
		cut = append(cut, palette[i:i+4+3]...)
		cut = binary.BigEndian.AppendUint32(cut, crc32.ChecksumIEEE(palette[i:i+4+3]))
		palette = append(cut, palette[i+4+int(n)+4:]...)
	} else {
		t.Fatal("no palette")
	}
	// 10,000 × 10,000 pixels by the header alone.
	huge := encode(image.NewGray(image.Rect(0, 0, 1, 1)))
	i := bytes.Index(huge, []byte("IHDR"))
	binary.BigEndian.PutUint32(huge[i+4:], 10_000)
	binary.BigEndian.PutUint32(huge[i+8:], 10_000)
	binary.BigEndian.PutUint32(huge[i+17:], crc32.ChecksumIEEE(huge[i:i+17]))
	return map[string]string{"palette.png": string(palette), "huge.png": string(huge), "tiff.png": "II*\x00\x08\x00\x00\x00", "empty.png": ""}
}

func TestBadPictures(t *testing.T) {
	bad := badPictures(t)
	w, q := open(t, &fakeEngine{})
	t.Cleanup(func() { w.train.album.thumbs.rest() })
	good := hang(t, w, "a fox")[0]
	for name, data := range bad {
		write(t, filepath.Join(w.settings.Output, name), data)
	}
	p := w.gallery
	w.show(pageGallery)
	q.until(t, "all are listed", func() bool { return len(p.list) == len(bad)+1 })
	for i := range p.list {
		path := p.list[i].Path
		p.notice.clear()
		p.grid.walk(i)
		// Go's decoder makes a colour beyond the palette black, which is good enough.
		if path == good || filepath.Base(path) == "palette.png" {
			q.until(t, "it is shown", func() bool { return p.chosen != nil && p.chosen.Path == path && !p.opening })
			continue
		}
		q.until(t, "the bad one is told of", func() bool { return !p.opening })
		if says := p.prompt.Text; p.chosen != nil || !p.details.Visible() || !strings.HasPrefix(says, filepath.Base(path)+" cannot be shown: ") || p.lightbox.title.Text != says || p.whole[0].Visible() {
			t.Errorf("%s: %q", path, says)
		}
		// What is deleted is what has the ring, and not what was shown before.
		if filepath.Base(path) == "tiff.png" {
			p.typedKey(fyne.KeyDelete)
			q.until(t, "it is in the trash", func() bool { _, err := os.Stat(path); return err != nil && p.notice.Visible() && !p.opening })
			if _, err := os.Stat(good); err != nil {
				t.Fatal(err)
			}
			test.Tap(p.notice.action)
			q.until(t, "it is back", func() bool { return len(p.list) == len(bad)+1 && !p.opening })
		}
	}
	delete(bad, "palette.png")
	for name := range bad {
		w.create.notice.clear()
		w.dropped([]fyne.URI{storage.NewFileURI(filepath.Join(w.settings.Output, name))})
		q.until(t, name+" is told of", func() bool { return w.create.notice.Visible() })
		if w.create.initial.data != nil {
			t.Errorf("%s was taken to begin from", name)
		}
	}
	for name, data := range bad {
		writeAll(t, filepath.Join(w.settings.Models, name), data)
	}
	w.train.folder.SetText(w.settings.Models)
	a := w.train.album
	q.until(t, "all are looked at", func() bool { return len(a.all) == len(bad) && a.all[len(bad)-1].looked })
	for _, l := range a.all {
		if !l.broken {
			t.Errorf("%s passes for a good picture", l.Path)
		}
	}
	// The page is told that no picture is there when the folder goes.
	if err := os.RemoveAll(w.settings.Models); err != nil {
		t.Fatal(err)
	}
	w.train.run()
	q.until(t, "it is told", func() bool { return w.train.idle() && w.train.notice.Visible() })
}

// A full disk and a read-only folder lose nothing: the picture stays on the
// screen, and its job in the queue.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs a file system of its own")
	}
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("no file system of its own: ", err)
	}
	defer syscall.Unmount(small, syscall.MNT_DETACH)
	w, q := open(t, &fakeEngine{})
	w.settings.Output = filepath.Join(small, "pictures")
	w.create.form.size.SetText("256 × 256")
	w.create.form.steps.set(1)
	w.create.form.count.SetSelected("× 16")
	w.create.start()
	q.until(t, "it is told", func() bool { return w.jobs.running == nil && w.create.notice.Visible() })
	if s := w.create.notice.message.Text; !strings.Contains(s, "no space left") {
		t.Errorf("notice %q", s)
	}
	if w.create.shown == nil || w.create.shown.Image == nil || len(w.jobs.list) != 1 || !w.jobs.paused {
		t.Error("the picture or its job is lost")
	}
	if left, _ := filepath.Glob(filepath.Join(w.settings.Output, ".*.tmp")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=64k"); err != nil {
		t.Fatal(err)
	}
	w.create.notice.clear()
	w.jobs.pause(false)
	q.until(t, "it is told", func() bool { return w.jobs.running == nil && w.create.notice.Visible() })
	if s := w.create.notice.message.Text; !strings.Contains(s, "read-only") {
		t.Errorf("notice %q", s)
	}
	if len(w.jobs.list) != 1 {
		t.Error("the job is lost")
	}
}

func BenchmarkPreview(b *testing.B) {
	img := paint("a sun", 1, 512, 512, 0.3)
	for b.Loop() {
		scaleTo(img, 486, 486, true)
	}
}

// writeAll is write into a folder that may not be there yet.
func writeAll(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, path, text)
}
