//go:build !headless

package ui

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// brush paints over a picture what is to be made anew.
type brush struct {
	widget.BaseWidget
	focus
	keys        *keys
	under, over *canvas.Image
	mask        *image.RGBA // of the brush's colour where it has been
	strokes     []stroke
	size        float64 // of the brush, a share of the picture's longer side
	drawing     bool
	tip         point // of the keyboard's brush
	changed     func()
	finish      func()
}

// stroke is a line of the brush, in pixels of the mask.
type stroke struct {
	points []point
	radius float64
}

type point struct{ x, y float64 }

// maskSide is the most pixels along one side of a mask: more than a model sees.
const maskSide = 1024

func newBrush(k *keys, finish func()) *brush {
	b := &brush{keys: k, finish: finish, size: 0.08}
	b.under = &canvas.Image{FillMode: canvas.ImageFillStretch, ScaleMode: canvas.ImageScaleFastest}
	b.over = &canvas.Image{FillMode: canvas.ImageFillStretch, ScaleMode: canvas.ImageScaleFastest}
	b.ExtendBaseWidget(b)
	return b
}

// ground is a picture in the size in which a brush paints over it.
func ground(img image.Image) *image.RGBA {
	r := img.Bounds()
	s := min(1, maskSide/float64(max(r.Dx(), r.Dy())))
	return scaleTo(img, max(1, int(float64(r.Dx())*s)), max(1, int(float64(r.Dy())*s)), false)
}

// begin takes the ground of a picture to paint over.
func (b *brush) begin(ground *image.RGBA) {
	b.under.Image = ground
	b.mask = image.NewRGBA(ground.Rect)
	b.tip = point{float64(ground.Rect.Dx()) / 2, float64(ground.Rect.Dy()) / 2}
	b.over.Image = b.mask
	b.strokes = nil
	b.Refresh()
}

func (b *brush) end() {
	b.under.Image, b.over.Image, b.mask, b.strokes = nil, nil, nil, nil
}

// at is a place of the widget in pixels of the mask.
func (b *brush) at(p fyne.Position) point {
	o, s := b.over.Position(), b.over.Size()
	return point{float64(p.X-o.X) / float64(s.Width) * float64(b.mask.Rect.Dx()), float64(p.Y-o.Y) / float64(s.Height) * float64(b.mask.Rect.Dy())}
}

func (b *brush) MouseDown(e *desktop.MouseEvent) {
	if b.mask == nil {
		return
	}
	b.begun()
	b.drawTo(b.at(e.Position))
}

// begun begins a stroke.
func (b *brush) begun() {
	b.drawing = true
	radius := b.size / 2 * float64(max(b.mask.Rect.Dx(), b.mask.Rect.Dy()))
	b.strokes = append(b.strokes, stroke{radius: max(radius, 1)})
}

func (b *brush) MouseUp(*desktop.MouseEvent) { b.DragEnd() }

func (b *brush) Dragged(e *fyne.DragEvent) {
	if b.drawing {
		b.drawTo(b.at(e.Position))
	}
}

func (b *brush) DragEnd() {
	if b.drawing {
		b.drawing = false
		if b.changed != nil {
			b.changed()
		}
	}
}

func (b *brush) Cursor() desktop.Cursor { return desktop.CrosshairCursor }

// drawTo goes on with the stroke.
func (b *brush) drawTo(p point) {
	b.tip = p
	s := &b.strokes[len(b.strokes)-1]
	s.points = append(s.points, p)
	s.draw(b.mask, len(s.points)-1)
	b.over.Refresh()
}

// tint shows where the brush has been; it is premultiplied.
var tint = color.RGBA{30, 106, 89, 128}

// draw paints the stroke's points from one on.
func (s *stroke) draw(to *image.RGBA, from int) {
	for i := max(from, 0); i < len(s.points); i++ {
		a, c := s.points[max(i-1, 0)], s.points[i]
		n := int(math.Hypot(c.x-a.x, c.y-a.y)/max(s.radius/3, 1)) + 1
		for k := range n + 1 {
			t := float64(k) / float64(n)
			s.dot(to, a.x+t*(c.x-a.x), a.y+t*(c.y-a.y))
		}
	}
}

func (s *stroke) dot(to *image.RGBA, cx, cy float64) {
	area := image.Rect(int(cx-s.radius), int(cy-s.radius), int(cx+s.radius)+2, int(cy+s.radius)+2).Intersect(to.Rect)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			if dx, dy := float64(x)+0.5-cx, float64(y)+0.5-cy; dx*dx+dy*dy <= s.radius*s.radius {
				to.SetRGBA(x, y, tint)
			}
		}
	}
}

// undo takes the last stroke back.
func (b *brush) undo() {
	if len(b.strokes) == 0 {
		return
	}
	b.strokes = b.strokes[:len(b.strokes)-1]
	clear(b.mask.Pix)
	for i := range b.strokes {
		b.strokes[i].draw(b.mask, 0)
	}
	b.over.Refresh()
	if b.changed != nil {
		b.changed()
	}
}

// png returns the mask as a file: white is to be painted, black to be kept; nil
// if nothing was marked.
func (b *brush) png() []byte {
	if len(b.strokes) == 0 {
		return nil
	}
	out := image.NewGray(b.mask.Rect)
	for i := range out.Pix {
		if b.mask.Pix[4*i+3] > 0 {
			out.Pix[i] = 255
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, out); err != nil {
		panic(err) // memory alone
	}
	return buf.Bytes()
}

func (b *brush) CreateRenderer() fyne.WidgetRenderer {
	return b.ring(&brushRenderer{b, canvas.NewCircle(nil)}, nil)
}

type brushRenderer struct {
	b   *brush
	tip *canvas.Circle
}

func (r *brushRenderer) Layout(size fyne.Size) {
	if r.b.mask == nil {
		return
	}
	w, h := fit(r.b.mask.Rect.Dx(), r.b.mask.Rect.Dy(), size.Width, size.Height)
	for _, o := range r.Objects()[:2] {
		o.Resize(fyne.NewSize(w, h))
		o.Move(fyne.NewPos((size.Width-w)/2, (size.Height-h)/2))
	}
	r.b.placeTip(r.tip)
}
func (r *brushRenderer) MinSize() fyne.Size { return fyne.NewSize(120, 120) }
func (r *brushRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.b.under, r.b.over, r.tip}
}
func (r *brushRenderer) Refresh() {
	r.Layout(r.b.Size())
	r.b.under.Refresh()
	r.b.over.Refresh()
}
func (r *brushRenderer) Destroy() {}
