package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxSide is the most pixels along one side of a picture.
const maxSide = 8192

// shapes are the presets' proportions, width to height.
var shapes = [][2]int{{1, 1}, {3, 4}, {4, 3}, {2, 3}, {3, 2}, {9, 16}, {16, 9}}

// sizePresets are sizes near the area of the model's own pictures, in shapes
// that people want, its own first.
func sizePresets(m Model) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range shapes {
		long, short := float64(max(s[0], s[1])), float64(min(s[0], s[1]))
		// Holds the area: a model knows only so many pixels.
		w, h := toUnit(float64(m.Size)*math.Sqrt(long/short), m.Unit), toUnit(float64(m.Size)*math.Sqrt(short/long), m.Unit)
		if s[0] < s[1] {
			w, h = h, w
		}
		if t := sizeText(w, h); !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

func toUnit(v float64, unit int) int {
	return max(unit, int(v/float64(unit)+0.5)*unit)
}

func sizeText(w, h int) string { return fmt.Sprintf("%d × %d", w, h) }

// parseSize reads "128 × 96", "128x96" or "128" (a square).
func parseSize(text string, unit int) (w, h int, err error) {
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" x×X*,", r) })
	if len(parts) == 1 {
		parts = append(parts, parts[0])
	}
	if len(parts) != 2 {
		return 0, 0, fmt.Errorf("size %q: write it as 512 × 512", text)
	}
	var side [2]int
	for i, p := range parts {
		if side[i], err = strconv.Atoi(p); err != nil {
			return 0, 0, fmt.Errorf("size %q: write it as 512 × 512", text)
		}
		if side[i] < unit || side[i] > maxSide || side[i]%unit != 0 {
			return 0, 0, fmt.Errorf("size %q: each side must be a multiple of %d, from %d to %d", text, unit, unit, maxSide)
		}
	}
	return side[0], side[1], nil
}
