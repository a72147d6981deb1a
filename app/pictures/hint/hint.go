// Package hint makes of a picture what a ControlNet was trained to look at. Depth,
// poses and the like take networks of their own, which this package has not: such
// maps are to be made elsewhere, and used as they are.
package hint

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"slices"
	"strings"

	"github.com/disintegration/imaging"
)

// A Preprocessor turns a picture into a hint of the same size.
type Preprocessor struct {
	Name     string // "canny"
	Label    string // as AUTOMATIC1111's extension calls it
	What     string // in words
	Settings []Setting

	apply func(img *image.NRGBA, settings []float64) *image.NRGBA
}

// Setting is a number that a preprocessor goes by.
type Setting struct {
	Name                 string
	Default, Least, Most float64
}

var preprocessors = []Preprocessor{
	{"none", "none", "the picture as it is", nil,
		func(img *image.NRGBA, _ []float64) *image.NRGBA { return img }},
	{"canny", "canny", "edges", []Setting{{"low threshold", 100, 1, 4096}, {"high threshold", 200, 1, 4096}},
		func(img *image.NRGBA, s []float64) *image.NRGBA { return canny(img, int(s[0]), int(s[1])) }},
	{"invert", "invert (from white bg & black line)", "dark lines on white become white lines on black", nil,
		func(img *image.NRGBA, _ []float64) *image.NRGBA { return imaging.Invert(img) }},
	{"blur", "blur_gaussian", "blurred", []Setting{{"standard deviation in pixels", 9, 0.01, 64}},
		func(img *image.NRGBA, s []float64) *image.NRGBA { return imaging.Blur(img, s[0]) }},
	{"tile", "tile_resample", "without its small details", []Setting{{"times smaller", 2, 1, 8}},
		func(img *image.NRGBA, s []float64) *image.NRGBA { return smaller(img, s[0]) }},
}

// All lists the preprocessors.
func All() []Preprocessor { return slices.Clone(preprocessors) }

// Names are those of All.
func Names() (names []string) {
	for _, p := range preprocessors {
		names = append(names, p.Name)
	}
	return names
}

// Find returns the preprocessor of a name or label, in any case; "" is none.
func Find(name string) (Preprocessor, error) {
	if name == "" {
		return preprocessors[0], nil
	}
	for _, p := range preprocessors {
		if strings.EqualFold(p.Name, name) || strings.EqualFold(p.Label, name) {
			return p, nil
		}
	}
	return Preprocessor{}, fmt.Errorf("unknown preprocessor %q: choose one of %s; others need networks of their own: make the map elsewhere and choose none",
		name, strings.Join(Names(), ", "))
}

// Check says which setting is out of bounds. A 0, or a missing one, is the default.
func (p Preprocessor) Check(settings ...float64) error {
	for i, s := range p.Settings {
		if v := p.value(i, settings); !(v >= s.Least && v <= s.Most) {
			return fmt.Errorf("preprocessor %s: %s %g: between %g and %g", p.Name, s.Name, v, s.Least, s.Most)
		}
	}
	if slices.ContainsFunc(settings[min(len(p.Settings), len(settings)):], func(v float64) bool { return v != 0 }) {
		return fmt.Errorf("preprocessor %s has %d settings", p.Name, len(p.Settings))
	}
	return nil
}

// Apply makes the hint, with settings that Check found right. What is transparent
// lies on white.
func (p Preprocessor) Apply(img image.Image, settings ...float64) *image.NRGBA {
	b := img.Bounds()
	flat := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(flat, flat.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(flat, flat.Rect, img, b.Min, draw.Over)
	values := make([]float64, len(p.Settings))
	for i := range values {
		values[i] = p.value(i, settings)
	}
	return p.apply(flat, values)
}

func (p Preprocessor) value(i int, settings []float64) float64 {
	if i < len(settings) && settings[i] != 0 {
		return settings[i]
	}
	return p.Settings[i].Default
}

// smaller reduces the picture and brings it back to its size.
func smaller(img *image.NRGBA, times float64) *image.NRGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	small := imaging.Resize(img, max(1, int(float64(w)/times)), max(1, int(float64(h)/times)), imaging.Box)
	return imaging.Resize(small, w, h, imaging.Lanczos)
}
