//go:build !headless

package ui

import (
	"image"
	"math"
	"sync"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// view shows one picture as large as it fits, or a part of it larger. It is
// scaled to the screen's pixels in the background, and always into the same
// canvas.Image: one per frame would fill the memory.
type view struct {
	widget.BaseWidget
	focus
	keys   *keys // nil: it has no keyboard
	walk   func(by int)
	image  *canvas.Image
	source image.Image // what is shown, in its own size
	quick  bool        // source is a preview
	ready  coalesce[scaled]

	zoom   float64 // 1: all of it fits
	cx, cy float64 // the point of source, from 0 to 1, that is in the middle
	zoomed func()  // is told of another zoom; may be nil

	mu      sync.Mutex
	next    *scaling // the newest wish; older ones are dropped
	working bool
}

// maxZoom is how much larger than the fitting size a picture is shown at most.
const maxZoom = 32

// scaling is a wish for a part of source in w×h pixels.
type scaling struct {
	source     image.Image
	x, y, each float64 // of source: the part's corner, and how much of it a pixel is; each 0: all of it
	w, h       int
	quick      bool
}

type scaled struct {
	scaling
	img *image.RGBA
}

func newView(post poster) *view {
	v := &view{image: &canvas.Image{FillMode: canvas.ImageFillStretch, ScaleMode: canvas.ImageScaleFastest, CornerRadius: radiusSmall}, zoom: 1, cx: 0.5, cy: 0.5}
	v.ready = coalesce[scaled]{post: post, show: v.put}
	v.image.Hide()
	v.ExtendBaseWidget(v)
	return v
}

// show puts a picture into the view; nil empties it.
func (v *view) show(img image.Image) { v.set(img, false) }

// preview puts a passing picture into the view.
func (v *view) preview(img image.Image) { v.set(img, true) }

func (v *view) set(img image.Image, quick bool) {
	if img == nil || v.source == nil || img.Bounds() != v.source.Bounds() {
		v.setZoom(1, 0.5, 0.5)
	}
	v.source, v.quick = img, quick
	if img == nil {
		v.image.Image = nil
		v.image.Hide()
		return
	}
	v.rescale()
}

func (v *view) setZoom(zoom, cx, cy float64) {
	zoom = min(max(zoom, 1), maxZoom)
	if zoom == v.zoom && cx == v.cx && cy == v.cy {
		return
	}
	v.zoom, v.cx, v.cy = zoom, cx, cy
	v.rescale()
	if v.zoomed != nil {
		v.zoomed()
	}
}

// fitted is how many units a pixel of source takes when all of it fits.
func (v *view) fitted() float64 {
	b := v.source.Bounds()
	w, _ := fit(b.Dx(), b.Dy(), v.Size().Width, v.Size().Height)
	return float64(w) / float64(b.Dx())
}

// scale is how many of the screen's pixels a unit is.
func (v *view) scale() float64 {
	if c := fyne.CurrentApp().Driver().CanvasForObject(v); c != nil {
		return float64(c.Scale())
	}
	return 1
}

// percent is the size of the picture's pixels, in those of the screen.
func (v *view) percent() int {
	if v.source == nil {
		return 100
	}
	return int(math.Round(100 * v.fitted() * v.zoom * v.scale()))
}

// actual shows each of the picture's pixels as one of the screen, or all of it
// if that is how it is shown already.
func (v *view) actual() {
	if v.source == nil {
		return
	}
	z := 1 / (v.fitted() * v.scale())
	if math.Abs(z-v.zoom) < 1e-3 {
		z = 1
	}
	v.setZoom(z, v.cx, v.cy)
}

// part is the corner of source that is shown at the view's zoom, and the size of
// the shown part; all in pixels of source.
func (v *view) part() (x, y, w, h float64) {
	b := v.source.Bounds()
	each := v.fitted() * v.zoom
	along := func(n int, room float32, c float64) (from, size float64) {
		size = min(float64(n), float64(room)/each)
		return min(max(c*float64(n)-size/2, 0), float64(n)-size), size
	}
	x, w = along(b.Dx(), v.Size().Width, v.cx)
	y, h = along(b.Dy(), v.Size().Height, v.cy)
	return x, y, w, h
}

// Scrolled zooms around the mouse.
func (v *view) Scrolled(e *fyne.ScrollEvent) {
	if v.source == nil || e.Scrolled.DY == 0 {
		return
	}
	b := v.source.Bounds()
	x, y, w, h := v.part()
	each := v.fitted() * v.zoom
	// The point under the mouse stays there.
	left, top := (float64(v.Size().Width)-w*each)/2, (float64(v.Size().Height)-h*each)/2
	px, py := x+(float64(e.Position.X)-left)/each, y+(float64(e.Position.Y)-top)/each
	zoom := min(max(v.zoom*math.Pow(1.2, float64(e.Scrolled.DY)/10), 1), maxZoom)
	grown := zoom / v.zoom
	mx, my := x+w/2, y+h/2
	v.setZoom(zoom, (px+(mx-px)/grown)/float64(b.Dx()), (py+(my-py)/grown)/float64(b.Dy()))
}

// Dragged moves the part that is shown.
func (v *view) Dragged(e *fyne.DragEvent) {
	if v.source == nil || v.zoom == 1 {
		return
	}
	b := v.source.Bounds()
	x, y, w, h := v.part()
	each := v.fitted() * v.zoom
	v.setZoom(v.zoom, (x+w/2-float64(e.Dragged.DX)/each)/float64(b.Dx()), (y+h/2-float64(e.Dragged.DY)/each)/float64(b.Dy()))
}

func (v *view) DragEnd() {}

func (v *view) Cursor() desktop.Cursor {
	if v.zoom > 1 {
		return desktop.PointerCursor
	}
	return desktop.DefaultCursor
}

// rescale asks for the source in the size that the view has now.
func (v *view) rescale() {
	if v.source == nil || v.Size().Width < 1 || v.Size().Height < 1 {
		return
	}
	x, y, w, h := v.part()
	each := v.fitted() * v.zoom * v.scale()
	s := scaling{source: v.source, w: int(w*each + 0.5), h: int(h*each + 0.5), quick: v.quick}
	if s.w < 1 || s.h < 1 {
		return
	}
	if v.zoom > 1 {
		s.x, s.y, s.each = x, y, 1/each
	}
	v.mu.Lock()
	v.next = &s
	start := !v.working
	v.working = true
	v.mu.Unlock()
	if start {
		go v.work()
	}
}

func (v *view) work() {
	for {
		v.mu.Lock()
		s := v.next
		v.next = nil
		v.working = s != nil
		v.mu.Unlock()
		if s == nil {
			return
		}
		var img *image.RGBA
		if s.each == 0 {
			img = scaleTo(s.source, s.w, s.h, s.quick)
		} else {
			img = enlarge(s.source, s.x, s.y, s.each, s.w, s.h)
		}
		v.ready.put(scaled{*s, img})
	}
}

// put shows a scaled picture, unless the view has been emptied meanwhile.
func (v *view) put(s scaled) {
	if v.source == nil {
		return
	}
	v.image.Image = s.img
	v.image.Show()
	v.place(v.Size())
	v.image.Refresh()
}

// place centres the picture that is on the screen now.
func (v *view) place(size fyne.Size) {
	if v.image.Image == nil {
		return
	}
	b := v.image.Image.Bounds()
	w, h := fit(b.Dx(), b.Dy(), size.Width, size.Height)
	if v.zoom > 1 { // of a part, not all sides need touch the view's
		scale := float32(v.scale())
		w, h = min(float32(b.Dx())/scale, size.Width), min(float32(b.Dy())/scale, size.Height)
	}
	v.image.Resize(fyne.NewSize(w, h))
	v.image.Move(fyne.NewPos((size.Width-w)/2, (size.Height-h)/2))
}

func (v *view) CreateRenderer() fyne.WidgetRenderer { return v.ring(&viewRenderer{v}, nil) }

type viewRenderer struct{ v *view }

func (r *viewRenderer) Layout(size fyne.Size) {
	r.v.place(size)
	r.v.rescale()
}
func (r *viewRenderer) MinSize() fyne.Size           { return fyne.NewSize(60, 60) }
func (r *viewRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.v.image} }
func (r *viewRenderer) Refresh()                     { r.v.rescale() }
func (r *viewRenderer) Destroy()                     {}
