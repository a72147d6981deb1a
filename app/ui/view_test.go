//go:build !headless

package ui

import (
	"image"
	"image/color"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
)

// The view scales in the background, to its own size, and always into one image.
func TestView(t *testing.T) {
	themedApp(t)
	q := make(queue, 100)
	v := newView(q.post)
	test.NewTempWindow(t, v).Resize(fyne.NewSize(200, 150))
	only := v.image
	for i := range 3 {
		img := image.NewNRGBA(image.Rect(0, 0, 32, 16))
		for j := range img.Pix {
			img.Pix[j] = 255
		}
		img.SetNRGBA(0, 0, color.NRGBA{uint8(i), 0, 0, 255})
		v.preview(img)
		q.until(t, "the picture is scaled", func() bool { return v.image.Image != nil && !v.mightChange() })
		b := v.image.Image.Bounds()
		if b.Dx() <= 32 || b.Dx() != 2*b.Dy() {
			t.Errorf("picture is shown in %v", b)
		}
	}
	if v.image != only {
		t.Error("the canvas image was replaced")
	}
	v.show(nil)
	if v.image.Visible() {
		t.Error("an emptied view shows nothing")
	}
}

func (v *view) mightChange() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.working
}

func TestZoom(t *testing.T) {
	themedApp(t)
	q := make(queue, 100)
	v := newView(q.post)
	test.NewTempWindow(t, v).Resize(fyne.NewSize(200, 200))
	v.Resize(fyne.NewSize(200, 200))
	img := image.NewNRGBA(image.Rect(0, 0, 100, 50))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	v.show(img)
	settle := func() { q.until(t, "the picture is scaled", func() bool { return !v.mightChange() && len(q) == 0 }) }
	settle()
	if x, y, w, h := v.part(); x != 0 || y != 0 || w != 100 || h != 50 {
		t.Errorf("all of it is %g %g %g %g", x, y, w, h)
	}
	// The pixel under the mouse stays under it.
	at := fyne.NewPos(150, 100)
	under := func() (float64, float64) {
		x, y, w, h := v.part()
		each := v.fitted() * v.zoom
		return x + (float64(at.X)-(200-w*each)/2)/each, y + (float64(at.Y)-(200-h*each)/2)/each
	}
	x0, y0 := under()
	for range 12 {
		v.Scrolled(&fyne.ScrollEvent{PointEvent: fyne.PointEvent{Position: at}, Scrolled: fyne.NewDelta(0, 10)})
	}
	x1, y1 := under()
	if d := max(x1-x0, x0-x1, y1-y0, y0-y1); d > 0.01 || v.zoom < 8 {
		t.Errorf("at zoom %.1f the mouse is over %.2f, %.2f; it was over %.2f, %.2f", v.zoom, x1, y1, x0, y0)
	}
	settle()
	if b := v.image.Image.Bounds(); b.Dx() > 201 || b.Dy() > 201 {
		t.Errorf("the shown part has %v pixels", b)
	}
	v.Dragged(&fyne.DragEvent{Dragged: fyne.NewDelta(1e6, 0)})
	if x, _, _, _ := v.part(); x != 0 {
		t.Errorf("dragged beyond the edge: %g", x)
	}
	v.actual()
	if v.percent() != 100 && v.zoom != 1 {
		t.Errorf("1 : 1 is %d %%", v.percent())
	}
	for range 50 {
		v.Scrolled(&fyne.ScrollEvent{PointEvent: fyne.PointEvent{Position: at}, Scrolled: fyne.NewDelta(0, -10)})
	}
	if v.zoom != 1 {
		t.Errorf("zoom %g after zooming out", v.zoom)
	}
	settle()
}
