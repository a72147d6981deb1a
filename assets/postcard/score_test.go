package postcard

import (
	"bytes"
	"image"
	"image/jpeg"
	"slices"
	"testing"

	xdraw "golang.org/x/image/draw"
)

// renderings paints the held-out captions as a perfect model would, then spoils
// each picture.
func renderings(t testing.TB, g *Generator, captions []Caption, spoil func(*testing.T, uint64, *image.NRGBA) image.Image) []image.Image {
	pictures := make([]image.Image, len(captions))
	for i, c := range captions {
		pix := make([]uint8, g.size*g.size*3)
		g.Paint(c.Scene, uint64(i), pix)
		img := Sample{Pixels: pix, Size: g.size}.Image()
		pictures[i] = img
		if spoil != nil {
			pictures[i] = spoil(t.(*testing.T), uint64(i), img)
		}
	}
	return pictures
}

// The scorer must not be what limits a model's score.
func TestScorerKnowsTrueRenderings(t *testing.T) {
	g := generator(t, Config{})
	for _, test := range []struct {
		name  string
		count int
		spoil func(*testing.T, uint64, *image.NRGBA) image.Image
	}{
		{"as painted", 200, nil},
		{"blurred, noisy, JPEG", 96, func(t *testing.T, seed uint64, img *image.NRGBA) image.Image {
			return compressed(t, noisy(t, seed, blur(t, seed, img).(*image.NRGBA)))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			captions := g.HeldOut(test.count)
			report, err := g.Scorer().Score(renderings(t, g, captions, test.spoil), captions)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range report.Verdicts {
				if v.Rank != 1 || v.Background != captions[i].Scene.Background.Top {
					t.Errorf("%q: background %v, nearest %q, rank %d", captions[i].Text, v.Background, objects[v.Nearest].Name, v.Rank)
				}
			}
			if report.Background != 1 || report.Top1 != 1 || report.Top5 != 1 {
				t.Errorf("%v, want 100 %% of each", report)
			}
		})
	}
}

// blur takes the picture down to a quarter of its side and up again.
func blur(_ *testing.T, _ uint64, img *image.NRGBA) image.Image {
	quarter := image.NewNRGBA(image.Rect(0, 0, img.Rect.Dx()/4, img.Rect.Dy()/4))
	xdraw.BiLinear.Scale(quarter, quarter.Rect, img, img.Rect, xdraw.Src, nil)
	out := image.NewNRGBA(img.Rect)
	xdraw.BiLinear.Scale(out, out.Rect, quarter, quarter.Rect, xdraw.Src, nil)
	return out
}

// noisy adds uniform noise of ±40 to every channel.
func noisy(_ *testing.T, seed uint64, img *image.NRGBA) image.Image {
	r := newRNG(seed, purposeDegrade)
	out := image.NewNRGBA(img.Rect)
	for i, v := range img.Pix {
		out.Pix[i] = 255
		if i%4 != 3 {
			out.Pix[i] = uint8(min(max(float32(v)+r.between(-40, 40), 0), 255))
		}
	}
	return out
}

func compressed(t *testing.T, img image.Image) image.Image {
	var data bytes.Buffer
	if err := jpeg.Encode(&data, img, &jpeg.Options{Quality: 15}); err != nil {
		t.Fatal(err)
	}
	out, err := jpeg.Decode(&data)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Pictures that show something else must not score.
func TestScorerRejectsWrongPictures(t *testing.T) {
	g := generator(t, Config{})
	captions := g.HeldOut(48)
	pictures := renderings(t, g, captions, nil)
	otherObject, otherColour := slices.Clone(captions), slices.Clone(captions)
	for i := range captions {
		it := &otherObject[i].Scene.Items[0]
		it.Object = (it.Object + 1) % g.count
		b := &otherColour[i].Scene.Background
		b.Top = b.Top%Colour(paletteSize) + 1
	}
	report, err := g.Scorer().Score(pictures, otherObject)
	if err != nil {
		t.Fatal(err)
	}
	if report.Top1 != 0 || report.Top5 > 0.5 || report.Background != 1 {
		t.Errorf("pictures of other objects: %v", report)
	}
	if report, err = g.Scorer().Score(pictures, otherColour); err != nil {
		t.Fatal(err)
	}
	if report.Background != 0 {
		t.Errorf("pictures of other backgrounds: %v", report)
	}
}

func TestScorerRefuses(t *testing.T) {
	g := generator(t, Config{Objects: 2})
	s := g.Scorer()
	good := g.HeldOut(1)[0].Scene
	graded, two, unknown := good, good, good
	graded.Background.Kind = Graded
	two.Count = 2
	unknown.Items[0].Object = 2
	square := image.NewNRGBA(image.Rect(0, 0, 128, 128))
	for name, err := range map[string]error{
		"graded":  second(s.Judge(square, graded)),
		"two":     second(s.Judge(square, two)),
		"unknown": second(s.Judge(square, unknown)),
		"oblong":  second(s.Judge(image.NewNRGBA(image.Rect(0, 0, 128, 64)), good)),
		"tiny":    second(s.Judge(image.NewNRGBA(image.Rect(0, 0, 16, 16)), good)),
		"lengths": second(s.Score([]image.Image{square}, nil)),
		"nothing": second(s.Score(nil, nil)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second[A any](_ A, err error) error { return err }

func BenchmarkScorer(b *testing.B) {
	g := generator(b, Config{})
	captions := g.HeldOut(8)
	pictures := renderings(b, g, captions, nil)
	s := g.Scorer()
	for b.Loop() {
		if _, err := s.Score(pictures, captions); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(pictures)*b.N)/b.Elapsed().Seconds(), "pictures/s")
}
