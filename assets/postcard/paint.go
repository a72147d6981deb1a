package postcard

import (
	"image"
	"math"
)

// canvas paints into a square RGB picture. Coordinates of shapes are fractions
// of the side, y downward.
type canvas struct {
	size int
	pix  []uint8 // [size,size,3]
}

// gradient paints the rows from y0 to y1 from colour top to colour bottom.
func (c *canvas) gradient(y0, y1 float32, top, bottom rgb) {
	first, last := int(y0*float32(c.size)), min(int(y1*float32(c.size)+0.5), c.size)
	for y := first; y < last; y++ {
		t := (float32(y-first) + 0.5) / float32(last-first)
		v := mix(top, bottom, t)
		row := c.pix[3*y*c.size : 3*(y+1)*c.size]
		for i := 0; i < len(row); i += 3 {
			row[i], row[i+1], row[i+2] = round(v[0]), round(v[1]), round(v[2])
		}
	}
}

// over lays colour v over pixel (x, y) with the given coverage, 0 to 1.
func (c *canvas) over(x, y int, v rgb, coverage float32) {
	p := c.pix[3*(y*c.size+x):][:3]
	for i := range p {
		p[i] = round(float32(p[i]) + coverage*(v[i]-float32(p[i])))
	}
}

// disc paints an antialiased ellipse of radii rx, ry about (cx, cy).
func (c *canvas) disc(cx, cy, rx, ry float32, v rgb) {
	n := float32(c.size)
	cx, cy, rx, ry = cx*n, cy*n, rx*n, ry*n
	x0, x1 := max(0, int(cx-rx-1)), min(c.size-1, int(cx+rx+1))
	y0, y1 := max(0, int(cy-ry-1)), min(c.size-1, int(cy+ry+1))
	for y := y0; y <= y1; y++ {
		for x := x0; x <= x1; x++ {
			dx, dy := (float32(x)+0.5-cx)/rx, (float32(y)+0.5-cy)/ry
			// The distance to the edge in pixels, to first order.
			inside := (1-float32(math.Hypot(float64(dx), float64(dy))))*min(rx, ry) + 0.5
			if inside > 0 {
				c.over(x, y, v, min(inside, 1))
			}
		}
	}
}

// wave is a horizon: y = level + height·sin(2π(frequency·x + phase)).
type wave struct{ level, height, frequency, phase float32 }

func (w wave) at(x float32) float32 {
	return w.level + w.height*float32(math.Sin(2*math.Pi*float64(w.frequency*x+w.phase)))
}

// ground paints everything below the horizon, from colour top there to colour
// bottom at the lower edge.
func (c *canvas) ground(w wave, top, bottom rgb) {
	n := float32(c.size)
	for x := range c.size {
		horizon := w.at((float32(x) + 0.5) / n)
		edge := horizon * n
		for y := max(0, int(edge)); y < c.size; y++ {
			t := ((float32(y)+0.5)/n - horizon) / (1 - horizon)
			c.over(x, y, mix(top, bottom, min(max(t, 0), 1)), min(max(float32(y)+1-edge, 0), 1))
		}
	}
}

// blend draws a premultiplied glyph with its upper left corner at (x0, y0).
func (c *canvas) blend(glyph *image.RGBA, x0, y0 int) {
	area := glyph.Rect.Add(image.Pt(x0, y0)).Intersect(image.Rect(0, 0, c.size, c.size))
	for y := area.Min.Y; y < area.Max.Y; y++ {
		src := glyph.Pix[glyph.PixOffset(area.Min.X-x0, y-y0):]
		dst := c.pix[3*(y*c.size+area.Min.X):]
		for i := range area.Dx() {
			s, d := src[4*i:4*i+4], dst[3*i:3*i+3]
			keep := 255 - uint32(s[3])
			for k := range d {
				d[k] = s[k] + uint8((uint32(d[k])*keep+127)/255)
			}
		}
	}
}

// round converts a channel value within 0 to 255.
func round(v float32) uint8 { return uint8(v + 0.5) }
