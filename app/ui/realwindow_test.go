//go:build !headless

package ui

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latent/app/gallery"
	"latent/app/pipeline"
	"latent/app/trainer"
	"latent/gpu"
)

// squares makes a folder of small pictures with captions.
func squares(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range []string{"red", "green", "blue"} {
		img := image.NewNRGBA(image.Rect(0, 0, 32, 32))
		for p := range 32 * 32 {
			img.Pix[4*p+i], img.Pix[4*p+3] = uint8(255-p/8), 255
		}
		if err := gallery.Save(filepath.Join(dir, name+".png"), img, gallery.Recipe{}); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name+".txt"), "a "+name+" square")
	}
	return dir
}

// tinyModel trains a model of a few thousand weights into dir.
func tinyModel(t *testing.T, dir, pictures string) {
	t.Helper()
	config, err := trainer.ParseConfig(fmt.Appendf(nil, `
output = %q
skeleton = "../trainer/testdata/skeleton"
[data]
folder = %q
resolution = 32
[autoencoder]
steps = 1
batch_size = 2
[denoiser]
steps = 1
batch_size = 2
`, dir, pictures))
	if err != nil {
		t.Fatal(err)
	}
	e, err := pipeline.Start("auto", "f32")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Do(t.Context(), func(dev *gpu.Device) error {
		return trainer.Train(t.Context(), dev, config, false, nil)
	}); err != nil {
		t.Fatal(err)
	}
}

// openReal returns a window over the product's own engine, which knows the model tiny,
// and the folder of pictures that it was trained on.
func openReal(t *testing.T) (w *Window, q queue, engine *Latent, pictures string) {
	t.Helper()
	pictures, engine = squares(t), NewEngine()
	w, q = open(t, engine)
	t.Cleanup(engine.Close)
	w.settings.Device, w.settings.Precision = "auto", "f32"
	tinyModel(t, filepath.Join(w.settings.Models, "tiny"), pictures)
	w.readModels()
	q.until(t, "the model is found", func() bool { return len(w.models) == 2 })
	return w, q, engine, pictures
}

// TestRealEngine goes the way of a person with the product's own engine: paint,
// cancel, train, stop, go on, try the result.
func TestRealEngine(t *testing.T) {
	w, q, engine, pictures := openReal(t)
	f := w.create.form
	f.model.SetSelected("tiny")
	f.prompt.SetText("a red square")
	f.steps.set(3)
	w.create.start()
	q.until(t, "the picture is kept", idle(w))
	if w.create.shown == nil {
		t.Fatal(w.create.notice.message.Text)
	}
	if b := w.create.shown.Image.Bounds(); b.Dx() != 32 || b.Dy() != 32 {
		t.Errorf("picture of %v, want 32 × 32", b)
	}
	if r, err := gallery.Read(w.create.shown.path); err != nil || r.Model != "tiny" || r.Prompt != "a red square" {
		t.Errorf("kept recipe %+v, %v", r, err)
	}
	first := w.create.shown

	f.steps.set(1000)
	w.create.start()
	q.until(t, "it paints", func() bool { return strings.HasPrefix(w.create.status.Text, "Step") })
	if err := engine.Train(t.Context(), TrainRequest{}, nil); err != ErrBusy {
		t.Errorf("a training beside it gave %v, want ErrBusy", err)
	}
	w.escape()
	q.until(t, "it has stopped", idle(w))
	if w.create.shown != first {
		t.Errorf("after Esc, status is %q: %s", w.create.status.Text, w.create.notice.message.Text)
	}

	p := w.train
	p.folder.SetText(pictures)
	p.base.SetSelected("tiny")
	p.name.SetText("squares")
	p.kind.SetSelected(trainWhole)
	p.prompt.SetText("a red square")
	p.steps.set(12)
	p.batch.set(2)
	p.run()
	q.until(t, "the first losses are drawn", func() bool { return len(p.chart.curve.raw) > 1 || p.idle() })
	if p.idle() {
		t.Fatal(p.status.Text, len(p.chart.curve.raw), p.notice.message.Text)
	}
	p.abort()
	q.until(t, "the training has stopped, and can go on", func() bool { return p.start.Text == continueWord || p.notice.Visible() })
	if p.notice.Visible() {
		t.Fatal(p.notice.message.Text)
	}
	p.run()
	q.until(t, "the training has ended", func() bool { return p.idle() && len(w.models) == 3 || p.notice.Visible() })
	if p.notice.Visible() {
		t.Fatal(p.notice.message.Text)
	}
	if c := p.chart.curve; c.first != 1 || c.last != 12 || len(c.raw) != 12 || len(p.samples.items) == 0 {
		t.Errorf("%d losses from step %d to %d, %d samples: it must not begin anew", len(c.raw), c.first, c.last, len(p.samples.items))
	}
	if _, err := os.Stat(filepath.Join(w.settings.Models, "squares", "model_index.json")); err != nil {
		t.Error(err)
	}
	f.model.SetSelected("squares")
	f.steps.set(2)
	w.create.start()
	q.until(t, "the new model has painted", func() bool { return w.create.shown != first && idle(w)() || w.create.notice.Visible() })
	if w.create.notice.Visible() {
		t.Fatal(w.create.notice.message.Text)
	}
}

// TestRealTraining tries what is being trained, while it is: the newest weights are
// written between two steps and painted with between others.
func TestRealTraining(t *testing.T) {
	w, q, _, pictures := openReal(t)
	p := w.train
	write(t, filepath.Join(pictures, "torn.png"), "no picture")
	p.folder.SetText(pictures)
	p.base.SetSelected("tiny")
	p.name.SetText("squares")
	p.prompt.SetText("a red square")
	p.steps.set(100_000)
	p.batch.set(2)
	w.show(pageTrain)
	p.run()
	q.until(t, "there is something to try", func() bool { return p.try.Visible() || p.idle() })
	if p.idle() {
		t.Fatal(p.notice.message.Text)
	}
	if !strings.HasPrefix(p.notice.message.Text, "torn.png is left out: not a PNG") {
		t.Errorf("of the torn picture it says %q", p.notice.message.Text)
	}
	p.tryIt()
	q.until(t, "it is opened", func() bool { return w.page == pageCreate || p.idle() })
	l := w.create.form.loras.list()
	if len(l) != 1 || stepOfName(l[0].Name, "squares") < 1 || p.idle() {
		t.Fatalf("LoRAs %v, %s", l, p.notice.message.Text)
	}
	w.create.form.steps.set(2)
	w.create.start()
	q.until(t, "the picture is kept", idle(w))
	if w.create.shown == nil || p.idle() {
		t.Fatalf("it still trains: %v; %s", p.cancel != nil, w.create.notice.message.Text)
	}
	if r, err := gallery.Read(w.create.shown.path); err != nil || len(r.LoraHashes) != 1 {
		t.Errorf("kept recipe %+v, %v", r, err)
	}
	step := p.chart.curve.last
	q.until(t, "it trains on", func() bool { return p.chart.curve.last > step+3 })
	p.tab(tabCheckpoints)
	q.until(t, "the checkpoint is listed", func() bool { return len(p.kept.all) > 0 })
	p.abort()
	q.until(t, "the training has stopped", p.idle)
	q.until(t, "it can go on", func() bool { return len(p.kept.all) > 1 })
	if k := p.kept.all[0]; !k.GoesOn || k.Step <= step || p.kept.request.Base != filepath.Join(w.settings.Models, "tiny") {
		t.Errorf("the newest checkpoint is %+v of %+v", k, p.kept.request)
	}
	// Without its folder it goes on all the same.
	if err := os.RemoveAll(pictures); err != nil {
		t.Fatal(err)
	}
	p.resume(p.kept.request)
	reached := p.kept.all[0].Step
	q.until(t, "it goes on", func() bool { return p.chart.curve.last > reached || p.idle() })
	if p.idle() {
		t.Fatal(p.notice.message.Text)
	}
	p.abort()
	q.until(t, "the training has stopped", p.idle)
	w.show(pageTrain)
	p.kept.try(p.kept.all[0])
	q.until(t, "what it has reached is opened", func() bool { return w.page == pageCreate || p.notice.Visible() })
	if p.notice.Visible() {
		t.Error(p.notice.message.Text)
	}
}
