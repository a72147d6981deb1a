//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"
)

// gap is the space between groups, tight that within one.
const gap, tight float32 = 12, 6

// panel is a rounded surface with padding around its content.
type panel struct {
	widget.BaseWidget
	focus
	color   fyne.ThemeColorName
	radius  float32
	content fyne.CanvasObject
}

func newPanel(color fyne.ThemeColorName, pad float32, content fyne.CanvasObject) *panel {
	p := &panel{color: color, radius: radiusPanel, content: padded(pad, content)}
	p.ExtendBaseWidget(p)
	return p
}

func (p *panel) CreateRenderer() fyne.WidgetRenderer {
	bg := canvas.NewRectangle(themed(p.color))
	bg.CornerRadius = p.radius
	return &panelRenderer{WidgetRenderer: p.ring(widget.NewSimpleRenderer(container.NewStack(bg, p.content)), nil), p: p, bg: bg}
}

// choose draws a ring around the panel.
func (p *panel) choose(on bool) {
	if p.on != on {
		p.on = on
		p.Refresh()
	}
}

type panelRenderer struct {
	fyne.WidgetRenderer
	p  *panel
	bg *canvas.Rectangle
}

func (r *panelRenderer) Refresh() {
	r.bg.FillColor = themed(r.p.color)
	r.bg.Refresh()
	r.WidgetRenderer.Refresh()
}

func padded(pad float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewCustomPaddedLayout(pad, pad, pad, pad), o)
}

// stack puts objects below one another, space apart.
func stack(space float32, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewCustomPaddedVBoxLayout(space), objects...)
}

// row puts objects side by side at their own widths.
func row(space float32, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewCustomPaddedHBoxLayout(space), objects...)
}

// columns puts objects side by side, equally wide.
func columns(objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(columnsLayout{}, objects...)
}

type columnsLayout struct{}

func (columnsLayout) MinSize(objects []fyne.CanvasObject) (s fyne.Size) {
	objects = visible(objects)
	for _, o := range objects {
		s = s.Max(o.MinSize())
	}
	n := float32(len(objects))
	return fyne.NewSize(max(0, s.Width*n+gap*(n-1)), s.Height)
}

func (columnsLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	objects = visible(objects)
	w := (size.Width - gap*float32(len(objects)-1)) / float32(len(objects))
	for i, o := range objects {
		o.Move(fyne.NewPos(float32(i)*(w+gap), 0))
		o.Resize(fyne.NewSize(w, size.Height))
	}
}

func visible(objects []fyne.CanvasObject) (out []fyne.CanvasObject) {
	for _, o := range objects {
		if o.Visible() {
			out = append(out, o)
		}
	}
	return out
}

// labelled puts a caption above a control.
func labelled(name string, control fyne.CanvasObject) *fyne.Container {
	return stack(tight, caption(name), control)
}

// beside lets fill have what left and right leave; either may be nil.
func beside(left, fill, right fyne.CanvasObject) *fyne.Container {
	return container.New(besideLayout{left, right}, nonNil(left, fill, right)...)
}

func nonNil(objects ...fyne.CanvasObject) (out []fyne.CanvasObject) {
	for _, o := range objects {
		if o != nil {
			out = append(out, o)
		}
	}
	return out
}

// edges puts objects around fill, which has the room that they leave; each may be
// nil but fill. Unlike container.NewBorder it keeps them in the order in which they
// are read, which is that of the Tab key.
func edges(top, bottom, left, right, fill fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewBorderLayout(top, bottom, left, right), nonNil(top, left, fill, right, bottom)...)
}

type besideLayout struct{ left, right fyne.CanvasObject }

func (l besideLayout) MinSize(objects []fyne.CanvasObject) (s fyne.Size) {
	for i, o := range visible(objects) {
		m := o.MinSize()
		s = fyne.NewSize(s.Width+m.Width, max(s.Height, m.Height))
		if i > 0 {
			s.Width += tight
		}
	}
	return s
}

func (l besideLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	x, end := float32(0), size.Width
	place := func(o fyne.CanvasObject, x, w float32) {
		o.Move(fyne.NewPos(x, 0))
		o.Resize(fyne.NewSize(w, size.Height))
	}
	if l.right != nil && l.right.Visible() {
		w := l.right.MinSize().Width
		place(l.right, end-w, w)
		end -= w + tight
	}
	if l.left != nil && l.left.Visible() {
		w := l.left.MinSize().Width
		place(l.left, 0, w)
		x = w + tight
	}
	for _, o := range objects {
		if o != l.left && o != l.right {
			place(o, x, end-x)
		}
	}
}

// fixedSize gives an object a size of its own; a zero width or height keeps the
// object's.
func fixedSize(w, h float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(fixedLayout{w, h}, o)
}

type fixedLayout struct{ w, h float32 }

func (l fixedLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	m := objects[0].MinSize()
	if l.w != 0 {
		m.Width = l.w
	}
	if l.h != 0 {
		m.Height = l.h
	}
	return m
}

func (fixedLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	objects[0].Move(fyne.NewPos(0, 0))
	objects[0].Resize(size)
}

// insets keeps clear of an object's sides; a negative one lets it stand out.
type insets struct{ top, bottom, left, right float32 }

func (p *insets) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return objects[0].MinSize().AddWidthHeight(p.left+p.right, p.top+p.bottom)
}

func (p *insets) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	objects[0].Move(fyne.NewPos(p.left, p.top))
	objects[0].Resize(size.SubtractWidthHeight(p.left+p.right, p.top+p.bottom))
}

// middle centres an object vertically.
func middle(o fyne.CanvasObject) *fyne.Container {
	return container.New(middleLayout{}, o)
}

type middleLayout struct{}

func (middleLayout) MinSize(objects []fyne.CanvasObject) fyne.Size { return objects[0].MinSize() }

func (middleLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	h := objects[0].MinSize().Height
	objects[0].Move(fyne.NewPos(0, (size.Height-h)/2))
	objects[0].Resize(fyne.NewSize(size.Width, h))
}
