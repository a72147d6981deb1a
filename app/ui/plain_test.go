package ui

import (
	"image"
	"image/color"
	"math"
	"slices"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string][2]int{"128 × 96": {128, 96}, "512x768": {512, 768}, " 64 ": {64, 64}, "8192,8": {8192, 8}} {
		if w, h, err := parseSize(text, 8); err != nil || w != want[0] || h != want[1] {
			t.Errorf("%q gave %d, %d, %v", text, w, h, err)
		}
	}
	for _, text := range []string{"", "big", "8x8x8", "100x64", "0", "-8x8", "8200x8", "99999999999999999999"} {
		if _, _, err := parseSize(text, 8); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("128 × 96", 8)
	f.Fuzz(func(t *testing.T, text string, unit int) {
		if unit < 1 {
			return
		}
		if w, h, err := parseSize(text, unit); err == nil && (w < 1 || h < 1 || w > maxSide || h > maxSide || w%unit != 0 || h%unit != 0) {
			t.Errorf("%q gave %d × %d", text, w, h)
		}
	})
}

func TestSizePresets(t *testing.T) {
	for _, m := range []Model{{Size: 128, Unit: 8}, {Size: 512, Unit: 8}, {Size: 64, Unit: 64}} {
		list := sizePresets(m)
		if list[0] != sizeText(m.Size, m.Size) {
			t.Errorf("%+v: the model's own size must come first, not %s", m, list[0])
		}
		for _, s := range list {
			w, h, err := parseSize(s, m.Unit)
			if err != nil {
				t.Errorf("%+v: preset %s: %v", m, s, err)
			}
			if area := float64(w*h) / float64(m.Size*m.Size); m.Unit == 8 && (area < 0.85 || area > 1.15) {
				t.Errorf("%+v: %s has %.2f of the model's area", m, s, area)
			}
		}
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string]string{"": "", "no room": "No room.", "Why?": "Why?", "élan": "Élan."} {
		if got := sentence(in); got != want {
			t.Errorf("sentence(%q) = %q, want %q", in, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "", 300 * time.Millisecond: "less than a second left", 61 * time.Second: "61 s left",
		10 * time.Minute: "10 min left", 125 * time.Minute: "2 h 5 min left",
	} {
		if got := left(d); got != want {
			t.Errorf("left(%v) = %q, want %q", d, got, want)
		}
	}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for in, want := range map[time.Time]string{
		now.Add(-time.Hour): "today 08:00", now.Add(-10 * time.Hour): "yesterday 23:00", now.AddDate(0, -1, 0): "2 February 2026",
	} {
		if got := when(in, now); got != want {
			t.Errorf("when(%v) = %q, want %q", in, got, want)
		}
	}
}

// Of what does not fit, as much is shown as there is room for.
func TestEllipsis(t *testing.T) {
	for _, c := range []struct {
		s           string
		room        int
		end, middle string
	}{
		{"", 3, "", ""},
		{"fur", 3, "fur", "fur"},
		{"my-model-000250", 15, "my-model-000250", "my-model-000250"},
		{"my-model-000250", 13, "my-model-000…", "my-mod…000250"},
		{"my-model-000250", 12, "my-model-00…", "my-mod…00250"},
		{"a fox in snow", 6, "a fox…", "a f…ow"},
		{"猫猫猫猫犬", 4, "猫猫猫…", "猫猫…犬"},
		{"fur", 1, "…", "…"},
		{"fur", 0, "…", "…"},
	} {
		fits := func(s string) bool { return utf8.RuneCountInString(s) <= c.room }
		if got := ellipsis(c.s, fits); got != c.end {
			t.Errorf("%q in %d: %q, want %q", c.s, c.room, got, c.end)
		}
		if got := ellipsisWithin(c.s, fits); got != c.middle {
			t.Errorf("%q in %d, with its end: %q, want %q", c.s, c.room, got, c.middle)
		}
	}
}

func TestCurve(t *testing.T) {
	var c curve
	for i := range 1000 {
		c.add(Loss{Step: i + 5, Value: 2 + math.Sin(float64(i))})
	}
	c.add(Loss{Step: 1005, Value: math.NaN()})
	c.add(Loss{Step: 1006, Value: math.Inf(1)})
	if c.first != 5 || len(c.raw) != 1000 {
		t.Errorf("first %d, %d values; what is no number must be left out", c.first, len(c.raw))
	}
	// The mean of sin over many periods is 0.
	if s := float64(c.smooth[999]); math.Abs(s-2) > 0.05 {
		t.Errorf("smoothed to %.3f, want 2", s)
	}
	low, high, tick := c.axis(4)
	if low > 1.01 || high < 2.9 || (high-low)/tick > 6 || (high-low)/tick < 2 {
		t.Errorf("axis from %g to %g by %g", low, high, tick)
	}
}

func TestAxisOfAFlatCurve(t *testing.T) {
	for _, v := range []float64{0, 0.5, -3, 1e-9} {
		var c curve
		c.add(Loss{Step: 1, Value: v})
		low, high, tick := c.axis(4)
		if !(low < high && tick > 0 && low <= v && v <= high) || (high-low)/tick > 20 {
			t.Errorf("%g: axis from %g to %g by %g", v, low, high, tick)
		}
	}
}

func TestThin(t *testing.T) {
	if got := thin([]float32{1, 3, 5, 7, 9, 11}, 3); !slices.Equal(got, []float32{2, 6, 10}) {
		t.Errorf("thin gave %v", got)
	}
	if got := thin([]float32{1, 2}, 3); !slices.Equal(got, []float32{1, 2}) {
		t.Errorf("thin gave %v", got)
	}
}

func TestAsRGBA(t *testing.T) {
	src := image.NewNRGBA(image.Rect(0, 0, 6, 6))
	for i := range src.Pix {
		src.Pix[i] = 255
	}
	src.SetNRGBA(3, 2, color.NRGBA{10, 20, 30, 255})
	if out := asRGBA(src); &out.Pix[0] != &src.Pix[0] {
		t.Error("an opaque picture must not be copied")
	}
	// Fyne ignores the stride, so a part of a picture must be packed.
	part := asRGBA(src.SubImage(image.Rect(3, 2, 5, 4)))
	if part.Stride != 8 || part.RGBAAt(0, 0) != (color.RGBA{10, 20, 30, 255}) {
		t.Errorf("part has stride %d and %v", part.Stride, part.RGBAAt(0, 0))
	}
	// A paletted picture with a bad index must not reach imaging.
	bad := image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.Black, color.White})
	if got := scaleTo(bad, 8, 8, false); got.Bounds() != image.Rect(0, 0, 8, 8) {
		t.Errorf("scaled to %v", got.Bounds())
	}
}
