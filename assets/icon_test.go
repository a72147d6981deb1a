package assets

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "draw icon.png anew")

// TestIcon draws the icon and compares it with the file.
func TestIcon(t *testing.T) {
	var out bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(&out, drawIcon(512)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("icon.png", out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(out.Bytes(), Icon) {
		got, err := png.Decode(bytes.NewReader(Icon))
		if err != nil {
			t.Fatal(err)
		}
		want, _ := png.Decode(&out)
		if !samePixels(got, want) {
			t.Error("icon.png is not what drawIcon draws: run go test ./assets -run Icon -update")
		}
	}
}

func samePixels(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r1, g1, b1, a1 := a.At(x, y).RGBA()
			r2, g2, b2, a2 := b.At(x, y).RGBA()
			// one step of 8 bits, for machines whose floats round otherwise
			for _, d := range []int{int(r1) - int(r2), int(g1) - int(g2), int(b1) - int(b2), int(a1) - int(a2)} {
				if d > 257 || d < -257 {
					return false
				}
			}
		}
	}
	return true
}

// drawIcon draws a disc that comes out of noise: what diffusion does. From left
// to right, grains of random size grow into one whole.
func drawIcon(side int) *image.NRGBA {
	const over = 4 // samples per pixel and direction
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			var sum [4]float64
			for j := range over {
				for i := range over {
					c := iconAt((float64(x)+(float64(i)+0.5)/over)/float64(side), (float64(y)+(float64(j)+0.5)/over)/float64(side))
					for k := range 3 {
						sum[k] += c[k] * c[3]
					}
					sum[3] += c[3]
				}
			}
			if sum[3] == 0 {
				continue
			}
			u8 := func(v float64) uint8 { return uint8(min(max(v, 0), 1)*255 + 0.5) }
			img.SetNRGBA(x, y, color.NRGBA{u8(sum[0] / sum[3]), u8(sum[1] / sum[3]), u8(sum[2] / sum[3]), u8(sum[3] / over / over)})
		}
	}
	return img
}

type rgba [4]float64

func blend(a, b rgba, t float64) rgba {
	t = min(max(t, 0), 1)
	for k := range a {
		a[k] += t * (b[k] - a[k])
	}
	return a
}

// iconAt is the icon's colour at (u,v) in [0,1]².
func iconAt(u, v float64) rgba {
	if roundedBox(u-0.5, v-0.5, 0.47, 0.47, 0.215) > 0 {
		return rgba{}
	}
	ground := blend(rgba{0.09, 0.16, 0.20, 1}, rgba{0.035, 0.06, 0.085, 1}, v)
	mint := blend(rgba{0.36, 0.93, 0.78, 1}, rgba{0.10, 0.62, 0.60, 1}, (v-0.2)/0.6)
	const cx, cy, radius = 0.5, 0.5, 0.315

	// Right of the edge the disc is whole, left of it a grid of grains.
	const cell = 0.0575
	col, row := math.Floor((u-cx)/cell), math.Floor((v-cy)/cell)
	mx, my := cx+(col+0.5)*cell, cy+(row+0.5)*cell
	clear := (mx - (cx - radius)) / (2 * radius) // 0 at the disc's left edge, 1 at its right
	if clear > 0.56 {
		if math.Hypot(u-cx, v-cy) < radius {
			return mint
		}
		return ground
	}
	d := math.Hypot(mx-cx, my-cy)
	scatter := 0.10 * (0.56 - clear)
	if d > radius+scatter*2*grain(col, row, 1)-0.012 {
		return ground
	}
	n := grain(col, row, 2)
	size := min(1.04, 0.42+1.05*clear+0.42*(n-0.5)) / 2 * cell
	if roundedBox(u-mx, v-my, size, size, 0.22*cell) > 0 {
		return ground
	}
	return blend(ground, mint, 0.30+1.15*clear+0.5*(grain(col, row, 3)-0.5))
}

// roundedBox is the signed distance to a box of half width w and half height h.
func roundedBox(x, y, w, h, r float64) float64 {
	r = min(r, w, h)
	dx, dy := math.Abs(x)-w+r, math.Abs(y)-h+r
	return math.Hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0) - r
}

// grain is noise in [0,1) that depends on the cell alone.
func grain(col, row float64, salt uint32) float64 {
	h := uint32(int32(col))*0x9E3779B1 ^ uint32(int32(row))*0x85EBCA77 ^ salt*0xC2B2AE3D
	h ^= h >> 15
	h *= 0x2C1B3C6D
	h ^= h >> 12
	h *= 0x297A2D39
	h ^= h >> 15
	return float64(h) / (1 << 32)
}
