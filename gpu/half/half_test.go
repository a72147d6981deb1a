package half

import (
	"math"
	"testing"
)

type format struct {
	name   string
	narrow func(float32) uint16
	widen  func(uint16) float32
	inf    uint16
}

var formats = []format{
	{"bf16", BF16FromF32, F32FromBF16, 0x7f80},
	{"f16", F16FromF32, F32FromF16, 0x7c00},
}

type rounding struct {
	x    float32
	want uint16
}

// Every number of the format, and the float32 just below, at and just above the
// middle between it and its successor.
func TestRoundsToNearestEven(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			for h := uint16(0); h < f.inf; h++ {
				x, next := float64(f.widen(h)), float64(f.widen(h+1))
				if h+1 == f.inf { // rounding sees the number that would come next
					next = 2*x - float64(f.widen(h-1))
				}
				middle := float32((x + next) / 2) // exact: float32 has bits to spare
				cases := []rounding{
					{float32(x), h},
					{middle, h + h&1},
					{math.Nextafter32(middle, float32(math.Inf(1))), h + 1},
				}
				if below := math.Nextafter32(middle, 0); below > float32(x) {
					cases = append(cases, rounding{below, h})
				}
				for _, c := range cases {
					if got := f.narrow(c.x); got != c.want {
						t.Fatalf("%g rounds to %#04x, want %#04x", c.x, got, c.want)
					}
					if got := f.narrow(-c.x); c.x != 0 && got != c.want|0x8000 {
						t.Fatalf("%g rounds to %#04x, want %#04x", -c.x, got, c.want|0x8000)
					}
				}
			}
		})
	}
}

func TestKnownValues(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		x         float32
		bf16, f16 uint16
	}{
		{0, 0x0000, 0x0000},
		{float32(math.Copysign(0, -1)), 0x8000, 0x8000},
		{1, 0x3f80, 0x3c00},
		{-2, 0xc000, 0xc000},
		{65504, 0x4780, 0x7bff},
		{65520, 0x4780, 0x7c00},
		{0x1p-24, 0x3380, 0x0001},
		{0x1p-25, 0x3300, 0x0000},
		{0.333333343, 0x3eab, 0x3555},
		{math.MaxFloat32, 0x7f80, 0x7c00},
		{inf, 0x7f80, 0x7c00},
		{-inf, 0xff80, 0xfc00},
	} {
		if got := BF16FromF32(c.x); got != c.bf16 {
			t.Errorf("BF16FromF32(%g) = %#04x, want %#04x", c.x, got, c.bf16)
		}
		if got := F16FromF32(c.x); got != c.f16 {
			t.Errorf("F16FromF32(%g) = %#04x, want %#04x", c.x, got, c.f16)
		}
	}
}

func TestNaNStaysNaN(t *testing.T) {
	for _, f := range formats {
		for _, bits := range []uint32{0x7fc00000, 0x7f800001, 0x7fffffff, 0xff800001} {
			h := f.narrow(math.Float32frombits(bits))
			if x := f.widen(h); x == x {
				t.Errorf("%s: NaN %#08x became %g", f.name, bits, x)
			}
		}
	}
}

func TestSlices(t *testing.T) {
	src := []float32{0, 1, -0.1, 65504, 3e38}
	bits, back := make([]uint16, len(src)), make([]float32, len(src))
	BF16sFromF32s(bits, src)
	F32sFromBF16s(back, bits)
	for i := range src {
		if want := F32FromBF16(BF16FromF32(src[i])); back[i] != want {
			t.Errorf("bf16 slice: %g became %g, want %g", src[i], back[i], want)
		}
	}
	F16sFromF32s(bits, src)
	F32sFromF16s(back, bits)
	for i := range src {
		if want := F32FromF16(F16FromF32(src[i])); back[i] != want {
			t.Errorf("f16 slice: %g became %g, want %g", src[i], back[i], want)
		}
	}
}

func BenchmarkNarrow(b *testing.B) {
	src, dst := make([]float32, 1<<16), make([]uint16, 1<<16)
	for i := range src {
		src[i] = float32(i) / 1000
	}
	for name, f := range map[string]func([]uint16, []float32){"bf16": BF16sFromF32s, "f16": F16sFromF32s} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(4 * len(src)))
			for b.Loop() {
				f(dst, src)
			}
		})
	}
}

func BenchmarkWiden(b *testing.B) {
	src, dst := make([]uint16, 1<<16), make([]float32, 1<<16)
	for i := range src {
		src[i] = uint16(i)
	}
	for name, f := range map[string]func([]float32, []uint16){"bf16": F32sFromBF16s, "f16": F32sFromF16s} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(4 * len(src)))
			for b.Loop() {
				f(dst, src)
			}
		})
	}
}

func TestBytesRoundTrip(t *testing.T) {
	src := []float32{0, -1.5, 0.1, 65504, 1e-7, 3e38}
	for format, round := range map[string]func(float32) float32{
		"F16":  func(f float32) float32 { return F32FromF16(F16FromF32(f)) },
		"BF16": func(f float32) float32 { return F32FromBF16(BF16FromF32(f)) },
		"F32":  func(f float32) float32 { return f },
		"F64":  func(f float32) float32 { return f },
	} {
		data, err := Bytes(format, src)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Float32s(format, data)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range src {
			if got[i] != round(f) {
				t.Errorf("%s: %g became %g, want %g", format, f, got[i], round(f))
			}
		}
		if _, err := Float32s(format, data[1:]); err == nil {
			t.Errorf("%s: %d bytes were read", format, len(data)-1)
		}
	}
	if _, err := Float32s("I8", nil); err == nil {
		t.Error("I8 was read")
	}
	if _, err := Bytes("I8", nil); err == nil {
		t.Error("I8 was written")
	}
}
