//go:build !headless

package ui

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"
)

// training makes a folder with all that can be wrong with one.
func training(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var b bytes.Buffer
	if err := png.Encode(&b, paint("", 1, fakeSize, fakeSize, 0)); err != nil {
		t.Fatal(err)
	}
	good := b.String()
	b.Reset()
	if err := png.Encode(&b, paint("", 1, 20, fakeSize, 0)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a-good.png": good, "a-good.txt": "a sun", "b-bare.png": good, "c-small.png": b.String(), "c-small.txt": "small",
		"d-torn.png": good[:len(good)/2], "d-torn.txt": "torn", "e-tiff.png": "II*\x00", "e-tiff.txt": "tiff",
		"f-long.png": good, "f-long.txt": strings.Repeat("very long ", 10_000), "note.txt": "no picture", ".hidden.png": good,
		"g-binary.png": good, "g-binary.txt": "\xff\xfe\x00",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func TestAlbum(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	t.Cleanup(func() { w.train.album.thumbs.rest() })
	p := w.train.album
	dir := training(t)
	w.train.folder.SetText(dir)
	w.show(pageTrain)
	q.until(t, "all are looked at", func() bool { return len(p.all) == 7 && p.all[6].looked })
	for i, want := range []string{"", "no caption", "only 20 × 64", "damaged PNG", "not a PNG", "100 kB", "not UTF-8"} {
		if got := p.all[i].wanting(); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q, want something of %q", filepath.Base(p.all[i].Path), got, want)
		}
	}
	if got := w.train.found.Text; got != "7 pictures, 1 uncaptioned, 5 faulty" {
		t.Errorf("the form says %q", got)
	}
	test.Tap(p.filter)
	if len(p.list) != 6 {
		t.Errorf("%d need something", len(p.list))
	}
	test.Tap(p.filter)

	p.grid.walk(1)
	p.caption.SetText("a bare picture")
	p.grid.walk(0) // leaving saves
	w.keeper.flush()
	if got := read(t, filepath.Join(dir, "b-bare.txt")); got != "a bare picture\n" {
		t.Errorf("the caption file holds %q", got)
	}
	p.caption.SetText("")
	q.until(t, "it is saved after a moment", func() bool { return !p.unsaved })
	w.keeper.flush()
	if got := read(t, filepath.Join(dir, "a-good.txt")); got != "" {
		t.Errorf("the emptied caption holds %q", got)
	}
	p.grid.walk(5)
	if !p.caption.Disabled() || p.caption.Text != "" {
		t.Error("a caption of 100 kB must not be in the field")
	}
	p.grid.walk(6)
	p.grid.walk(0)
	w.keeper.flush()
	if len(read(t, filepath.Join(dir, "f-long.txt"))) != 100_000 || read(t, filepath.Join(dir, "g-binary.txt")) != "\xff\xfe\x00" {
		t.Error("captions that could not be shown were changed")
	}
	p.caption.SetText("typed and not saved yet")
	w.leave()
	if got := read(t, filepath.Join(dir, "a-good.txt")); got != "typed and not saved yet\n" {
		t.Errorf("after closing, the caption file holds %q", got)
	}
}

// Folders such as 10_fox are shown too, and what is too small to be trained on.
func TestAlbumOfRepeats(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	t.Cleanup(func() { w.train.album.thumbs.rest() })
	dir := t.TempDir()
	var tiny, good bytes.Buffer
	for b, side := range map[*bytes.Buffer]int{&tiny: fakeSize/4 - 1, &good: fakeSize} {
		if err := png.Encode(b, paint("", 1, side, fakeSize, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"10_fox/a.png": good.String(), "10_fox/a.txt": "a fox", "2_den/b.png": tiny.String(), "notes/c.png": good.String(), "0_none/d.png": good.String()} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), text)
	}
	p := w.train.album
	w.train.folder.SetText(dir)
	q.until(t, "all are looked at", func() bool { return len(p.all) == 2 && p.all[1].looked })
	if p.all[0].wanting() != "" || !p.all[1].broken || !strings.Contains(p.all[1].wanting(), "left out") {
		t.Errorf("%q, %q", p.all[0].wanting(), p.all[1].wanting())
	}
	if err := lookThrough(dir); err != nil {
		t.Error(err)
	}
}

func TestCaptionsThatCannotBeSaved(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	t.Cleanup(func() { w.train.album.thumbs.rest() })
	p := w.train.album
	dir := training(t)
	w.train.folder.SetText(dir)
	q.until(t, "they are listed", func() bool { return len(p.all) == 7 })
	p.grid.walk(1)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	p.caption.SetText("lost?")
	q.until(t, "it is told", w.train.notice.Visible)
	if got := w.train.notice.message.Text; !strings.Contains(got, "b-bare.txt could not be kept: no such file") || p.caption.Text != "lost?" || w.create.notice.Visible() {
		t.Errorf("notice %q, caption %q", got, p.caption.Text)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made again, without its pictures")
	}
}

func TestTryItNow(t *testing.T) {
	e := &fakeEngine{delay: time.Millisecond}
	w, q := open(t, e)
	p := w.train
	p.folder.SetText(album(t, 1))
	p.steps.set(20)
	p.kind.SetSelected(trainWhole)
	p.run()
	ended(t, q, p)
	if !p.try.Visible() || p.promised.Text == "" {
		t.Errorf("try visible %v, forecast %q", p.try.Visible(), p.promised.Text)
	}
	w.models = append(w.models, Model{ID: p.made.Output, Name: "my-model", Size: 64, Unit: 8, Steps: 9, Guidance: 3})
	w.create.form.setModels(w.models)
	p.prompt.SetText("a new thing")
	test.Tap(p.try)
	if f := w.create.form; w.page != pageCreate || f.chosen().ID != p.made.Output || f.prompt.Text != "a new thing" {
		t.Errorf("page %d, model %q, prompt %q", w.page, f.chosen().ID, f.prompt.Text)
	}

	p.kind.SetSelected(trainLoRA)
	p.name.SetText("fur")
	p.run()
	ended(t, q, p)
	test.Tap(p.try)
	if f := w.create.form; f.chosen().ID != "sky" || len(f.loras.items) != 1 || f.loras.items[0].lora != (LoRA{"fur", 1, 1}) {
		t.Errorf("model %q, LoRAs %v", f.chosen().ID, f.loras.list())
	}
}
