//go:build !headless

package ui

import (
	"fmt"
	"image/color"
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// chart draws a loss over its steps: raw and, above it, smoothed. It thins both
// to one segment per two pixels, so that a refresh costs the same however long
// the training is.
type chart struct {
	widget.BaseWidget
	curve curve
}

func newChart() *chart {
	c := &chart{}
	c.ExtendBaseWidget(c)
	return c
}

func (c *chart) clear() { c.curve = curve{}; c.Refresh() }

func (c *chart) add(losses []Loss) {
	for _, l := range losses {
		c.curve.add(l)
	}
	c.Refresh()
}

func (c *chart) CreateRenderer() fyne.WidgetRenderer { return &chartRenderer{c: c} }

type chartRenderer struct {
	c           *chart
	raw, smooth lines
	grid        lines
	labels      []*canvas.Text
	objects     []fyne.CanvasObject
}

// lines are as many canvas.Lines as were ever needed; the rest is hidden.
type lines struct {
	all  []*canvas.Line
	used int
}

func (l *lines) segment(x1, y1, x2, y2, width float32, c color.Color) {
	if l.used == len(l.all) {
		l.all = append(l.all, canvas.NewLine(c))
	}
	s := l.all[l.used]
	l.used++
	s.Position1, s.Position2 = fyne.NewPos(x1, y1), fyne.NewPos(x2, y2)
	s.StrokeColor, s.StrokeWidth, s.Hidden = c, width, false
}

func (l *lines) hideRest() {
	for _, s := range l.all[l.used:] {
		s.Hidden = true
	}
}

const (
	chartLeft, chartBottom = 46, 22 // room for the numbers
	segmentWidth           = 2
	tickHeight             = 28 // of a number with the space around it
)

func (r *chartRenderer) Layout(size fyne.Size) {
	r.raw.used, r.smooth.used, r.grid.used = 0, 0, 0
	labels := 0
	muted := themed(colorMuted)
	label := func(s string, x, y float32, align fyne.TextAlign) {
		if labels == len(r.labels) {
			r.labels = append(r.labels, canvas.NewText("", nil))
		}
		t := r.labels[labels]
		labels++
		t.Text, t.Color, t.TextSize, t.Alignment, t.Hidden = s, muted, 11, align, false
		m := t.MinSize()
		switch align {
		case fyne.TextAlignTrailing:
			x -= m.Width
		case fyne.TextAlignCenter:
			x -= m.Width / 2
		}
		t.Move(fyne.NewPos(x, y-m.Height/2))
		t.Resize(m)
	}

	w, h := size.Width-chartLeft-8, size.Height-chartBottom-8
	cv := &r.c.curve
	if w > 40 && h > 20 && len(cv.raw) > 0 {
		low, high, tick := cv.axis(float64(min(max(h/tickHeight, 1), 4)))
		y := func(v float32) float32 { return 8 + h - h*float32((float64(v)-low)/(high-low)) }
		for i := 0; ; i++ {
			v := low + float64(i)*tick
			if v > high+tick/2 {
				break
			}
			r.grid.segment(chartLeft, y(float32(v)), chartLeft+w, y(float32(v)), 1, themed(theme.ColorNameSeparator))
			label(fmt.Sprintf("%.*f", decimals(tick), v), chartLeft-8, y(float32(v)), fyne.TextAlignTrailing)
		}
		label(fmt.Sprint(cv.first), chartLeft, 8+h+12, fyne.TextAlignLeading)
		label(fmt.Sprintf("step %d", cv.last), chartLeft+w, 8+h+12, fyne.TextAlignTrailing)

		accent := themed(theme.ColorNamePrimary)
		clamp := func(v float32) float32 { return min(max(v, float32(low)), float32(high)) }
		draw := func(l *lines, values []float32, width float32, c color.Color) {
			pts := thin(values, int(w/segmentWidth))
			dx := w / float32(max(len(pts)-1, 1))
			for i := 1; i < len(pts); i++ {
				l.segment(chartLeft+dx*float32(i-1), y(clamp(pts[i-1])), chartLeft+dx*float32(i), y(clamp(pts[i])), width, c)
			}
		}
		draw(&r.raw, cv.raw, 1, blended(accent, themed(colorStage), 0.6))
		draw(&r.smooth, cv.smooth, 2, accent)
	}
	r.raw.hideRest()
	r.smooth.hideRest()
	r.grid.hideRest()
	for _, t := range r.labels[labels:] {
		t.Hidden = true
	}
	r.collect()
}

func (r *chartRenderer) collect() {
	r.objects = r.objects[:0]
	for _, l := range []*lines{&r.grid, &r.raw, &r.smooth} {
		for _, s := range l.all[:l.used] {
			r.objects = append(r.objects, s)
		}
	}
	for _, t := range r.labels {
		r.objects = append(r.objects, t)
	}
}

// blended is a with a share of b. A translucent line would show its joints.
func blended(a, b color.Color, share float32) color.Color {
	x, y := color.NRGBAModel.Convert(a).(color.NRGBA), color.NRGBAModel.Convert(b).(color.NRGBA)
	m := func(p, q uint8) uint8 { return uint8(float32(p)*(1-share) + float32(q)*share) }
	return color.NRGBA{m(x.R, y.R), m(x.G, y.G), m(x.B, y.B), 0xFF}
}

// decimals is how many digits after the point tell ticks apart.
func decimals(tick float64) int {
	return max(0, int(math.Ceil(-math.Log10(tick)-1e-9)))
}

func (r *chartRenderer) MinSize() fyne.Size           { return fyne.NewSize(240, 56) }
func (r *chartRenderer) Objects() []fyne.CanvasObject { return r.objects }
func (r *chartRenderer) Destroy()                     {}
func (r *chartRenderer) Refresh() {
	r.Layout(r.c.Size())
	canvas.Refresh(r.c)
}
