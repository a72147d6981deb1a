//go:build !headless

package ui

import (
	"strings"
	"testing"
)

func TestFormErrors(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spoil      func(f *form)
	}{
		{"prompt", "write a prompt", func(f *form) { f.prompt.SetText("  ") }},
		{"steps", "steps \"0\"", func(f *form) { f.steps.field.SetText("0") }},
		{"half steps", "steps \"2.5\"", func(f *form) { f.steps.field.SetText("2.5") }},
		{"guidance", "guidance \"much\"", func(f *form) { f.guidance.field.SetText("much") }},
		{"size", "multiple of 8", func(f *form) { f.size.SetText("100 × 99") }},
		{"seed", "seed \"-4\"", func(f *form) { f.seed.SetText("-4") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, _ := open(t, &fakeEngine{})
			f := w.create.form
			f.setLock(true)
			c.spoil(f)
			w.create.start()
			if len(w.jobs.list) > 0 {
				t.Fatal("it started all the same")
			}
			if got := w.create.notice.message.Text; !strings.Contains(strings.ToLower(got), c.want) {
				t.Errorf("notice %q, want something of %q", got, c.want)
			}
		})
	}
}

func TestNumber(t *testing.T) {
	n := newNumber(&keys{}, "Steps", 1, 60, 1, 1000)
	n.slider.SetValue(30)
	if n.field.Text != "30" {
		t.Errorf("field %q after the slider went to 30", n.field.Text)
	}
	n.field.SetText("200") // beyond the slider's end
	if v, ok := n.read(); !ok || v != 200 || n.slider.Value != 60 || n.field.Text != "200" {
		t.Errorf("read %v %v, slider %v, field %q; want 200 with the slider at its end", v, ok, n.slider.Value, n.field.Text)
	}
}
