package hint

import "image"

// canny draws edges in white on black (Canny 1986): gradients by Sobel's operator,
// of them the crests across the edge, and of the crests those above high with all
// above low that hang together with them. Thresholds are of |gx|+|gy|, where gx and
// gy of a step from 0 to 255 are 1020; of the colours the steepest counts. So it
// is that OpenCV's Canny, which ControlNets for edges were trained with, gives the
// same edges.
func canny(img *image.NRGBA, low, high int) *image.NRGBA {
	if low > high {
		low, high = high, low
	}
	g := sobel(img)
	const weak, strong = 1, 2
	marks := make([]uint8, g.w*g.h)
	var open []int // strong crests whose neighbours are to be looked at
	for y := range g.h {
		for x := range g.w {
			i := y*g.w + x
			if g.size[i] <= low || !g.crest(x, y) {
				continue
			}
			marks[i] = weak
			if g.size[i] > high {
				marks[i] = strong
				open = append(open, i)
			}
		}
	}
	for len(open) > 0 {
		i := open[len(open)-1]
		open = open[:len(open)-1]
		for y := max(i/g.w-1, 0); y <= min(i/g.w+1, g.h-1); y++ {
			for x := max(i%g.w-1, 0); x <= min(i%g.w+1, g.w-1); x++ {
				if j := y*g.w + x; marks[j] == weak {
					marks[j] = strong
					open = append(open, j)
				}
			}
		}
	}
	out := image.NewNRGBA(image.Rect(0, 0, g.w, g.h))
	for i, m := range marks {
		p := out.Pix[4*i : 4*i+4]
		if m == strong {
			p[0], p[1], p[2] = 255, 255, 255
		}
		p[3] = 255
	}
	return out
}

// gradients are those of the colour that is steepest at each pixel.
type gradients struct {
	w, h   int
	gx, gy []int
	size   []int // |gx|+|gy|
}

// sobel has the picture go on beyond its border as it ends there.
func sobel(img *image.NRGBA) *gradients {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	g := &gradients{w, h, make([]int, w*h), make([]int, w*h), make([]int, w*h)}
	for y := range h {
		above, here, below := max(y-1, 0)*img.Stride, y*img.Stride, min(y+1, h-1)*img.Stride
		for x := range w {
			left, mid, right := 4*max(x-1, 0), 4*x, 4*min(x+1, w-1)
			i := y*w + x
			for c := range 3 {
				at := func(row, col int) int { return int(img.Pix[row+col+c]) }
				gx := at(above, right) + 2*at(here, right) + at(below, right) - at(above, left) - 2*at(here, left) - at(below, left)
				gy := at(below, left) + 2*at(below, mid) + at(below, right) - at(above, left) - 2*at(above, mid) - at(above, right)
				if size := abs(gx) + abs(gy); c == 0 || size > g.size[i] {
					g.gx[i], g.gy[i], g.size[i] = gx, gy, size
				}
			}
		}
	}
	return g
}

// crest tells whether no neighbour across the edge is steeper. Directions are four,
// with tan 22.5° in 15 binary places between them; of two equal neighbours along an
// axis the first is the crest.
func (g *gradients) crest(x, y int) bool {
	const tangent = 13573
	i := y*g.w + x
	m, ax, ay := g.size[i], abs(g.gx[i]), abs(g.gy[i])<<15
	switch {
	case ay < ax*tangent:
		return m > g.at(x-1, y) && m >= g.at(x+1, y)
	case ay > ax*tangent+ax<<16: // tan 67.5° is 2 more
		return m > g.at(x, y-1) && m >= g.at(x, y+1)
	}
	side := 1
	if g.gx[i]^g.gy[i] < 0 {
		side = -1
	}
	return m > g.at(x-side, y-1) && m > g.at(x+side, y+1)
}

// at is the gradient's size, 0 beyond the border.
func (g *gradients) at(x, y int) int {
	if x < 0 || y < 0 || x >= g.w || y >= g.h {
		return 0
	}
	return g.size[y*g.w+x]
}

func abs(v int) int { return max(v, -v) }
