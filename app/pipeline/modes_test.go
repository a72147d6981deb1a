package pipeline

import (
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latent/gpu"
)

// smooth is a picture to begin at, spot a mask with a hole.
func smooth(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		x, y := float64(i%w), float64(i/w)
		img.SetNRGBA(i%w, i/w, color.NRGBA{uint8(128 + 100*math.Sin(x/7)), uint8(128 + 90*math.Cos(y/5)), uint8(3 * (i % w)), 255})
	}
	return img
}

func spot(w, h int, box image.Rectangle) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, w, h))
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			img.Pix[y*w+x] = 255
		}
	}
	return img
}

// modes are the ways to a picture, each with a change to request().
var modes = map[string]func(*Request){
	"text":    func(r *Request) {},
	"picture": func(r *Request) { r.Init = smooth(40, 30) },
	"mask":    func(r *Request) { r.Init, r.Mask = smooth(32, 16), spot(32, 16, image.Rect(8, 0, 24, 16)) },
	"masked part": func(r *Request) {
		r.Init, r.Mask, r.OnlyMasked = smooth(80, 50), spot(80, 50, image.Rect(30, 20, 50, 30)), true
	},
	"hires":          func(r *Request) { r.Hires = &Hires{Scale: 1.5, Strength: 0.7} },
	"hires, latents": func(r *Request) { r.Hires = &Hires{Width: 48, Height: 32, Upscaler: "latent", Steps: 4} },
	"variation":      func(r *Request) { r.VariationSeed, r.VariationStrength = 5, 0.3 },
}

// In each mode picture k of a batch is the one of its request alone.
func TestBatchMembersEqualSinglesInAllModes(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	for name, change := range modes {
		t.Run(name, func(t *testing.T) {
			req := request()
			req.Sampler = "ddpm" // which draws noise at every step
			change(&req)
			req.Count = 3
			batch := paint(t, e, dir, req)
			for k, p := range batch {
				if diff := cmp.Diff(paint(t, e, dir, req.At(k))[0], p); diff != "" {
					t.Errorf("picture %d is not the one of its seed alone: %s", k, diff)
				}
				if k > 0 && cmp.Equal(batch[0].Image.Pix, p.Image.Pix) {
					t.Errorf("picture %d is the first again", k)
				}
			}
		})
	}
}

// What the mask keeps comes out pixel by pixel, and the rest does not.
func TestMaskKeepsPixels(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	for _, c := range []struct {
		name       string
		w, h       int // of the picture to begin at
		onlyMasked bool
		blur       float64
	}{{"whole", 32, 16, false, 0}, {"soft", 32, 16, false, 1}, {"part", 90, 70, true, 0}} {
		t.Run(c.name, func(t *testing.T) {
			init, hole := smooth(c.w, c.h), image.Rect(9, 3, 20, 11)
			req := request()
			req.Init, req.Mask, req.OnlyMasked, req.MaskBlur, req.Strength = init, spot(c.w, c.h, hole), c.onlyMasked, c.blur, 1
			got := paint(t, e, dir, req)[0].Image
			if got.Rect != init.Rect {
				t.Fatalf("picture of %v, want %v", got.Rect, init.Rect)
			}
			reach, changed := hole.Inset(-int(3*c.blur)), 0
			for y := range c.h {
				for x := range c.w {
					same := got.NRGBAAt(x, y) == init.NRGBAAt(x, y)
					if !image.Pt(x, y).In(reach) && !same {
						t.Fatalf("pixel %d,%d is %v, was %v", x, y, got.NRGBAAt(x, y), init.NRGBAAt(x, y))
					}
					if image.Pt(x, y).In(hole) && !same {
						changed++
					}
				}
			}
			if all := hole.Dx() * hole.Dy(); changed < all*9/10 {
				t.Errorf("%d of %d painted pixels are new", changed, all)
			}
		})
	}
}

// A mask of another size keeps what it keeps: scaling makes no ripples.
func TestScaledMask(t *testing.T) {
	hole := image.Rect(16, 8, 40, 24)
	for _, scale := range []int{1, 2, 3} {
		big := image.Rectangle{hole.Min.Mul(scale), hole.Max.Mul(scale)}
		c := newCanvas(Request{Width: 64, Height: 32, Init: smooth(64, 32), Mask: spot(64*scale, 32*scale, big)})
		for i, v := range c.soft.Pix {
			at := image.Pt(i%64, i/64)
			if !at.In(hole.Inset(-1)) && v != 0 || at.In(hole.Inset(1)) && v != 255 || c.hard[i] != at.In(hole) {
				t.Fatalf("scaled by 1/%d the mask is %d at %v", scale, v, at)
			}
		}
	}
}

func TestStrengthDecidesTheSteps(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	for _, strength := range []float64{0.1, 0.5, 1} {
		req := request()
		req.Steps, req.Init, req.Strength = 10, smooth(32, 16), strength
		steps := 0
		if _, err := e.Generate(t.Context(), dir, req, func(p Progress) { steps = p.Steps }); err != nil {
			t.Fatal(err)
		}
		if want := int(10 * strength); steps != want {
			t.Errorf("strength %g runs %d steps, want %d", strength, steps, want)
		}
	}
}

func TestHiresSizes(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	for _, upscaler := range append([]string{tinyUpscaler(t)}, Upscalers...) {
		req := request()
		req.Hires = &Hires{Scale: 1.6, Upscaler: upscaler, Steps: 10, Strength: 0.5}
		stages := map[string]int{}
		out, err := e.Generate(t.Context(), dir, req, func(p Progress) {
			if stages[p.Stage]++; p.Steps != 3+5 {
				t.Errorf("progress speaks of %d steps", p.Steps)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if b := out[0].Image.Bounds(); b.Dx() != 48 || b.Dy() != 24 {
			t.Errorf("picture of %v, want 48×24: the sides are multiples of 8", b)
		}
		want := map[string]int{StageEncode: 1, StageDenoise: 3, StageHires: 5, StageDecode: 1}
		if !slices.Contains(Upscalers, upscaler) {
			want[StageUpscale] = 1 // tile
		}
		if diff := cmp.Diff(want, stages); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSkippedPictureIsFinishedEarly(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	skip := make(chan bool, 1)
	req := request()
	req.Steps, req.Count, req.Skip = 8, 2, skip
	steps := map[int]int{}
	out, err := e.Generate(t.Context(), dir, req, func(p Progress) {
		if p.Stage == StageDenoise {
			if steps[p.Image]++; p.Image == 1 && p.Step == 5 {
				skip <- true
			}
		}
	})
	if err != nil || len(out) != 2 || steps[1] != 5 || steps[2] != 8 {
		t.Fatalf("%d pictures of %v steps, %v", len(out), steps, err)
	}
	if !strings.Contains(out[0].Recipe.String(), "Stopped after steps: 5") || strings.Contains(out[1].Recipe.String(), "Stopped") {
		t.Errorf("recipes %v and %v", out[0].Recipe, out[1].Recipe)
	}
	req.Skip = nil
	if whole := paint(t, e, dir, req); !cmp.Equal(whole[1], out[1]) || cmp.Equal(whole[0].Image, out[0].Image) {
		t.Error("the picture after the skipped one differs, or that is as if it were not skipped")
	}
}

// A U-Net that inpaints paints from a prompt alone, too.
func TestInpaintingModelWithoutMask(t *testing.T) {
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m := openWay(t, dev, gpu.Float32, "inpaint")
	for _, hires := range []*Hires{nil, {Scale: 2}} {
		req := goldenRequest
		req.Hires = hires
		if _, err := Generate(t.Context(), m, req, nil); err != nil {
			t.Error(err)
		}
	}
	req := goldenRequest
	req.Init, req.Strength = smooth(48, 32), 0.5
	if _, err := Generate(t.Context(), m, req, nil); err != nil {
		t.Error(err)
	}
}

func TestSlerp(t *testing.T) {
	// The columns are at right angles, then alike.
	a, b := []float32{1, 2, 0, 2}, []float32{0, 2, 1, 2}
	slerp(a, b, 1./3, 2, 2)
	want := []float32{float32(math.Cos(math.Pi / 6)), 2, float32(math.Sin(math.Pi / 6)), 2}
	for i := range want {
		if math.Abs(float64(a[i]-want[i])) > 1e-6 {
			t.Errorf("%v, want %v", a, want)
			break
		}
	}
}

func TestWhatOfAModeIsRefused(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	init := smooth(32, 16)
	for _, test := range []struct {
		change func(*Request)
		want   string
	}{
		{func(r *Request) { r.Strength = 0.5 }, "needs a picture"},
		{func(r *Request) { r.Init, r.Strength = init, 2 }, "strength is 2"},
		{func(r *Request) { r.Init, r.Strength = init, 0.01 }, "leaves none"},
		{func(r *Request) { r.Init = image.NewNRGBA(image.Rectangle{}) }, "no pixels"},
		{func(r *Request) { r.Mask = init }, "needs a picture"},
		{func(r *Request) { r.Init, r.OnlyMasked = init, true }, "needs a mask"},
		{func(r *Request) { r.Init, r.Mask, r.MaskBlur = init, init, -1 }, "mask blur"},
		{func(r *Request) { r.Init, r.Mask, r.MaskPadding = init, init, -1 }, "mask padding"},
		{func(r *Request) { r.Init, r.Hires = init, &Hires{Scale: 2} }, "leave out"},
		{func(r *Request) { r.Hires = &Hires{} }, "hires size 0x0"},
		{func(r *Request) { r.Hires = &Hires{Scale: math.NaN()} }, "hires scale"},
		{func(r *Request) { r.Hires = &Hires{Scale: 2, Upscaler: "magic"} }, "lanczos"},
		{func(r *Request) { r.Hires = &Hires{Scale: 2, Strength: 3} }, "hires pass"},
		{func(r *Request) { r.Rescale = 2 }, "guidance rescale"},
		{func(r *Request) { r.VariationStrength = -1 }, "variation strength"},
		{func(r *Request) { r.Schedule = "magic" }, "schedule"},
	} {
		req := request()
		test.change(&req)
		_, err := e.Generate(t.Context(), dir, req, func(Progress) { t.Errorf("%+v began", req) })
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q, want one line with %q", err, test.want)
		}
	}
}
