//go:build !headless

package ui

import (
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"

	"latent/app/gallery"
)

func TestStyles(t *testing.T) {
	dir := t.TempDir()
	w, _ := openIn(t, &fakeEngine{}, dir)
	p := w.create
	p.form.prompt.SetText("{prompt}, in oil")
	p.form.negative.SetText("blurry")
	p.form.steps.set(33)
	p.styleName.SetText("Oil")
	p.keepStyle()
	w.leave()

	w, _ = openIn(t, &fakeEngine{}, dir)
	p = w.create
	if p.form.prompt.Text != "{prompt}, in oil" || p.form.negative.Text != "blurry" {
		t.Errorf("the form comes back with %q, %q", p.form.prompt.Text, p.form.negative.Text)
	}
	p.form.prompt.SetText("a cat")
	p.form.negative.SetText("")
	p.form.steps.set(5)
	items := p.styleMenu()
	if items[0].Label != "Oil" {
		t.Fatalf("the menu begins with %q", items[0].Label)
	}
	items[0].Action()
	if f := p.form; f.prompt.Text != "a cat, in oil" || f.negative.Text != "blurry" || f.steps.value != 33 {
		t.Errorf("the style gave %q, %q, %g steps", f.prompt.Text, f.negative.Text, f.steps.value)
	}
	forget := items[len(items)-1].ChildMenu.Items[0]
	forget.Action()
	if len(p.styles) != 0 {
		t.Error("the style is still there")
	}
	test.Tap(p.notice.action)
	if len(p.styles) != 1 {
		t.Error("Undo must bring it back")
	}
}

func TestTokensAndForecast(t *testing.T) {
	e := &fakeEngine{delay: 2 * time.Millisecond}
	w, q := open(t, e)
	f := w.create.form
	f.prompt.SetText("a b c")
	said := func(prompt, count, chunks string) {
		t.Helper()
		f.prompt.SetText(prompt)
		q.until(t, "it is counted: "+count, func() bool { return f.lengths[0].count.Text == count })
		if l := f.lengths[0].chunks; l.Text != chunks || l.Visible() != (chunks != "") {
			t.Errorf("%d words: %q, want %q", len(strings.Fields(prompt)), l.Text, chunks)
		}
	}
	said("a b c", "3 / 10 tokens", "")
	said(strings.Repeat("word ", 10)+"at golden hour, by sea", "15 / 20 tokens", "Second chunk begins at “at golden hour”")
	said(strings.Repeat("word ", 10)+strings.Repeat("more ", 10)+"end", "21 / 30 tokens", "Chunks begin at “more more more” and “end”")
	said("", "", "")
	f.negative.SetText("x y")
	q.until(t, "the negative prompt is counted", func() bool { return f.lengths[1].count.Text == "2 / 10 tokens" })
	f.negative.SetText("")
	said("a b c", "3 / 10 tokens", "")
	if w.create.promised.Text != "" {
		t.Errorf("forecast %q before anything was measured", w.create.promised.Text)
	}
	f.steps.set(100)
	w.create.start()
	q.until(t, "the picture is kept", idle(w))
	if got := w.create.promised.Text; !strings.Contains(got, "300 MB") {
		t.Errorf("forecast %q must name the memory", got)
	}
	f.steps.set(1000)
	r, _, err := f.request()
	if err != nil {
		t.Fatal(err)
	}
	r.Compute = w.settings.compute()
	if d, memory := w.measures.forecast(r); d < 2*time.Second || d > 60*time.Second || memory != 3e8 {
		t.Errorf("1000 steps of over 2 ms are forecast to take %v and %d bytes", d, memory)
	}
	plain, _ := w.measures.forecast(r)
	r.SecondPass = SecondPass{Hires: 2} // half of the steps, each of four times the pixels
	if d, memory := w.measures.forecast(r); d < 29*plain/10 || d > 31*plain/10 || memory != 0 {
		t.Errorf("enlarged: %v and %d bytes, where the first pass takes %v", d, memory, plain)
	}
	r.SecondPass = SecondPass{HiresWidth: 2 * r.Width, HiresHeight: r.Height, HiresSteps: 500, HiresStrength: 1}
	if d, _ := w.measures.forecast(r); d < 19*plain/10 || d > 21*plain/10 {
		t.Errorf("enlarged to twice the width in half the steps: %v, where the first pass takes %v", d, plain)
	}
	r.SecondPass = SecondPass{}
	r.Width *= 2
	if d, memory := w.measures.forecast(r); d < 4*time.Second || memory != 0 {
		t.Errorf("twice the pixels: %v, %d bytes", d, memory)
	}
}

func TestSchedules(t *testing.T) {
	w, _ := open(t, &fakeEngine{})
	f := w.create.form
	for _, c := range []struct {
		sampler, schedule string
		offered           bool
	}{{"Euler", "Automatic", true}, {"DDPM", "", false}, {"DDIM", "Automatic", true}} {
		f.sampler.SetSelected(c.sampler)
		if r, _, err := f.request(); err != nil || r.Schedule != c.schedule || f.scheduled.Visible() != c.offered {
			t.Errorf("%s: schedule %q, offered %v, %v", c.sampler, r.Schedule, f.scheduled.Visible(), err)
		}
	}
	if missing := f.restore(gallery.Recipe{Sampler: "euler", ScheduleType: "karras"}); len(missing) != 0 || f.schedule.Selected != "Karras" {
		t.Errorf("restored schedule %q, missing %v", f.schedule.Selected, missing)
	}
	if missing := f.restore(gallery.Recipe{Sampler: "DDPM", ScheduleType: "Karras"}); len(missing) != 1 {
		t.Errorf("missing %v", missing)
	}
}

func TestCompareAndPin(t *testing.T) {
	e := &fakeEngine{delay: time.Millisecond}
	w, q := open(t, e)
	p := w.create
	p.form.steps.set(2)
	for range 7 {
		p.start()
	}
	q.until(t, "all are made", idle(w))
	if n := len(p.strip.items); n != 7 {
		t.Fatalf("%d pictures", n)
	}
	if p.strip.items[resultsHeld].value.Image != nil || p.strip.items[0].value.Image == nil {
		t.Error("only the latest pictures are held in memory")
	}
	p.pickByHand(p.strip.items[5].value)
	q.until(t, "it is read back", func() bool { return p.view.source != nil && p.view.source != p.strip.items[0].value.Image })
	labels := func() string {
		var all []string
		for _, it := range p.moreMenu() {
			all = append(all, it.Label)
		}
		return strings.Join(all, ",")
	}
	if !strings.Contains(labels(), "Compare") {
		t.Fatalf("menu %s", labels())
	}
	p.compareWith(p.strip.after(p.shown))
	q.until(t, "both are shown", func() bool { return p.compared != nil && p.compare.source != nil })
	if !strings.Contains(labels(), "End comparing") || !strings.Contains(p.status.Text, "Left: seed") {
		t.Errorf("menu %s, status %q", labels(), p.status.Text)
	}
	p.endComparing()

	p.form.steps.set(100)
	p.start()
	q.until(t, "it paints", func() bool { return p.last.Step > 2 })
	p.pickByHand(p.strip.items[0].value)
	step := p.last.Step
	q.until(t, "it goes on", func() bool { return p.last.Step > step+5 })
	if p.view.quick || !p.watch.Visible() {
		t.Error("a picture that was picked stays while the next is painted")
	}
	test.Tap(p.watch)
	q.until(t, "previews are shown again", func() bool { return p.view.quick })
	q.until(t, "it is made", idle(w))
}

func FuzzParseMeasures(f *testing.F) {
	var m measures
	m.add(Request{Model: "m", Width: 8, Height: 8}, Work{Steps: 1e9, Count: 2})
	f.Add(m.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		m := measures{kind: parseMeasures(data)}
		if d, _ := m.forecast(Request{Model: "m", Width: 8, Height: 8, Steps: 20}); d < 0 {
			t.Errorf("forecast %v", d)
		}
		m.encode()
	})
}

func TestRecall(t *testing.T) {
	dir := t.TempDir()
	w, q := openIn(t, &fakeEngine{}, dir)
	w.create.form.count.SetSelected("× 16")
	w.create.form.steps.set(1)
	w.create.start()
	q.until(t, "they are made", idle(w))
	last := w.create.shown
	w.leave()
	w, q = openIn(t, &fakeEngine{}, dir)
	p := w.create
	q.until(t, "the latest are in the strip", func() bool { return len(p.strip.items) == recalled })
	if p.strip.items[0].value.path != last.path || p.shown != nil || p.view.source != nil || p.strip.items[0].tile.chosen {
		t.Error("the newest comes first, and none is shown until it is picked")
	}
	p.pickByHand(p.strip.items[0].value)
	q.until(t, "it is read back", func() bool { return p.view.source != nil })
	if p.shown.Recipe.Seed != last.Recipe.Seed {
		t.Error("its recipe is another's")
	}
}
