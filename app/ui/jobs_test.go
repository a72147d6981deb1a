//go:build !headless

package ui

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"

	"latent/app/gallery"
)

func prompts(list []*Job) (out []string) {
	for _, j := range list {
		out = append(out, j.Request.Prompt)
	}
	return out
}

// ask puts jobs with these prompts into a paused queue.
func ask(w *Window, words ...string) {
	w.jobs.pause(true)
	for _, p := range words {
		w.create.form.prompt.SetText(p)
		w.create.start()
	}
}

func TestQueueOrder(t *testing.T) {
	dir := t.TempDir()
	w, q := openIn(t, &fakeEngine{}, dir)
	ask(w, "a", "b", "c", "d")
	j := w.jobs
	j.move(j.list[3], 0)
	j.move(j.list[1], 2)
	j.move(j.list[1], 99)
	j.remove(j.list[0])
	want := []string{"a", "c", "b"}
	if got := prompts(j.list); !slices.Equal(got, want) {
		t.Fatalf("order %v, want %v", got, want)
	}
	// Between any two there is always room for a third.
	for range 200 {
		j.move(j.list[2], 1)
	}
	w.keeper.flush()
	again, _ := readJobs(j.dir)
	if got := prompts(again); !slices.Equal(got, prompts(j.list)) {
		t.Errorf("the disk has %v, the window %v", got, prompts(j.list))
	}
	for i := range again {
		if !reflect.DeepEqual(again[i], j.list[i]) {
			t.Errorf("the disk has\n%+v, the window\n%+v", again[i], j.list[i])
		}
	}
	w.jobs.pause(false)
	q.until(t, "all are made", idle(w))
	if list, err := gallery.List(w.settings.Output); err != nil || len(list) != 3 {
		t.Errorf("%d pictures, %v", len(list), err)
	}
	w.keeper.flush()
	if again, message := readJobs(j.dir); len(again) != 0 || message != "" {
		t.Errorf("the disk still has %v, %q", prompts(again), message)
	}
}

// What was asked for is there after a restart, and waits for the person's word.
func TestQueueOutlivesTheWindow(t *testing.T) {
	dir := t.TempDir()
	e := &fakeEngine{delay: time.Millisecond}
	w, q := openIn(t, e, dir)
	w.create.form.steps.set(40)
	w.create.form.count.SetSelected("× 4")
	w.create.form.prompt.SetText("first")
	w.create.start()
	w.create.form.prompt.SetText("second")
	w.create.start()
	q.until(t, "the second picture is begun", func() bool { return len(w.jobs.list) == 2 && w.jobs.list[0].Made == 1 && w.create.last.Step > 3 })
	seed := w.jobs.list[0].Request.Seed
	w.leave()

	w, q = openIn(t, &fakeEngine{}, dir)
	if got := prompts(w.jobs.list); !slices.Equal(got, []string{"first", "second"}) {
		t.Fatalf("after the restart the queue has %v", got)
	}
	first := w.jobs.list[0]
	if first.Made != 1 || !first.Begun || w.jobs.running != nil || !w.create.goOn.Visible() {
		t.Fatalf("%d made, begun %v, running %v, Go on visible %v", first.Made, first.Begun, w.jobs.running != nil, w.create.goOn.Visible())
	}
	test.Tap(w.create.goOn)
	q.until(t, "all are made", idle(w))
	list, err := gallery.List(w.settings.Output)
	if err != nil || len(list) != 8 {
		t.Fatalf("%d pictures (%v), want 8", len(list), err)
	}
	var seeds []int64
	for _, p := range list {
		r, err := gallery.Read(p.Path)
		if err != nil {
			t.Fatal(err)
		}
		if r.Prompt == "first" {
			seeds = append(seeds, r.Seed)
		}
	}
	slices.Sort(seeds)
	if want := []int64{seed, seed + 1, seed + 2, seed + 3}; !slices.Equal(seeds, want) {
		t.Errorf("seeds %v, want %v", seeds, want)
	}
}

func TestSkipAndPause(t *testing.T) {
	e := &fakeEngine{delay: time.Millisecond}
	w, q := open(t, e)
	w.create.form.steps.set(200)
	w.create.form.count.SetSelected("× 2")
	w.create.start()
	q.until(t, "it paints", func() bool { return w.create.last.Step > 2 })
	w.jobs.skip()
	q.until(t, "the next picture is begun", func() bool { return w.jobs.running != nil && w.jobs.running.Made == 1 })
	w.jobs.pause(true)
	w.create.form.prompt.SetText("later")
	w.create.start()
	q.until(t, "the picture under way is finished", func() bool { return w.jobs.running == nil })
	if got := prompts(w.jobs.list); !slices.Equal(got, []string{"later"}) {
		t.Errorf("the queue has %v", got)
	}
	if len(w.create.strip.items) != 1 {
		t.Errorf("%d pictures are made, want one of two", len(w.create.strip.items))
	}
	w.jobs.hold(w.jobs.list[0], true)
	w.jobs.pause(false)
	if w.jobs.running != nil {
		t.Error("a held job must not run")
	}
	w.jobs.hold(w.jobs.list[0], false)
	q.until(t, "it runs once let go", idle(w))
}

// A job that fails stays, with the reason, and the next one runs.
func TestFailedJobStays(t *testing.T) {
	e := &fakeEngine{err: errors.New("the model is broken: choose another")}
	w, q := open(t, e)
	ask(w, "a", "b")
	w.jobs.pause(false)
	q.until(t, "both have failed", idle(w))
	for _, j := range w.jobs.list {
		if !j.Held || j.Problem != e.err.Error() {
			t.Errorf("%s: held %v, problem %q", j.Request.Prompt, j.Held, j.Problem)
		}
	}
	e.err = nil
	w.jobs.hold(w.jobs.list[1], false)
	q.until(t, "it is tried again", idle(w))
	if got := prompts(w.jobs.list); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the queue has %v", got)
	}
}

func TestQueueWaitsForTraining(t *testing.T) {
	e := &fakeEngine{busy: true}
	w, q := open(t, e)
	w.create.start()
	q.until(t, "the engine was busy", func() bool { return w.jobs.waiting })
	if len(w.jobs.list) != 1 || w.create.notice.Visible() || !strings.Contains(w.create.status.Text, "training") {
		t.Errorf("%d jobs, status %q, notice %q", len(w.jobs.list), w.create.status.Text, w.create.notice.message.Text)
	}
	e.busy = false
	w.train.folder.SetText(album(t, 1))
	w.train.steps.set(3)
	w.train.run()
	q.until(t, "it is painted after the training", func() bool { return len(w.jobs.list) == 0 })
}

func TestQueuePage(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	w.show(pageQueue)
	if !w.queue.empty.Visible() || w.queue.clear.Visible() {
		t.Error("an empty queue must say so")
	}
	ask(w, "one\nprompt", "another")
	row := newJobRow(w.queue)
	row.set(0)
	if row.prompt.Text != "one prompt" || !row.up.Disabled() || row.down.Disabled() {
		t.Errorf("the first row shows %q", row.prompt.Text)
	}
	test.Tap(row.down)
	if got := prompts(w.jobs.list); got[0] != "another" {
		t.Errorf("order %v", got)
	}
	if w.rail[pageQueue].badge != 2 {
		t.Errorf("the rail counts %d", w.rail[pageQueue].badge)
	}
	test.Tap(w.queue.clear)
	if w.Canvas().Overlays().Top() == nil || len(w.jobs.list) != 2 {
		t.Fatal("removing all must ask first")
	}
	w.escape()
	test.Tap(row.remove)
	if got := prompts(w.jobs.list); !slices.Equal(got, []string{"another"}) {
		t.Errorf("the queue has %v", got)
	}
	test.Tap(w.queue.pause)
	q.until(t, "it is made", idle(w))
}

func TestReadJobs(t *testing.T) {
	dir := t.TempDir()
	good := &Job{Request: Request{Model: "m", Prompt: "p \"q\"\n", Steps: 2, Width: 8, Height: 8, Seed: math.MaxInt64, Guidance: 7.5}, Count: 3, Made: 1, Rank: 0.5, Begun: true, name: "good.toml"}
	write(t, filepath.Join(dir, good.name), string(good.encode()))
	write(t, filepath.Join(dir, "torn.toml"), string(good.encode()[:60]))
	write(t, filepath.Join(dir, "empty.toml"), "")
	write(t, filepath.Join(dir, "note.txt"), "no job")
	write(t, filepath.Join(dir, ".good.toml.tmp"), "half")
	list, message := readJobs(dir)
	if len(list) != 1 || !reflect.DeepEqual(list[0], good) {
		t.Errorf("read %+v", list)
	}
	for _, name := range []string{"torn.broken.toml", "empty.broken.toml"} {
		if !strings.Contains(message, name) {
			t.Errorf("message %q must name %s", message, name)
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if list, message = readJobs(dir); len(list) != 1 || message != "" {
		t.Errorf("the second time: %d jobs, %q", len(list), message)
	}
	if list, message = readJobs(filepath.Join(dir, "nowhere")); list != nil || message != "" {
		t.Errorf("of no folder: %v, %q", list, message)
	}
}

func FuzzParseJob(f *testing.F) {
	f.Add((&Job{Request: Request{Prompt: "p", Model: "m", Steps: 1, Width: 8, Height: 8}, Count: 1}).encode())
	f.Add([]byte("count = 1\n[request]\nprompt = 'x'\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := parseJob(data)
		if err != nil {
			return
		}
		again, err := parseJob(j.encode())
		if err != nil || fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", j) {
			t.Errorf("%q: %+v became %+v, %v", data, j, again, err)
		}
	})
}

func TestKeeper(t *testing.T) {
	dir := t.TempDir()
	var failures []string
	done := make(chan struct{})
	k := newKeeper(func(path string, err error) { failures = append(failures, path); close(done) })
	path := filepath.Join(dir, "sub", "file")
	for i := range 1000 {
		k.put(path, []byte(fmt.Sprint(i)))
	}
	k.flush()
	if got := read(t, path); got != "999" {
		t.Errorf("the file holds %q, want the newest", got)
	}
	k.put(path, nil)
	k.put(filepath.Join(dir, "nothing"), nil)
	k.flush()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	write(t, filepath.Join(dir, "plain"), "")
	k.put(filepath.Join(dir, "plain", "below"), []byte("x"))
	<-done
	k.flush()
	if len(failures) != 1 {
		t.Errorf("failures %v", failures)
	}
}
