//go:build !headless

package ui

import (
	"image"
	"sync"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/widget"
)

// view shows one picture as large as it fits. It is scaled to the screen's
// pixels in the background, and always into the same canvas.Image: one per frame
// would fill the memory.
type view struct {
	widget.BaseWidget
	image  *canvas.Image
	source image.Image // what is shown, in its own size
	quick  bool        // source is a preview
	ready  coalesce[scaled]

	mu      sync.Mutex
	next    *scaling // the newest wish; older ones are dropped
	working bool
}

// scaling is a wish for source in w×h pixels.
type scaling struct {
	source image.Image
	w, h   int
	quick  bool
}

type scaled struct {
	scaling
	img *image.RGBA
}

func newView(post poster) *view {
	v := &view{image: &canvas.Image{FillMode: canvas.ImageFillStretch, ScaleMode: canvas.ImageScaleFastest, CornerRadius: radiusSmall}}
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
	v.source, v.quick = img, quick
	if img == nil {
		v.image.Image = nil
		v.image.Hide()
		return
	}
	v.rescale()
}

// rescale asks for the source in the size that the view has now.
func (v *view) rescale() {
	if v.source == nil {
		return
	}
	b := v.source.Bounds()
	w, h := fit(b.Dx(), b.Dy(), v.Size().Width, v.Size().Height)
	scale := float32(1)
	if c := fyne.CurrentApp().Driver().CanvasForObject(v); c != nil {
		scale = c.Scale()
	}
	s := scaling{v.source, int(w*scale + 0.5), int(h*scale + 0.5), v.quick}
	if s.w < 1 || s.h < 1 {
		return
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
		v.ready.put(scaled{*s, scaleTo(s.source, s.w, s.h, s.quick)})
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
	v.image.Resize(fyne.NewSize(w, h))
	v.image.Move(fyne.NewPos((size.Width-w)/2, (size.Height-h)/2))
}

func (v *view) CreateRenderer() fyne.WidgetRenderer { return &viewRenderer{v} }

type viewRenderer struct{ v *view }

func (r *viewRenderer) Layout(size fyne.Size) {
	r.v.place(size)
	r.v.rescale()
}
func (r *viewRenderer) MinSize() fyne.Size           { return fyne.NewSize(120, 120) }
func (r *viewRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.v.image} }
func (r *viewRenderer) Refresh()                     { r.v.rescale() }
func (r *viewRenderer) Destroy()                     {}
