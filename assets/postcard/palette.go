package postcard

import "math"

// Colour is one of the background colours that captions name.
type Colour uint8

// The palette: the eleven basic colour terms of English (Berlin and Kay, 1969)
// and turquoise.
const (
	NoColour Colour = iota
	Red
	Orange
	Yellow
	Green
	Turquoise
	Blue
	Purple
	Pink
	Brown
	White
	Grey
	Black
	endOfPalette
)

// paletteSize is the number of colours, NoColour not among them.
const paletteSize = int(endOfPalette) - 1

// rgb is a colour in sRGB, 0 to 255 a channel.
type rgb [3]float32

// shades has each colour's name, its synonym if it has one and its nominal shade.
var shades = [endOfPalette]struct {
	name, synonym string
	rgb           rgb
}{
	Red:       {"red", "", rgb{204, 48, 48}},
	Orange:    {"orange", "", rgb{243, 145, 45}},
	Yellow:    {"yellow", "", rgb{250, 218, 84}},
	Green:     {"green", "", rgb{84, 165, 84}},
	Turquoise: {"turquoise", "teal", rgb{66, 190, 186}},
	Blue:      {"blue", "", rgb{62, 118, 210}},
	Purple:    {"purple", "violet", rgb{130, 78, 172}},
	Pink:      {"pink", "", rgb{246, 170, 196}},
	Brown:     {"brown", "", rgb{124, 84, 56}},
	White:     {"white", "", rgb{246, 246, 244}},
	Grey:      {"grey", "gray", rgb{150, 152, 156}},
	Black:     {"black", "", rgb{24, 24, 30}},
}

// String returns the colour's usual name.
func (c Colour) String() string {
	if c == NoColour || c >= endOfPalette {
		return "no colour"
	}
	return shades[c].name
}

// shade returns the colour's nominal sRGB value.
func (c Colour) shade() rgb { return shades[c].rgb }

// nearestColour returns the palette colour of the least distance from v, by the
// low-cost approximation of perceived distance of compuphase ("Colour metric").
func nearestColour(v rgb) Colour {
	best, least := NoColour, math.Inf(1)
	for c := Red; c < endOfPalette; c++ {
		s := c.shade()
		mean := float64(v[0]+s[0]) / 2
		dr, dg, db := float64(v[0]-s[0]), float64(v[1]-s[1]), float64(v[2]-s[2])
		d := (2+mean/256)*dr*dr + 4*dg*dg + (2+(255-mean)/256)*db*db
		if d < least {
			best, least = c, d
		}
	}
	return best
}

// jitter returns c's shade a little lighter or darker and a little off in hue.
func (r *rng) jitter(c Colour) rgb { return r.jitterRGB(c.shade()) }

func (r *rng) jitterRGB(v rgb) rgb {
	light := r.between(-10, 10)
	for i := range v {
		v[i] = min(max(v[i]+light+r.between(-5, 5), 0), 255)
	}
	return v
}

// mix returns a + t·(b−a).
func mix(a, b rgb, t float32) rgb {
	for i := range a {
		a[i] += t * (b[i] - a[i])
	}
	return a
}
