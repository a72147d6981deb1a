package hint

import (
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/disintegration/imaging"

	"latent/app/pictures"
)

// sheet is what testdata/make_golden.py drew: fields of 72×54 pixels, a row for each
// picture.
func sheet(t *testing.T) (field func(row, col int) *image.NRGBA, rows int) {
	t.Helper()
	img, err := pictures.Load("testdata/golden.png")
	if err != nil {
		t.Fatal(err)
	}
	const w, h = 72, 54
	return func(row, col int) *image.NRGBA {
		return imaging.Crop(img, image.Rect(col*w, row*h, col*w+w, row*h+h))
	}, img.Rect.Dy() / h
}

func preprocessor(t *testing.T, name string) Preprocessor {
	t.Helper()
	p, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Edges are OpenCV's, pixel by pixel.
func TestCannyEqualsOpenCV(t *testing.T) {
	field, rows := sheet(t)
	p := preprocessor(t, "canny")
	seen := 0
	for row := range rows {
		for col, s := range [][]float64{nil, {30, 90}, {400, 700}} {
			got, want := p.Apply(field(row, 0), s...), field(row, col+1)
			if got.Rect != want.Rect {
				t.Fatalf("edges of %v", got.Rect)
			}
			off := 0
			for i, v := range want.Pix {
				if v == 255 && i%4 == 0 {
					seen++
				}
				if got.Pix[i] != v {
					off++
				}
			}
			if off > 0 {
				t.Errorf("picture %d, thresholds %v: %d of %d numbers differ", row, s, off, len(want.Pix))
			}
		}
	}
	if seen < 5000 {
		t.Errorf("only %d pixels are edges", seen)
	}
}

// near compares colours, in units of 1 of 255, away from the border by inset.
func near(t *testing.T, what string, got, want *image.NRGBA, inset, tol int) {
	t.Helper()
	worst := 0
	for y := want.Rect.Min.Y + inset; y < want.Rect.Max.Y-inset; y++ {
		for x := want.Rect.Min.X + inset; x < want.Rect.Max.X-inset; x++ {
			a, b := got.NRGBAAt(x, y), want.NRGBAAt(x, y)
			for _, d := range []int{int(a.R) - int(b.R), int(a.G) - int(b.G), int(a.B) - int(b.B)} {
				worst = max(worst, abs(d))
			}
		}
	}
	if worst > tol {
		t.Errorf("%s: off by %d of 255", what, worst)
	}
}

// Blurring is OpenCV's but for rounding; beyond the border the pictures go on in
// other ways.
func TestBlurEqualsOpenCV(t *testing.T) {
	field, rows := sheet(t)
	p := preprocessor(t, "blur_gaussian")
	for row := range rows {
		near(t, "blur", p.Apply(field(row, 0), 3), field(row, 4), 10, 2)
	}
}

// A picture that OpenCV made smaller and the pixels it was made of come out alike.
func TestTile(t *testing.T) {
	field, rows := sheet(t)
	p := preprocessor(t, "tile")
	for row := range rows {
		half := imaging.Crop(field(row, 5), image.Rect(0, 0, 36, 27))
		// The two round a half to either side, which Lanczos' filter enlarges.
		near(t, "tile", p.Apply(field(row, 0), 2), imaging.Resize(half, 72, 54, imaging.Lanczos), 0, 3)
		near(t, "tile of 1", p.Apply(field(row, 0), 1), field(row, 0), 0, 0)
	}
}

func TestInvertAndTransparency(t *testing.T) {
	img := image.NewNRGBA(image.Rect(5, 5, 8, 6))
	img.SetNRGBA(5, 5, color.NRGBA{10, 20, 30, 255})
	img.SetNRGBA(6, 5, color.NRGBA{0, 0, 0, 0}) // nothing: the paper
	for name, want := range map[string][]color.NRGBA{
		"invert": {{245, 235, 225, 255}, {0, 0, 0, 255}},
		"none":   {{10, 20, 30, 255}, {255, 255, 255, 255}},
	} {
		got := preprocessor(t, name).Apply(img)
		for x, c := range want {
			if got.NRGBAAt(x, 0) != c {
				t.Errorf("%s: pixel %d is %v, want %v", name, x, got.NRGBAAt(x, 0), c)
			}
		}
	}
}

// Any size is possible, and each preprocessor keeps it.
func TestSizes(t *testing.T) {
	for _, p := range All() {
		for _, size := range []image.Point{{1, 1}, {1, 7}, {9, 2}} {
			if got := p.Apply(image.NewNRGBA(image.Rectangle{Max: size})); got.Rect.Size() != size {
				t.Errorf("%s: %v became %v", p.Name, size, got.Rect)
			}
		}
	}
}

func TestFindAndCheck(t *testing.T) {
	if p, err := Find(""); err != nil || p.Name != "none" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := Find("Invert (from white bg & black line)"); err != nil || p.Name != "invert" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := Find("depth_midas"); err == nil || !strings.Contains(err.Error(), "none, canny, invert") {
		t.Error(err)
	}
	for _, c := range []struct {
		name     string
		settings []float64
		want     string
	}{
		{"canny", nil, ""}, {"canny", []float64{0, 150}, ""}, {"none", []float64{0, 0}, ""},
		{"canny", []float64{-3}, "canny: low threshold -3: between 1 and 4096"},
		{"blur", []float64{65}, "blur: standard deviation in pixels 65: between 0.01 and 64"},
		{"blur", []float64{2, 1}, "blur has 1 settings"},
	} {
		err := preprocessor(t, c.name).Check(c.settings...)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s %v: %v, want %q", c.name, c.settings, err, c.want)
		}
	}
}

func BenchmarkCanny(b *testing.B) {
	p, _ := Find("canny")
	img := image.NewNRGBA(image.Rect(0, 0, 1024, 1024))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * i >> 7)
	}
	b.SetBytes(1 << 20)
	for b.Loop() {
		p.Apply(img)
	}
}
