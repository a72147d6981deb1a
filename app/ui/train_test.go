//go:build !headless

package ui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"
)

// album makes a folder of n would-be pictures with captions.
func album(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		name := filepath.Join(dir, string(rune('a'+i)))
		for ext, text := range map[string]string{".png": "picture", ".txt": "caption"} {
			if err := os.WriteFile(name+ext, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestTrain(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	p := w.train
	p.folder.SetText(album(t, 3))
	q.until(t, "the folder is looked through", func() bool { return strings.Contains(p.found.Text, "3 pictures") })
	p.steps.set(300)
	p.run()
	q.until(t, "it is known to be a new one", func() bool { return p.cancel != nil })
	if p.start.Visible() || !p.stop.Visible() {
		t.Error("while it runs, Stop must stand in place of Start")
	}
	ended(t, q, p)
	if n := len(p.chart.curve.raw); n != 300 {
		t.Errorf("the curve has %d losses, want all 300", n)
	}
	if n := len(p.samples.items); n != 10 {
		t.Errorf("%d sample pictures, want 10", n)
	}
	if !strings.Contains(p.status.Text, "my-model") {
		t.Errorf("status %q must name the model", p.status.Text)
	}
}

// ended waits until the training that was just begun is over.
func ended(t *testing.T, q queue, p *trainPage) {
	t.Helper()
	q.until(t, "it is done", p.idle)
}

func TestTrainStops(t *testing.T) {
	e := &fakeEngine{delay: 5 * time.Millisecond}
	w, q := open(t, e)
	p := w.train
	p.folder.SetText(album(t, 1))
	p.run()
	q.until(t, "the third step", func() bool { return e.steps.Load() >= 3 })
	before := e.steps.Load()
	p.abort()
	q.until(t, "it has stopped", p.idle)
	if extra := e.steps.Load() - before; extra > 1 {
		t.Errorf("%d steps after Stop, want at most 1", extra)
	}
	if p.notice.Visible() {
		t.Errorf("stopping is no failure: %q", p.notice.message.Text)
	}
	e.resumable = true
	e.losses = []Loss{{Step: 1, Value: 0.5}, {Step: 2, Value: 0.25}, {Step: 4, Value: 0.125}}
	p.offer()
	q.until(t, "it can go on", func() bool { return p.start.Text == "Continue training" })
	if c := p.chart.curve; len(c.raw) != 3 || c.first != 1 || c.last != 4 || p.empty.Visible() || p.status.Text != goesOnWord {
		t.Errorf("the curve so far is %+v, %q", c, p.status.Text)
	}
	e.resumable = false
	p.name.SetText("another")
	q.until(t, "that is a new one", func() bool { return p.start.Text == startWord })
	if len(p.chart.curve.raw) > 0 || !p.empty.Visible() || p.status.Text != "" {
		t.Errorf("of the other there are still %d losses, %q", len(p.chart.curve.raw), p.status.Text)
	}
	if r, err := p.request(true); err != nil || !r.Resume {
		t.Errorf("request resumes %v, %v", r.Resume, err)
	}
}

func TestTrainErrors(t *testing.T) {
	full := album(t, 1)
	for _, c := range []struct {
		name, want string
		spoil      func(p *trainPage)
	}{
		{"no folder", "choose a folder", func(p *trainPage) { p.folder.SetText("") }},
		{"empty folder", "no pictures in this folder", func(p *trainPage) { p.folder.SetText(t.TempDir()) }},
		{"missing folder", "no such folder", func(p *trainPage) { p.folder.SetText("/nowhere/at/all") }},
		{"name", "plain name", func(p *trainPage) { p.name.SetText("../escape") }},
		{"rate", "learning rate", func(p *trainPage) { p.rate.SetText("fast") }},
		{"steps", "steps \"-1\"", func(p *trainPage) { p.steps.field.SetText("-1") }},
		{"batch", "batch size \"1.5\"", func(p *trainPage) { p.batch.field.SetText("1.5") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, q := open(t, &fakeEngine{})
			p := w.train
			p.folder.SetText(full)
			c.spoil(p)
			p.run()
			q.until(t, "the reason is told", func() bool { return p.idle() && p.notice.Visible() })
			if got := strings.ToLower(p.notice.message.Text); !strings.Contains(got, c.want) {
				t.Errorf("notice %q, want something of %q", got, c.want)
			}
		})
	}
}

func TestQuitWhileTraining(t *testing.T) {
	e := &fakeEngine{delay: time.Millisecond}
	w, q := open(t, e)
	w.train.folder.SetText(album(t, 1))
	w.train.run()
	q.until(t, "it runs", func() bool { return e.steps.Load() > 0 })
	w.close()
	if w.Canvas().Overlays().Top() == nil || w.train.idle() {
		t.Fatal("it must ask first, and go on meanwhile")
	}
	w.escape()
	if w.Canvas().Overlays().Top() != nil || w.train.idle() {
		t.Error("Esc must leave all as it is")
	}
	w.train.abort()
	q.until(t, "it has stopped", w.train.idle)
}

func TestTrainKinds(t *testing.T) {
	e := &fakeEngine{}
	w, q := open(t, e)
	p := w.train
	if p.more.Visible() {
		t.Error("what seldom matters is folded away")
	}
	test.Tap(p.unfold)
	if !p.more.Visible() || !p.rank.content.Visible() || p.unfold.Text != foldWord {
		t.Error("it must unfold")
	}
	p.folder.SetText(album(t, 1))
	p.name.SetText("fur")
	p.steps.set(3)
	p.rank.set(8)
	p.text.SetChecked(true)
	p.flip.SetChecked(true)
	p.run()
	ended(t, q, p)
	r := e.trained.Load()
	if r.Rank != 8 || !r.Text || !r.Flip || r.Frugal || r.Output != filepath.Join(w.settings.LoRAs, "fur") || r.LearningRate != 1e-4 {
		t.Errorf("request %+v", r)
	}
	p.kind.SetSelected(trainWhole)
	p.base.SetSelected("Large sky")
	if p.rank.content.Visible() || p.text.Visible() || p.rate.Text != "1e-5" {
		t.Errorf("a whole model: rank shown %v, rate %s", p.rank.content.Visible(), p.rate.Text)
	}
	p.run()
	ended(t, q, p)
	if r := e.trained.Load(); r.Rank != 0 || r.Text || r.Output != filepath.Join(w.settings.Models, "fur") || r.Base != "large-sky" {
		t.Errorf("request %+v", r)
	}
}

// Trainings that were stopped are found, and one press goes on with one.
func TestStoppedTrainings(t *testing.T) {
	e := &fakeEngine{resumable: true}
	w, q := open(t, e)
	folder := album(t, 2)
	stopped := []TrainRequest{{Base: "large-sky", Folder: folder, Output: filepath.Join(w.settings.LoRAs, "ink"), Resume: true, Steps: 7, Batch: 2, LearningRate: 2e-4, Rank: 4, SamplePrompt: "ink", Flip: true}}
	e.stopped.Store(&stopped)
	p := w.train
	w.show(pageTrain)
	q.until(t, "it is offered", func() bool { return p.stopped.Visible() })
	var again *link
	for _, o := range test.LaidOutObjects(p.stopped) {
		if l, ok := o.(*link); ok {
			again = l
		}
	}
	test.Tap(again)
	q.until(t, "it goes on", func() bool { return e.trained.Load() != nil })
	r := e.trained.Load()
	if r.Folder != folder || r.Output != stopped[0].Output || !r.Resume || r.Steps != 7 || r.Batch != 2 || r.Rank != 4 || r.LearningRate != 2e-4 || r.Base != "large-sky" || !r.Flip || r.SamplePrompt != "ink" {
		t.Errorf("request %+v", r)
	}
	e.stopped.Store(nil)
	q.until(t, "it is done, and offered no more", func() bool { return p.idle() && !p.stopped.Visible() })
}

func TestChart(t *testing.T) {
	w, _ := open(t, &fakeEngine{})
	w.show(pageTrain)
	c := w.train.chart
	var losses []Loss
	for i := range 100_000 {
		losses = append(losses, Loss{Step: i + 1, Value: 1 / float64(i+1)})
	}
	c.add(losses)
	r := c.CreateRenderer().(*chartRenderer)
	r.Layout(c.Size())
	if n, most := r.raw.used, int(c.Size().Width/segmentWidth); n == 0 || n > most {
		t.Errorf("%d segments for 100,000 losses, want at most %d", n, most)
	}
	for _, o := range r.objects {
		if o.Position().X < 0 || o.Position().Y < 0 || o.Position().X+o.Size().Width > c.Size().Width+1 || o.Position().Y+o.Size().Height > c.Size().Height+1 {
			t.Fatalf("%T at %v, %v is outside of the chart (%v)", o, o.Position(), o.Size(), c.Size())
		}
	}
}

func BenchmarkChart(b *testing.B) {
	c := newChart()
	for i := range 100_000 {
		c.curve.add(Loss{Step: i, Value: 1 / float64(i+1)})
	}
	c.Resize(c.MinSize().AddWidthHeight(600, 300))
	r := c.CreateRenderer().(*chartRenderer)
	for b.Loop() {
		r.Layout(c.Size())
	}
}

// A training that goes on does so with the settings that it began with: the form shows
// them, and needs no folder.
func TestContinueRecallsItsSettings(t *testing.T) {
	e := &fakeEngine{resumable: true, delay: time.Millisecond, losses: []Loss{{Step: 1, Value: 0.5}, {Step: 2, Value: 0.5}}}
	w, q := open(t, e)
	p := w.train
	p.name.SetText("fur")
	p.run()
	q.until(t, "it goes on", func() bool { return p.batch.value == 1 && p.steps.value == 1000 })
	q.until(t, "it trains", func() bool { return e.trained.Load() != nil && len(p.chart.curve.raw) > 2 })
	if c := p.chart.curve; c.first != 1 || c.last < 3 {
		t.Errorf("the curve goes from %d to %d: it must not begin anew", c.first, c.last)
	}
	if p.idle() || !e.trained.Load().Resume || p.folder.Text != "/pictures" || p.rank.value != 4 || p.made.Base != "sky" {
		t.Errorf("folder %q, rank %g, request %+v: %s", p.folder.Text, p.rank.value, p.made, p.notice.message.Text)
	}
	p.abort()
	q.until(t, "it has stopped", p.idle)
}

// What the real engine cannot begin with is told on the page, and nothing is left.
func TestTrainCannotBegin(t *testing.T) {
	engine := NewEngine()
	w, q := open(t, engine)
	t.Cleanup(engine.Close)
	w.settings.Device, w.settings.Precision = "reference", "f32"
	good := album(t, 2) // by their names alone
	for _, c := range []struct {
		name, want string
		spoil      func(p *trainPage)
	}{
		{"all broken", "one of the pictures in " + good + " can be trained on: a.png: not a PNG", func(p *trainPage) {}},
		{"output that cannot be written", "cannot be written: not a directory", func(p *trainPage) {
			w.settings.LoRAs = filepath.Join(good, "a.png")
		}},
	} {
		p := w.train
		p.folder.SetText(good)
		c.spoil(p)
		p.run()
		q.until(t, "the reason is told", func() bool { return p.idle() && p.notice.Visible() })
		if got := p.notice.message.Text; !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: notice %q, want something of %q", c.name, got, c.want)
		}
		if p.try.Visible() || p.start.Text != startWord {
			t.Errorf("%s: there is nothing to try or to go on with", c.name)
		}
	}
}
