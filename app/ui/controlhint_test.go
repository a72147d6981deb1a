//go:build !headless

package ui

import (
	"image"
	"image/color"
	"testing"

	"latent/app/pictures"
	"latent/app/pictures/hint"
)

// Each setting that a preprocessor has is offered, within its bounds.
func TestKnobs(t *testing.T) {
	w, _ := open(t, netsEngine())
	c := w.create.controls.add()
	for i, way := range hint.All() {
		c.way.SetSelectedIndex(i)
		if len(c.knobs[i]) != len(way.Settings) {
			t.Fatalf("%s has %d settings, %d are offered", way.Name, len(way.Settings), len(c.knobs[i]))
		}
		for k, lines := range c.knobbed {
			if lines.Visible() != (k == i) {
				t.Errorf("%s is chosen, the settings of %s are shown: %v", way.Name, hint.All()[k].Name, k != i)
			}
		}
		if c.knobBox.Visible() != (len(way.Settings) > 0) {
			t.Errorf("%s has %d settings, room for them is %v", way.Name, len(way.Settings), c.knobBox.Visible())
		}
		for k, n := range c.knobs[i] {
			s := way.Settings[k]
			if n.least != s.Least || n.most != s.Most || n.value != s.Default || n.slider.Max > s.Most || n.slider.Max <= s.Default {
				t.Errorf("%s, %s: from %g to %g, slider to %g, at first %g", way.Name, s.Name, n.least, n.most, n.slider.Max, n.value)
			}
		}
	}
}

// steps are four fields, each brighter than the one to its left: by 10, by 30 and
// by 90 levels, whose gradients are 40, 120 and 360.
func steps() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for x := range 64 {
		for y := range 64 {
			v := []uint8{20, 30, 60, 150}[x/16]
			img.Set(x, y, color.NRGBA{v, v, v, 255})
		}
	}
	return img
}

// The thresholds say how many edges the hint has, and reach the request.
func TestCannyThresholds(t *testing.T) {
	w, q := open(t, netsEngine())
	list := w.create.controls
	q.until(t, "nets are offered", func() bool { return len(list.nets) == 2 })
	c := list.add()
	list.read(c, func() (image.Image, error) { return steps(), nil })
	q.until(t, "the picture is loaded", func() bool { return c.data != nil })
	c.way.SetSelected("Edges")
	low, high := c.knobs[c.way.SelectedIndex()][0], c.knobs[c.way.SelectedIndex()][1]
	edges := func() (n int) {
		img := pictures.Fit(c.tile.image.Image, 64, 64)
		for x := 1; x < img.Bounds().Dx(); x++ {
			before, _, _, _ := img.At(x-1, 32).RGBA()
			here, _, _, _ := img.At(x, 32).RGBA()
			if before < 0x4000 && here >= 0x4000 {
				n++
			}
		}
		return n
	}
	for _, s := range []struct {
		low, high, wantA, wantB float64
		edges                   int
	}{
		{100, 200, 0, 0, 1}, // the defaults
		{20, 30, 20, 30, 3},
		{100, 110, 0, 110, 2},
		{1000, 1100, 1000, 1100, 0},
	} {
		low.set(s.low)
		high.set(s.high)
		q.until(t, "the hint follows", func() bool { return !c.hinting && !c.stale })
		if got := edges(); got != s.edges {
			t.Errorf("from %g and %g: %d edges, want %d", s.low, s.high, got, s.edges)
		}
		r, _, err := list.request()
		if err != nil || len(r) != 1 || r[0].Preprocessor != "canny" || r[0].A != s.wantA || r[0].B != s.wantB {
			t.Errorf("request %+v, %v; want %g and %g", r, err, s.wantA, s.wantB)
		}
	}
}
