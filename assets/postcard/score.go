package postcard

import (
	"fmt"
	"image"
	"image/draw"
	"runtime"
	"slices"
	"sync"

	xdraw "golang.org/x/image/draw"
)

// probe is the side of the pictures in which objects are compared.
const probe = 32

// probeSides are the sizes at which an object is looked for, in pixels of the
// probe; they span the sizes of the training pictures, 42 to 98 of 128.
var probeSides = [...]int{10, 11, 13, 15, 17, 19, 21, 23, 25}

// Scorer tells how well pictures show what their captions name. It may be used
// by several goroutines at once.
type Scorer struct {
	objects [][len(probeSides)]*image.RGBA // premultiplied glyphs
}

// Verdict is the score of one picture.
type Verdict struct {
	Background Colour // as painted: the palette's nearest to the border's median
	Nearest    int    // the object that the picture shows best
	Rank       int    // of the object named, 1 for the nearest
}

// Report sums up the verdicts of a set of pictures.
type Report struct {
	Pictures   int
	Background float64 // share of pictures whose background has the named colour
	Top1, Top5 float64 // share whose named object is the nearest, among the nearest five
	Verdicts   []Verdict
}

// String returns the report in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d pictures: background right %.1f %%, object top-1 %.1f %%, top-5 %.1f %%",
		r.Pictures, 100*r.Background, 100*r.Top1, 100*r.Top5)
}

// Scorer returns a scorer that tells the generator's objects apart.
func (g *Generator) Scorer() *Scorer {
	s := &Scorer{objects: make([][len(probeSides)]*image.RGBA, g.count)}
	for i := range s.objects {
		for k, side := range probeSides {
			s.objects[i][k] = fit(g.glyphs[i], side)
		}
	}
	return s
}

// Score judges each picture by the caption at the same index.
func (s *Scorer) Score(pictures []image.Image, captions []Caption) (Report, error) {
	if len(pictures) != len(captions) || len(pictures) == 0 {
		return Report{}, fmt.Errorf("score: %d pictures for %d captions", len(pictures), len(captions))
	}
	report := Report{Pictures: len(pictures), Verdicts: make([]Verdict, len(pictures))}
	errs := make([]error, len(pictures))
	var group sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range pictures {
		slots <- struct{}{}
		group.Go(func() {
			report.Verdicts[i], errs[i] = s.Judge(pictures[i], captions[i].Scene)
			<-slots
		})
	}
	group.Wait()
	var background, top1, top5 int
	for i, v := range report.Verdicts {
		if errs[i] != nil {
			return Report{}, fmt.Errorf("score picture %d: %w", i, errs[i])
		}
		if v.Background == captions[i].Scene.Background.Top {
			background++
		}
		if v.Rank == 1 {
			top1++
		}
		if v.Rank <= 5 {
			top5++
		}
	}
	n := float64(len(pictures))
	report.Background, report.Top1, report.Top5 = float64(background)/n, float64(top1)/n, float64(top5)/n
	return report, nil
}

// Judge compares a square picture with a scene of one object on a plain
// background.
func (s *Scorer) Judge(picture image.Image, scene Scene) (Verdict, error) {
	if scene.Count != 1 || scene.Background.Kind != Plain {
		return Verdict{}, fmt.Errorf("only scenes of one object on a plain background can be judged")
	}
	named := scene.Items[0].Object
	if named >= len(s.objects) {
		return Verdict{}, fmt.Errorf("the scene shows object %d of %d", named, len(s.objects))
	}
	bounds := picture.Bounds()
	if bounds.Dx() != bounds.Dy() || bounds.Dx() < probe {
		return Verdict{}, fmt.Errorf("a picture of %d×%d pixels cannot be judged: want a square of %d or more", bounds.Dx(), bounds.Dy(), probe)
	}
	full := image.NewRGBA(image.Rect(0, 0, bounds.Dx(), bounds.Dy()))
	draw.Draw(full, full.Rect, picture, bounds.Min, draw.Src)

	errors := s.errors(full, scene.Background.Top.shade())
	v := Verdict{Background: nearestColour(borderMedian(full)), Rank: 1}
	for i, e := range errors {
		if e < errors[named] {
			v.Rank++
		}
		if e < errors[v.Nearest] {
			v.Nearest = i
		}
	}
	return v, nil
}

// borderMedian returns the median of each channel in the outer sixteenth.
func borderMedian(img *image.RGBA) rgb {
	n := img.Rect.Dx()
	width := max(1, n/16)
	var channels [3][]uint8
	for y := range n {
		for x := range n {
			if min(x, y, n-1-x, n-1-y) >= width {
				continue
			}
			p := img.Pix[img.PixOffset(x, y):]
			for c := range channels {
				channels[c] = append(channels[c], p[c])
			}
		}
	}
	var median rgb
	for c, values := range channels {
		slices.Sort(values)
		median[c] = float32(values[len(values)/2])
	}
	return median
}

// errors returns for each object how far the picture I is at least from a
// rendering T of it on the background B, over all sizes and shifts. With
// D = I − B and Q = T − B, which is zero but for the glyph,
//
//	Σ(I−T)² = ΣD² − 2·ΣD·Q + ΣQ²,
//
// and ΣD² is the same for all, so that it is left out.
func (s *Scorer) errors(picture *image.RGBA, background rgb) []float32 {
	small := image.NewRGBA(image.Rect(0, 0, probe, probe))
	xdraw.CatmullRom.Scale(small, small.Rect, picture, picture.Rect, xdraw.Src, nil)
	d := make([]float32, 0, probe*probe*3)
	for i := 0; i < len(small.Pix); i += 4 {
		for c := range 3 {
			d = append(d, float32(small.Pix[i+c])-background[c])
		}
	}
	least := make([]float32, len(s.objects))
	q := make([]float32, 0, probe*probe*3)
	for i, glyphs := range s.objects {
		for k, glyph := range glyphs {
			q = q[:0]
			var norm float32
			for p := 0; p < len(glyph.Pix); p += 4 {
				for c := range 3 {
					v := float32(glyph.Pix[p+c]) - background[c]*float32(glyph.Pix[p+3])/255
					q = append(q, v)
					norm += v * v
				}
			}
			e := norm - 2*greatestCorrelation(d, q, glyph.Rect.Dx(), glyph.Rect.Dy())
			if k == 0 || e < least[i] {
				least[i] = e
			}
		}
	}
	return least
}

// greatestCorrelation returns the greatest ΣD·Q of d, [probe,probe,3], over all
// shifts of q, [h,w,3], that lie within d.
func greatestCorrelation(d, q []float32, w, h int) float32 {
	var greatest float32
	for y := range probe - h + 1 {
		for x := range probe - w + 1 {
			var sum float32
			for row := range h {
				a := d[3*((y+row)*probe+x):][:3*w]
				b := q[3*row*w:][:3*w]
				// Four sums, for the processor to add side by side.
				var s0, s1, s2, s3 float32
				for len(b) >= 4 && len(a) >= 4 {
					s0 += a[0] * b[0]
					s1 += a[1] * b[1]
					s2 += a[2] * b[2]
					s3 += a[3] * b[3]
					a, b = a[4:], b[4:]
				}
				for i := range b {
					s0 += a[i] * b[i]
				}
				sum += s0 + s1 + s2 + s3
			}
			greatest = max(greatest, sum)
		}
	}
	return greatest
}
