//go:build !headless

package ui

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"

	"latent/app/gallery"
	"latent/app/library"
	"latent/app/library/lora"
	"latent/app/pictures"
	"latent/app/pipeline"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/noise"
)

// randomLoRA writes a LoRA of rank 2 for the attention of a model's U-Net.
func randomLoRA(t *testing.T, model, path string) {
	t.Helper()
	e, err := pipeline.Start("auto", "f32")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.With(t.Context(), model, func(m *library.Model) error {
		rng := noise.NewRand(3)
		random := func(shape ...int) *gpu.Tensor {
			v := make([]float32, shape[0]*shape[1])
			rng.Normal(v)
			return m.Device.FromFloat32(v, gpu.Float32, shape...)
		}
		var layers []lora.Layer
		for _, p := range nn.Params(m.UNet) {
			if name, ok := strings.CutSuffix(p.Key, ".weight"); ok && p.Kind == nn.Matrix && strings.Contains(name, ".attn") {
				layers = append(layers, lora.Layer{Part: lora.UNet, Name: name, Down: random(2, p.Shape[1]), Up: random(p.Shape[0], 2), Alpha: 2})
			}
		}
		return lora.Write(path, map[string]any{lora.UNet: m.UNet, lora.Text1: m.Text}, layers, "F32", nil)
	}); err != nil {
		t.Fatal(err)
	}
}

// spy notes the first step that a picture reports.
type spy struct {
	*Latent
	first atomic.Int64
}

func (s *spy) Generate(ctx context.Context, r Request, progress func(Progress)) (Picture, error) {
	s.first.Store(0)
	return s.Latent.Generate(ctx, r, func(p Progress) {
		if p.Step > 0 {
			s.first.CompareAndSwap(0, int64(p.Step))
		}
		progress(p)
	})
}

// TestRealWays paints in each way that the window offers, with the product's own
// engine and a model of a few thousand weights.
func TestRealWays(t *testing.T) {
	dir := t.TempDir()
	engine := &spy{Latent: NewEngine()}
	engine.stateEvery = 0
	w, q := openIn(t, engine, dir)
	t.Cleanup(engine.Close)
	exact := func(w *Window) { w.settings.Device, w.settings.Precision = "auto", "f32" }
	exact(w)
	tinyModel(t, filepath.Join(w.settings.Models, "tiny"), squares(t))
	if err := os.MkdirAll(w.settings.LoRAs, 0o755); err != nil {
		t.Fatal(err)
	}
	randomLoRA(t, filepath.Join(w.settings.Models, "tiny"), filepath.Join(w.settings.LoRAs, "fur.safetensors"))
	w.readModels()
	w.readExtras()
	q.until(t, "models and LoRAs are found", func() bool { return len(w.models) == 2 && len(w.extras.LoRAs) == 1 })
	p := w.create
	f := p.form
	f.model.SetSelected("tiny")
	f.prompt.SetText("a red square")
	f.steps.set(4)
	f.setSeed(7)
	f.setLock(true)
	// pixels are those of the picture that do begins.
	pixels := func(do func()) []byte {
		t.Helper()
		p.notice.clear()
		before := p.shown
		do()
		q.until(t, "the picture is kept", func() bool { return p.shown != before && idle(w)() || p.notice.Visible() })
		if p.notice.Visible() {
			t.Fatal(p.notice.message.Text)
		}
		q.until(t, "the queue is at rest", idle(w))
		return pictures.Fit(asRGBA(p.shown.Image), 1<<20, 1<<20).Pix
	}
	recipe := func() gallery.Recipe {
		t.Helper()
		r, err := gallery.Read(p.shown.path)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	// restored drops the picture that is shown on the window.
	restored := func() {
		t.Helper()
		f.prompt.SetText("")
		w.dropped([]fyne.URI{storage.NewFileURI(p.shown.path)})
		q.until(t, "it is restored", func() bool { return f.prompt.Text != "" })
	}
	plain := pixels(p.start)
	if !bytes.Equal(plain, pixels(p.start)) {
		t.Fatal("the same request gives another picture")
	}

	f.loras.menu()[0].Action()
	f.loras.items[0].strength.set(0.5)
	furry := pixels(p.start)
	if bytes.Equal(plain, furry) {
		t.Error("the LoRA changes nothing")
	}
	if r := recipe(); !strings.Contains(r.Prompt, "<lora:fur:0.5>") || len(r.LoraHashes) != 1 {
		t.Errorf("recipe %+v", r)
	}
	f.loras.set(nil)
	restored()
	if got := f.loras.list(); f.prompt.Text != "a red square" || len(got) != 1 || got[0] != (LoRA{"fur", 0.5, 0.5}) {
		t.Fatalf("restored prompt %q, LoRAs %v", f.prompt.Text, got)
	}
	if !bytes.Equal(furry, pixels(p.start)) {
		t.Error("the restored picture is another")
	}
	f.loras.items[0].strength.field.SetText("0")
	if !bytes.Equal(plain, pixels(p.start)) {
		t.Error("at strength 0 the picture must be that without")
	}
	f.loras.set(nil)
	if !bytes.Equal(plain, pixels(p.start)) {
		t.Error("without the LoRA the picture must be as before")
	}

	varied := pixels(p.vary)
	if r := recipe(); bytes.Equal(plain, varied) || r.VariationStrength != 0.2 || r.Seed != 7 {
		t.Errorf("variation %+v", r)
	}
	restored()
	if !bytes.Equal(varied, pixels(p.start)) {
		t.Error("the restored variation is another")
	}
	f.setBeyond(beyond{})
	pixels(p.start)

	pixels(p.enlarge)
	if b := p.shown.Image.Bounds(); b.Dx() != 64 || b.Dy() != 64 {
		t.Errorf("twice 32 × 32 is %v", b)
	}
	if r := recipe(); r.HiresUpscale != 2 || r.Width != 32 {
		t.Errorf("recipe %+v", r)
	}
	restored()
	if f.second.by.Text != "× 2" || p.notice.Visible() && strings.Contains(p.notice.message.Text, "but for") {
		t.Errorf("restored %q, notice %q", f.second.by.Text, p.notice.message.Text)
	}
	also := beyond{Rescale: 0.3, Prediction: "v_prediction", HiresSteps: 3}
	second := SecondPass{HiresWidth: 48, HiresHeight: 40, HiresUpscaler: "latent", HiresStrength: 0.6}
	f.setBeyond(also)
	f.second.set(second)
	enlarged := pixels(p.start)
	f.setBeyond(beyond{})
	f.second.set(SecondPass{})
	restored()
	if got, err := f.second.request(32, 32, 8); err != nil || got != second {
		t.Errorf("restored %+v, %v", got, err)
	}
	if f.beyond != also || p.notice.Visible() && strings.Contains(p.notice.message.Text, "but for") {
		t.Errorf("restored %+v, notice %q", f.beyond, p.notice.message.Text)
	}
	if !bytes.Equal(enlarged, pixels(p.start)) {
		t.Error("the restored second pass is another")
	}
	f.setBeyond(beyond{})
	f.second.set(SecondPass{})

	in := p.initial
	in.load(photo(t, 32, 32))
	q.until(t, "it is loaded", func() bool { return in.data != nil })
	in.strength.set(0.5)
	begun := pixels(p.start)
	if r := recipe(); bytes.Equal(plain, begun) || r.Denoising != 0.5 {
		t.Errorf("begun from a picture: %+v", r)
	}
	// Of the mask's left half every pixel is kept.
	mask := image.NewGray(image.Rect(0, 0, 32, 32))
	for i := range mask.Pix {
		if i%32 >= 16 {
			mask.Pix[i] = 255
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, mask); err != nil {
		t.Fatal(err)
	}
	in.mask = b.Bytes()
	in.strength.set(1)
	masked := pixels(p.start)
	from := asRGBA(in.image).Pix
	var off [2]int
	for i := range masked {
		d := int(masked[i]) - int(from[i])
		off[i/4%32/16] += max(d, -d)
	}
	if off[0] != 0 || off[1] == 0 {
		t.Errorf("the kept half is off by %d, the painted one by %d", off[0], off[1])
	}
	in.remove()

	// A LoRA's training that was stopped can be tried, and goes on.
	tr := w.train
	tr.folder.SetText(squares(t))
	tr.base.SetSelected("tiny")
	tr.name.SetText("half")
	tr.steps.set(5000)
	tr.batch.set(1)
	tr.run()
	q.until(t, "it trains", func() bool { return len(tr.chart.curve.raw) > 2 || tr.idle() })
	tr.abort()
	q.until(t, "it has stopped", tr.idle)
	if !tr.try.Visible() {
		t.Fatal("it must offer to be tried: ", tr.notice.message.Text)
	}
	tr.tryIt()
	q.until(t, "it is written", func() bool { return len(f.loras.items) == 1 || tr.notice.Visible() })
	if tr.notice.Visible() || stepOfName(f.loras.items[0].lora.Name, "half") < 3 || f.chosen().Name != "tiny" {
		t.Fatalf("notice %q, LoRAs %v, model %s", tr.notice.message.Text, f.loras.list(), f.chosen().Name)
	}
	f.prompt.SetText("a red square")
	if bytes.Equal(plain, pixels(p.start)) {
		t.Error("what was learned changes nothing")
	}
	if !engine.Resumable(filepath.Join(w.settings.LoRAs, "half")) {
		t.Error("the training cannot go on any more")
	}
	f.loras.set(nil)

	// A picture that the program's end interrupts goes on, and comes out the same.
	f.steps.set(200)
	whole := pixels(p.start)
	p.start()
	q.until(t, "it paints", func() bool { return p.last.Step > 20 && p.last.Step < 150 })
	w.leave()
	engine.Close()

	again := &spy{Latent: NewEngine()}
	w, q = openIn(t, again, dir)
	t.Cleanup(again.Close)
	exact(w)
	p = w.create
	if n := len(w.jobs.list); n != 1 || !w.jobs.halfMade(w.jobs.list[0]) {
		t.Fatalf("%d jobs wait after the restart", n)
	}
	if !bytes.Equal(whole, pixels(func() { w.jobs.pause(false) })) {
		t.Error("the interrupted picture is another")
	}
	if s := again.first.Load(); s < 20 {
		t.Errorf("it went on from step %d", s)
	}
}
