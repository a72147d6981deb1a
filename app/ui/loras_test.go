//go:build !headless

package ui

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/test"
	"github.com/BurntSushi/toml"

	"latent/app/gallery"
	"latent/app/pipeline"
)

func TestLoRAs(t *testing.T) {
	dir := t.TempDir()
	e := &fakeEngine{}
	w, q := openIn(t, e, dir)
	l := w.create.form.loras
	if items := l.menu(); len(items) != 3 || !items[0].Disabled || !strings.Contains(items[0].Label, w.settings.LoRAs) {
		t.Errorf("without any, the menu must say where they go: %q", items[0].Label)
	}
	l.menu()[2].Action()
	if f, ok := w.Canvas().Focused().(*entry); w.page != pageSettings || !ok || f.Text != w.settings.LoRAs {
		t.Errorf("page %d, %v has the keyboard, not the LoRAs' folder", w.page, w.Canvas().Focused())
	}
	w.show(pageCreate)
	if l.rows.Visible() {
		t.Error("without any, no row is shown")
	}
	e.extras.Store(&Extras{LoRAs: []Extra{{Name: "fur"}, {Name: "snow"}}, VAEs: []Extra{{Name: "sharp", Path: "/v/sharp.safetensors"}}})
	w.show(pageCreate)
	q.until(t, "they are found", func() bool { return len(l.menu()) == 2 && !l.menu()[0].Disabled })
	l.menu()[0].Action()
	l.menu()[1].Action()
	if items := l.menu(); !items[0].Disabled || !items[1].Disabled {
		t.Error("a LoRA is chosen once")
	}
	l.items[0].strength.field.SetText("0.65")
	l.items[1].strength.slider.SetValue(1.5)
	f := w.create.form
	if !f.ownVAE.Visible() {
		t.Fatal("the autoencoders are not offered")
	}
	f.vae.SetSelected("sharp")
	f.steps.set(2)
	w.create.start()
	q.until(t, "it is made", idle(w))
	want := []LoRA{{"fur", 0.65, 0.65}, {"snow", 1.5, 1.5}}
	if r := e.seen.Load(); !reflect.DeepEqual(r.LoRAs, want) || r.LoRAFolder != w.settings.LoRAs || r.Embeddings != w.settings.Embeddings || r.VAE != "/v/sharp.safetensors" {
		t.Errorf("request %+v", r)
	}

	// Another start finds the form, once the folder is read its autoencoder too, and a
	// job its LoRAs.
	w.jobs.pause(true)
	w.create.start()
	w.leave()
	w, q = openIn(t, e, dir)
	w.create.keepDraft() // before the folder is read
	q.until(t, "the autoencoders are found", func() bool { return len(w.extras.VAEs) == 1 })
	w.create.keepDraft()
	w.keeper.flush()
	if data, err := os.ReadFile(w.create.draftPath()); w.create.form.vaePath() != "/v/sharp.safetensors" || !strings.Contains(string(data), `vae = "sharp"`) {
		t.Errorf("after a restart, autoencoder %q, draft %s, %v", w.create.form.vaePath(), data, err)
	}
	if got := w.create.form.loras.list(); !reflect.DeepEqual(got, want) {
		t.Errorf("after a restart %v, want %v", got, want)
	}
	if got := w.jobs.list[0].Request.LoRAs; !reflect.DeepEqual(got, want) {
		t.Errorf("the job has %v, want %v", got, want)
	}
	l = w.create.form.loras
	l.items[0].strength.field.SetText("much")
	if _, _, err := w.create.form.request(); err == nil || !strings.Contains(err.Error(), "fur") {
		t.Errorf("error %v must name the LoRA", err)
	}
	var remove *button
	for _, o := range test.LaidOutObjects(l.items[0].content) {
		if b, ok := o.(*button); ok {
			remove = b
		}
	}
	test.Tap(remove)
	if got := l.list(); !reflect.DeepEqual(got, want[1:]) {
		t.Errorf("after one is removed %v", got)
	}
}

// A recipe's LoRAs come back as rows, by name or else by hash.
// A long name shows its end, and all of it while the mouse is over it.
func TestLoRANames(t *testing.T) {
	w, _ := open(t, &fakeEngine{})
	l := w.create.form.loras
	const long = "my-model-of-foxes-000250"
	l.set([]LoRA{{long, 1, 1}, {"fur", 1, 1}})
	w.Resize(w.Canvas().Size().AddWidthHeight(0, 1)) // which lays the rows out
	for i, want := range []string{long, "fur"} {
		r := l.items[i]
		shown := func() string { return test.WidgetRenderer(r.name).(*textRenderer).line.Text }
		head, tail, cut := strings.Cut(shown(), "…")
		if cut != (want == long) || !strings.HasPrefix(want, head) || !strings.HasSuffix(want, tail) {
			t.Errorf("%s is shown as %q", want, shown())
		}
		if cut && !strings.HasSuffix(tail, "0250") {
			t.Errorf("%q does not tell the step", shown())
		}
		r.name.MouseIn(nil)
		visible := r.strength.slider.Visible() && slices.Contains(seen(r.content), fyne.CanvasObject(r.strength.slider))
		if shown() != want || visible == cut {
			t.Errorf("with the mouse over it, %s is shown as %q; the slider is seen: %v", want, shown(), visible)
		}
		r.name.MouseOut()
		if now := shown(); now != head+map[bool]string{true: "…"}[cut]+tail || !slices.Contains(seen(r.content), fyne.CanvasObject(r.strength.slider)) {
			t.Errorf("afterwards %s is shown as %q", want, now)
		}
	}
}

func TestRestoreLoRAs(t *testing.T) {
	x := Extras{LoRAs: []Extra{{Name: "fur", Hash: "aaaa1111bbbb2222"}, {Name: "Renamed", Hash: "cccc3333dddd4444"}, {Name: "plain"}}}
	for _, c := range []struct {
		name, prompt string
		hashes       []gallery.Pair
		clean        string
		want         []LoRA
		unmatched    []string
	}{
		{"none", "a cat", nil, "a cat", nil, nil},
		{"by name", "a cat <lora:FUR:0.5>", nil, "a cat", []LoRA{{"fur", 0.5, 0.5}}, nil},
		{"two strengths", "<lora:plain:0.5:0.8> a cat", []gallery.Pair{{Key: "plain", Value: "123456"}}, "a cat", []LoRA{{"plain", 0.8, 0.5}}, nil},
		{"by hash", "a cat <lora:snow:1>", []gallery.Pair{{Key: "snow", Value: "CCCC3333DDDD"}}, "a cat", []LoRA{{"Renamed", 1, 1}}, nil},
		{"another file", "a cat <lora:fur:1>", []gallery.Pair{{Key: "fur", Value: "eeee"}}, "a cat", []LoRA{{"fur", 1, 1}}, []string{"LoRA fur (that of this name is another file)"}},
		{"not here", "a cat <lora:ink:1>", nil, "a cat", nil, []string{"LoRA ink"}},
		{"another kind", "a cat <hypernet:ink:1>", nil, "a cat", nil, []string{"hypernet ink"}},
		{"broken", "a cat <lora:>", nil, "a cat <lora:>", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := gallery.Recipe{Prompt: c.prompt, LoraHashes: c.hashes}
			got, unmatched := x.takeLoRAs(&r)
			if r.Prompt != c.clean || !reflect.DeepEqual(got, c.want) || !reflect.DeepEqual(unmatched, c.unmatched) {
				t.Errorf("prompt %q, LoRAs %v, unmatched %q", r.Prompt, got, unmatched)
			}
		})
	}
}

// Pictures of other programs restore the form, and what of them is beyond it is
// named.
func TestForeignPictures(t *testing.T) {
	e := &fakeEngine{}
	e.extras.Store(&Extras{LoRAs: []Extra{{Name: "ink"}}})
	w, q := open(t, e)
	for _, c := range []struct {
		file, prompt, sampler, seed, also string
		loras                             []LoRA
		told, not                         []string
	}{
		{"a1111.jpg", "猫 café", "DDIM", "9", "noise as a GPU draws it", nil, []string{"model x", "sampler Euler a", "ControlNet 0"}, []string{"clip"}},
		{"comfy.webp", "a \"red\" cat 猫\nsleeping", "DDIM", "9223372036854775813", "", nil, []string{"v1-5-pruned", "DPM++ 2M", "Karras"}, nil},
		{"comfy_loras.png", "ink drawing", "DDIM", "42", "clip skip 2", []LoRA{{"ink", 0.8, 0.8}}, []string{"LoRA hands", "autoencoder vae-ft-mse", "LatentUpscaleBy", "picture that it began from"}, []string{"LoRA ink"}},
		{"invoke.png", "a cat", "DDIM", "12", "clip skip 2", []LoRA{{"ink", 0.75, 0.75}}, []string{"ControlNet"}, []string{"LoRA"}},
		{"novel.png", "a cat", "DDIM", "4032454211", "", nil, []string{"Euler a", "picture that it began from"}, []string{"model"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			f, n := w.create.form, w.create.notice
			f.prompt.SetText("")
			n.clear()
			w.dropped([]fyne.URI{storage.NewFileURI(filepath.Join("../gallery/testdata/foreign", c.file))})
			q.until(t, "it is read", func() bool { return f.prompt.Text != "" && n.Visible() })
			if f.prompt.Text != c.prompt || f.sampler.Selected != c.sampler || f.seed.Text != c.seed || f.beyond.words() != c.also || !reflect.DeepEqual(f.loras.list(), c.loras) {
				t.Errorf("prompt %q, sampler %s, seed %s, also %q, LoRAs %v", f.prompt.Text, f.sampler.Selected, f.seed.Text, f.beyond.words(), f.loras.list())
			}
			for _, want := range c.told {
				if !strings.Contains(n.message.Text, want) {
					t.Errorf("notice %q must name %q", n.message.Text, want)
				}
			}
			for _, other := range c.not {
				if strings.Contains(n.message.Text, other) {
					t.Errorf("notice %q speaks of %q", n.message.Text, other)
				}
			}
		})
	}
	// What the real scheduler knows by another program's name.
	for name, want := range map[[2]string][2]string{
		{"DPM++ 2M Karras", ""}: {"DPM++ 2M", "Karras"}, {"euler_ancestral", ""}: {"Euler a", ""}, {"euler", "karras"}: {"Euler", "Karras"}, {"Foo", "bar"}: {"Foo", "bar"},
	} {
		if s, k := samplerLabels(gallery.Recipe{Sampler: name[0], ScheduleType: name[1]}); s != want[0] || k != want[1] {
			t.Errorf("%q: %q, %q, want %q", name, s, k, want)
		}
	}
}

func TestBeyond(t *testing.T) {
	w, _ := open(t, &fakeEngine{})
	f := w.create.form
	r := gallery.Recipe{Prompt: "a", Steps: 5, Sampler: "DDIM", Seed: 1, RNG: "nv", ClipSkip: 2, Eta: 0.3, Emphasis: "No norm",
		VariationSeed: -2, VariationStrength: 0.25, HiresUpscale: 1.5, HiresUpscaler: "Lanczos", Denoising: 0.5}
	if missing := f.restore(r); len(missing) > 0 || !f.alsoLine.Visible() {
		t.Errorf("missing %q", missing)
	}
	got, _, err := f.request()
	if err != nil || got.RNG != "nv" || got.ClipSkip != 2 || got.Eta != 0.3 || got.Emphasis != "No norm" || got.VariationSeed != -2 || got.VariationStrength != 0.25 || got.Hires != 1.5 {
		t.Errorf("request %+v, %v", got, err)
	}
	if want := "25 % of seed 18446744073709551614, noise as a GPU draws it, clip skip 2, eta 0.3, emphasis no norm"; f.beyond.words() != want {
		t.Errorf("it says %q", f.beyond.words())
	}
	r.HiresUpscaler, r.ENSD, r.Emphasis, r.RNG = "ESRGAN", 31337, "Shout", "dice"
	if missing := f.restore(r); len(missing) != 4 || f.second.by.Text != "× 1.5" {
		t.Errorf("missing %q, and enlarged %q", missing, f.second.by.Text)
	}
	// A second pass in all that it can be, and what only Latent writes.
	r = gallery.Recipe{Prompt: "a", Steps: 5, Sampler: "DDIM", Seed: 1, RNG: "cpu", Version: gallery.Latent + " 1.0", HiresWidth: 96, HiresHeight: 64, HiresUpscaler: "Latent", HiresSteps: 7, Denoising: 0.7,
		Extra: []gallery.Pair{{Key: pipeline.KeyRescale, Value: "0.4"}, {Key: pipeline.KeyPrediction, Value: "v_prediction"},
			{Key: pipeline.KeyGuidanceInterval, Value: "0.25-0.7"}, {Key: pipeline.KeyCacheInterval, Value: "3"}, {Key: "Stopped after steps", Value: "3"}}}
	if missing := f.restore(r); !slices.Equal(missing, []string{"Stopped after steps"}) {
		t.Errorf("missing %q", missing)
	}
	want := SecondPass{HiresWidth: 96, HiresHeight: 64, HiresUpscaler: "latent", HiresSteps: 7, HiresStrength: 0.7}
	if got, _, err := f.request(); err != nil || got.SecondPass != want || got.Rescale != 0.4 || got.Prediction != "v_prediction" ||
		got.GuidanceStart != 0.25 || got.GuidanceEnd != 0.7 || got.CacheInterval != 3 || f.speed.Selected != speeds[2] {
		t.Errorf("request %+v, %v", got, err)
	}
	if want := "enlarged in 7 steps, guidance rescale 0.4, guided from 25 % to 70 % of the steps, prediction v_prediction"; f.beyond.words() != want {
		t.Errorf("it says %q", f.beyond.words())
	}
	w.create.keepDraft()
	w.keeper.flush()
	var kept draft
	if _, err := toml.DecodeFile(w.create.draftPath(), &kept); err != nil || kept.Beyond != f.beyond || kept.Second != (SecondPass{HiresWidth: 96, HiresHeight: 64, HiresUpscaler: "latent", HiresStrength: 0.7}) {
		t.Errorf("kept %+v and %+v, %v", kept.Beyond, kept.Second, err)
	}
	if kept.Cache != 3 {
		t.Errorf("kept a cache interval of %d", kept.Cache)
	}
	for value, want := range map[string]struct{ interval, missing int }{"2": {2, 0}, "7": {7, 0}, "0": {0, 1}, "often": {0, 1}} {
		r.Extra = []gallery.Pair{{Key: pipeline.KeyCacheInterval, Value: value}, {Key: pipeline.KeyGuidanceInterval, Value: "0-1.5"}}
		missing := f.restore(r)
		if got, _, _ := f.request(); got.CacheInterval != want.interval || got.GuidanceEnd != 0 || len(missing) != 1+want.missing {
			t.Errorf("interval %s: request %+v, missing %q", value, got, missing)
		}
	}
	r.Steps, r.CFGScale = 5000, 400
	if missing := f.restore(r); !slices.Contains(missing, "5000 steps") || !slices.Contains(missing, "guidance 400") {
		t.Errorf("beyond the form's limits, missing %q", missing)
	}
	f.setBeyond(beyond{})
	if r, _, _ := f.request(); f.alsoLine.Visible() || r.ClipSkip != 0 {
		t.Error("it must be forgotten")
	}
}
