//go:build !headless

package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"
)

// What a training has left is listed, tried, gone on from, and moved to the trash
// with a way back.
func TestCheckpoints(t *testing.T) {
	e := &fakeEngine{resumable: true}
	w, q := open(t, e)
	p := w.train
	p.name.SetText("fur")
	out := p.output()
	weights, state := filepath.Join(out, "fur-000250.safetensors"), filepath.Join(out, ".train", "denoiser.safetensors")
	for _, path := range []string{weights, state} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, "weights")
	}
	at := time.Now()
	e.left.Store(&[]Checkpoint{{Path: state, Step: 400, Time: at, Size: 5e6, GoesOn: true}, {Path: weights, Step: 250, Time: at, Size: 1e6}})
	w.show(pageTrain)
	p.tab(tabCheckpoints)
	c := p.kept
	q.until(t, "they are listed", func() bool { return len(c.all) == 2 })
	if c.empty.Visible() || !strings.Contains(c.title.Text, "fur") || !strings.Contains(c.title.Text, "2 checkpoints") || !strings.Contains(c.title.Text, "6 MB") {
		t.Errorf("title %q", c.title.Text)
	}
	row := newCheckpointRow(c)
	row.set(c.all[0])
	if row.name.Text != "Step 400" || !strings.HasPrefix(row.what.Text, "to go on from") || !strings.Contains(row.what.Text, "5 MB") || !row.goOn.Visible() || !row.try.Visible() || !row.trash.Visible() {
		t.Errorf("row %q, %q", row.name.Text, row.what.Text)
	}
	row.set(c.all[1])
	if row.goOn.Visible() || !row.buildOn.Visible() || !row.try.Visible() {
		t.Error("one cannot go on from weights alone, but begin with them")
	}
	test.Tap(row.try)
	f := w.create.form
	if w.page != pageCreate || len(f.loras.items) != 1 || f.loras.items[0].lora.Name != "fur-000250" {
		t.Fatalf("page %d, LoRAs %v", w.page, f.loras.list())
	}
	// The next weights of this training take the place of these; others stay.
	f.loras.add("ink")
	p.open(c.request, filepath.Join(out, "fur-000300.safetensors"))
	if l := f.loras.list(); len(l) != 2 || l[0].Name != "ink" || l[1].Name != "fur-000300" {
		t.Errorf("LoRAs %v", l)
	}

	row.set(c.all[1])
	test.Tap(row.trash)
	q.until(t, "the weights are in the trash", func() bool { return p.notice.Visible() })
	if _, err := os.Stat(weights); err == nil || !strings.Contains(p.notice.message.Text, "step 250") {
		t.Errorf("%q, %v", p.notice.message.Text, err)
	}
	test.Tap(p.notice.action)
	q.until(t, "they are back", func() bool { _, err := os.Stat(weights); return err == nil })
	row.set(c.all[0])
	test.Tap(row.trash)
	q.until(t, "the state is in the trash", func() bool { _, err := os.Stat(filepath.Dir(state)); return err != nil })

	row.set(Checkpoint{Path: state, Step: 400, GoesOn: true})
	e.delay = time.Millisecond
	test.Tap(row.goOn)
	q.until(t, "it goes on", func() bool { return e.trained.Load() != nil })
	if r := e.trained.Load(); r.Output != out || !r.Resume || r.Steps != 1000 {
		t.Errorf("request %+v", r)
	}
	row.set(c.all[0])
	if row.goOn.Visible() || row.trash.Visible() || row.try.Visible() {
		t.Error("the state of a running training is left to it")
	}
	p.abort()
	q.until(t, "it has stopped", p.idle)
}

// A new training begins with the weights of a checkpoint, under a name of its own and
// with the settings of the old one to be changed.
func TestBuildOn(t *testing.T) {
	e := &fakeEngine{}
	w, q := open(t, e)
	p := w.train
	was := TrainRequest{Base: "large-sky", Folder: album(t, 1), Output: filepath.Join(w.settings.LoRAs, "fur"), Steps: 500, Batch: 2, LearningRate: 2e-4, Rank: 8, Text: true, SamplePrompt: "ink"}
	if err := os.MkdirAll(was.Output+"-2", 0o755); err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(was.Output, "fur-000250.safetensors")
	p.buildOn(was, Checkpoint{Path: weights, Step: 250})
	q.until(t, "it is in the form", p.begins.content.Visible)
	if got := p.notice.message.Text; !strings.Contains(got, "training, fur-3, begins with the weights of fur at step 250") || p.begins.says.Text != "Begins with fur-000250" {
		t.Errorf("%q, %q", got, p.begins.says.Text)
	}
	p.steps.set(3)
	p.run()
	ended(t, q, p)
	want := was
	want.Compute, want.Output, want.From, want.Steps = w.settings.compute(), was.Output+"-3", weights, 3
	if r := *e.trained.Load(); r.Output != want.Output || r.From != want.From || r.Resume || r.Steps != 3 || r.Base != want.Base || r.Rank != 8 || !r.Text || r.LearningRate != 2e-4 {
		t.Errorf("request %+v, want %+v", r, want)
	}
	p.begins.set("")
	if r, err := p.request(false); err != nil || r.From != "" {
		t.Errorf("anew it begins with %q, %v", r.From, err)
	}

	// A whole model is one to start from.
	was.Rank, was.Text, was.Output = 0, false, filepath.Join(w.settings.Models, "cats")
	p.buildOn(was, Checkpoint{Path: "sky", Step: 7})
	q.until(t, "it is in the form", func() bool { return p.name.Text == "cats-2" })
	if p.begins.content.Visible() || p.model().ID != "sky" || p.lora() {
		t.Errorf("it starts from %s", p.model().ID)
	}
	p.buildOn(was, Checkpoint{Path: "gone", Step: 7})
	q.until(t, "it is told", func() bool { return strings.Contains(p.notice.message.Text, "not in the models folder") })
}

// While a training runs, its newest weights are written on request and opened.
func TestTryThisNow(t *testing.T) {
	e := &fakeEngine{delay: time.Millisecond}
	w, q := open(t, e)
	p := w.train
	p.folder.SetText(album(t, 1))
	p.name.SetText("fur")
	p.steps.set(5000)
	w.show(pageTrain)
	p.run()
	q.until(t, "there is something to try", func() bool { return p.try.Visible() })
	if p.try.Text != tryNowWord {
		t.Errorf("the button says %q", p.try.Text)
	}
	test.Tap(p.try)
	q.until(t, "it is opened", func() bool { return w.page == pageCreate })
	if p.idle() {
		t.Error("the training must go on")
	}
	if l := w.create.form.loras.list(); len(l) != 1 || stepOfName(l[0].Name, "fur") < 1 {
		t.Errorf("LoRAs %v", l)
	}
	// Asked for again and stopped before the answer: what it has reached is written.
	e.delay = time.Hour
	test.Tap(p.try)
	e.resumable = true
	p.abort()
	q.until(t, "it has stopped", p.idle)
	w.page = pageTrain
	q.until(t, "it is opened", func() bool { return w.page == pageCreate })
	if p.wanted {
		t.Error("weights are still waited for")
	}
}

// What does not end a training is told on the page, summed up.
func TestTrainNotes(t *testing.T) {
	bad := func(name string) TrainProgress {
		return TrainProgress{Note: name + " is left out: not a PNG", LeftOut: name}
	}
	for _, c := range []struct {
		notes []TrainProgress
		want  string
	}{
		{nil, ""},
		{[]TrainProgress{bad("a.png")}, "a.png is left out: not a PNG."},
		{[]TrainProgress{bad("a.png"), bad("b.png")}, "a.png and b.png are left out. a.png: not a PNG."},
		{[]TrainProgress{bad("a.png"), bad("b.png"), bad("c.png"), bad("d.png"), bad("e.png")}, "a.png, b.png, c.png and 2 more are left out. a.png: not a PNG."},
		{[]TrainProgress{bad("a.png"), {Note: "no room at step 3"}, {Note: "no room at step 5"}}, "a.png is left out: not a PNG. No room at step 5."},
	} {
		w, q := open(t, &fakeEngine{notes: c.notes})
		p := w.train
		p.folder.SetText(album(t, 1))
		p.steps.set(3)
		p.run()
		ended(t, q, p)
		if got := p.notice.message.Text; got != c.want || p.notice.Visible() != (c.want != "") {
			t.Errorf("%d notes: %q, want %q", len(c.notes), got, c.want)
		}
		if n := len(p.chart.curve.raw); n != 3 {
			t.Errorf("%d notes: %d losses, want 3", len(c.notes), n)
		}
	}
}

// News that come faster than they are shown lose nothing.
func TestTrainNewsMerge(t *testing.T) {
	var all trainNews
	for i, p := range []TrainProgress{
		{Stage: "Preparing the pictures", Step: 1, Steps: 2},
		{Note: "x is left out: torn", LeftOut: "x"},
		{Stage: "Training", Step: 1, Steps: 9, HasLoss: true, Loss: 3, Weights: "w", Checkpoint: "c"},
		{Note: "no room"},
		{Stage: "Training", Step: 2, Steps: 9, HasLoss: true, Loss: 2},
		{Note: "no room yet"},
	} {
		if n := newsOf(p); i == 0 {
			all = n
		} else {
			all = all.merge(n)
		}
	}
	got := fmt.Sprintf("%s %d/%d %v %v %d %s %v %v", all.Stage, all.Step, all.Steps, all.HasLoss, all.losses, all.saved, all.Weights, all.notes, all.leftOut)
	if want := "Training 2/9 true [{1 3} {2 2}] 1 w [x is left out: torn no room no room yet] [x]"; got != want {
		t.Errorf("merged %s, want %s", got, want)
	}
}
