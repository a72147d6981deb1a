//go:build !headless

package ui

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"

	"latent/app/gallery"
)

// scalersEngine has two ESRGANs.
func scalersEngine() *fakeEngine {
	e := &fakeEngine{}
	e.extras.Store(&Extras{Upscalers: []Extra{{Name: "RealESRGAN_x4plus", Path: "/u/RealESRGAN_x4plus.pth"}, {Name: "sharp", Path: "/u/sharp.safetensors"}}})
	return e
}

func scalers(w *Window) func() bool {
	return func() bool { return len(w.create.form.second.files) == 2 }
}

func TestSecondPass(t *testing.T) {
	w, q := open(t, scalersEngine())
	f := w.create.form
	q.until(t, "upscalers are offered", scalers(w))
	if want := []string{"Lanczos", "Latent", "RealESRGAN_x4plus", "sharp"}; !slices.Equal(f.second.upscaler.Options, want) {
		t.Errorf("offered are %q, want %q", f.second.upscaler.Options, want)
	}
	if f.second.settings.Visible() {
		t.Error("there is something to set before there is a second pass")
	}
	for _, c := range []struct {
		by, upscaler string
		strength     float64
		want         SecondPass
		problem      string
	}{
		{"No", "sharp", 0.3, SecondPass{}, ""},
		{" no", "Lanczos", 0.5, SecondPass{}, ""},
		{"", "Lanczos", 0.5, SecondPass{}, ""},
		{"× 2", "Lanczos", 0.5, SecondPass{Hires: 2}, ""},
		{"1.5", "Latent", 0.5, SecondPass{Hires: 1.5, HiresUpscaler: "latent"}, ""},
		{"x4", "sharp", 0.3, SecondPass{Hires: 4, HiresUpscaler: "/u/sharp.safetensors", HiresStrength: 0.3}, ""},
		{"96 × 128", "RealESRGAN_x4plus", 0.5, SecondPass{HiresWidth: 96, HiresHeight: 128, HiresUpscaler: "/u/RealESRGAN_x4plus.pth"}, ""},
		{"128", "Lanczos", 0.5, SecondPass{HiresWidth: 128, HiresHeight: 128}, ""},
		{"× 0.5", "Lanczos", 0.5, SecondPass{}, "a factor from 1 to 16"},
		{"× 17", "Lanczos", 0.5, SecondPass{}, "a factor from 1 to 16"},
		{"much", "Lanczos", 0.5, SecondPass{}, "a factor such as × 2"},
		{"99 × 99", "Lanczos", 0.5, SecondPass{}, "multiples of 8"},
	} {
		f.second.by.SetText(c.by)
		f.second.upscaler.SetSelected(c.upscaler)
		f.second.strength.set(c.strength)
		r, _, err := f.request()
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%q: %v, want %q", c.by, err, c.problem)
			}
		} else if err != nil || r.SecondPass != c.want {
			t.Errorf("%q: %+v, %v; want %+v", c.by, r.SecondPass, err, c.want)
		}
	}
	f.size.SetText("4096 × 4096")
	f.second.by.SetText("× 4")
	if _, _, err := f.request(); err == nil || !strings.Contains(err.Error(), "8192 pixels") {
		t.Errorf("four times 4096: %v", err)
	}
	f.second.by.SetText("× 2")
	f.second.strength.field.SetText("2")
	if _, _, err := f.request(); err == nil || !strings.Contains(err.Error(), "enlarged picture") {
		t.Errorf("strength 2: %v", err)
	}
}

// A recipe's upscaler is found by the file's name, or by that of AUTOMATIC1111.
func TestSecondPassIsRestored(t *testing.T) {
	w, q := open(t, scalersEngine())
	s := w.create.form.second
	q.until(t, "upscalers are offered", scalers(w))
	r := gallery.Recipe{Prompt: "a", Steps: 5, Sampler: "DDIM", Seed: 1, RNG: "cpu", HiresUpscale: 2, Denoising: 0.4}
	for name, want := range map[string]string{
		"sharp": "/u/sharp.safetensors", "SHARP": "/u/sharp.safetensors", "R-ESRGAN 4x+": "/u/RealESRGAN_x4plus.pth", "Lanczos": "", "Latent": "latent",
	} {
		r.HiresUpscaler = name
		w.create.restore(r)
		if got, err := s.request(64, 64, 8); err != nil || got != (SecondPass{Hires: 2, HiresUpscaler: want, HiresStrength: 0.4}) || w.create.notice.Visible() {
			t.Errorf("%s: %+v, %v, notice %q", name, got, err, w.create.notice.message.Text)
		}
	}
	r.HiresUpscaler = "4x-Other"
	w.create.restore(r)
	if got := w.create.notice.message.Text; s.name() != "" || !strings.Contains(got, "upscaler 4x-Other") {
		t.Errorf("upscaler %q, notice %q", s.name(), got)
	}
	r.HiresUpscale = 0
	if w.create.restore(r); s.on() || s.settings.Visible() {
		t.Error("a recipe of one pass leaves two")
	}
}

// The chosen upscaler comes back with the window, and it is said where its file is gone.
func TestSecondPassIsKept(t *testing.T) {
	dir := t.TempDir()
	w, q := openIn(t, scalersEngine(), dir)
	q.until(t, "upscalers are offered", scalers(w))
	s := w.create.form.second
	s.by.SetText("× 1.5")
	s.upscaler.SetSelected("sharp")
	w.leave()
	want := SecondPass{Hires: 1.5, HiresUpscaler: "/u/sharp.safetensors"}

	w, q = openIn(t, scalersEngine(), dir)
	s = w.create.form.second
	if got, err := s.request(64, 64, 8); err != nil || got != want || s.upscaler.Selected != "sharp" {
		t.Errorf("before the folder is read: %+v, %v", got, err)
	}
	q.until(t, "upscalers are offered", scalers(w))
	if got, err := s.request(64, 64, 8); err != nil || got != want || !s.settings.Visible() || w.create.notice.Visible() {
		t.Errorf("came back: %+v, %v, notice %q", got, err, w.create.notice.message.Text)
	}
	w.leave()

	w, q = openIn(t, &fakeEngine{}, dir)
	q.until(t, "it is told", w.create.notice.Visible)
	if got := w.create.notice.message.Text; !strings.Contains(got, "sharp is gone from the upscalers folder") || w.create.form.second.name() != "" {
		t.Errorf("notice %q, upscaler %q", got, w.create.form.second.name())
	}
}

func TestUpscale(t *testing.T) {
	e := scalersEngine()
	w, q := open(t, e)
	p := w.create
	q.until(t, "upscalers are offered", scalers(w))
	p.form.prompt.SetText("a pale moon")
	p.form.steps.set(2)
	p.start()
	q.until(t, "it is made", idle(w))
	small := p.shown
	var item *fyne.MenuItem
	for _, it := range p.moreMenu() {
		if it.Label == "Upscale with" {
			item = it.ChildMenu.Items[1]
		}
	}
	if item == nil || item.Label != "sharp" {
		t.Fatalf("the menu offers %v", item)
	}
	w.jobs.pause(true)
	item.Action()
	q.until(t, "it waits", func() bool { return len(w.jobs.list) == 1 })
	row := newJobRow(w.queue)
	row.set(0)
	if row.prompt.Text != "a pale moon" || !strings.Contains(row.facts.Text, "Enlarged with sharp") || strings.Contains(row.facts.Text, "step") {
		t.Errorf("the queue says %q, %q", row.prompt.Text, row.facts.Text)
	}
	w.keeper.flush()
	if list, message := readJobs(w.jobs.dir); len(list) != 1 || list[0].Request.Upscale != "/u/sharp.safetensors" || message != "" {
		t.Errorf("kept are %v, %q", list, message)
	}
	w.jobs.pause(false)
	q.until(t, "it is made", func() bool { return idle(w)() && p.shown != small })
	if r := e.seen.Load(); r.Upscale != "/u/sharp.safetensors" || filepath.Dir(r.Init) != w.jobs.dir {
		t.Errorf("request %+v", r)
	}
	got, err := gallery.Read(p.shown.path)
	if err != nil || got.Prompt != "a pale moon" || got.Seed != small.Recipe.Seed || upscaledOf(got) != "sharp" || p.shown.Image.Bounds().Dx() != 2*fakeSize {
		t.Errorf("recipe %+v, %v, picture %v", got, err, p.shown.Image.Bounds())
	}
	if !strings.Contains(p.status.Text, sizeText(2*fakeSize, 2*fakeSize)) {
		t.Errorf("below it stands %q", p.status.Text)
	}
	p.reuseSettings()
	if n := p.notice.message.Text; !strings.Contains(n, "enlarged afterwards with sharp") || strings.Contains(n, "but for") {
		t.Errorf("notice %q", n)
	}
	e.extras.Store(&Extras{})
	w.setExtras(*e.extras.Load())
	if items := w.upscaleItems(nil); len(items) > 0 {
		t.Errorf("without an ESRGAN %q is offered", items[0].Label)
	}
}

// The link beside the upscalers leads to their folder.
func TestFolderIsShown(t *testing.T) {
	w, _ := open(t, &fakeEngine{})
	w.create.form.second.folder()
	if f, ok := w.Canvas().Focused().(*entry); w.page != pageSettings || !ok || f.Text != w.settings.Upscalers {
		t.Errorf("page %d, %v has the keyboard", w.page, w.Canvas().Focused())
	}
}

// The gallery's pictures can be enlarged too.
func TestUpscaleInGallery(t *testing.T) {
	e := scalersEngine()
	w, q := open(t, e)
	q.until(t, "upscalers are offered", scalers(w))
	hang(t, w, "an owl")
	w.show(pageGallery)
	p := w.gallery
	q.until(t, "it is listed", func() bool { return len(p.list) == 1 })
	p.grid.walk(0)
	q.until(t, "it is open", func() bool { return p.chosen != nil })
	for _, it := range p.more() {
		if it.Label == "Upscale with" {
			it.ChildMenu.Items[0].Action()
		}
	}
	q.until(t, "the larger one is listed", func() bool { return idle(w)() && len(p.list) == 2 })
	q.until(t, "it is open", func() bool { p.grid.walk(0); return p.chosen.Path == p.list[0].Path })
	names := map[string]string{}
	for _, f := range facts(p.chosen) {
		names[f.Key] = f.Value
	}
	if names["Upscaled"] != "RealESRGAN_x4plus" || names["Size"] != "32 × 32" || p.chosen.recipe.Prompt != "an owl" || names[gallery.KeyUpscaler] != "" {
		t.Errorf("facts %v of %q", names, p.chosen.recipe.Prompt)
	}
}
