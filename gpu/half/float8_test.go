package half_test

import (
	"math"
	"testing"

	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// All 256 numbers of both formats are what PyTorch makes of them.
func TestFloat8(t *testing.T) {
	f, err := safetensors.Open("testdata/float8.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, format := range map[string]string{"float8_e4m3fn": safetensors.F8E4M3, "float8_e5m2": safetensors.F8E5M2} {
		codes, _ := f.Get(name)
		values, _ := f.Get(name + ".f32")
		want, err := half.Float32s(values.DType, values.Data)
		if err != nil || len(want) != 256 || codes.DType != format {
			t.Fatal(name, codes.DType, len(want), err)
		}
		got, err := half.Float32s(codes.DType, codes.Data)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range want {
			g := got[i]
			if bothNaN := g != g && w != w; !bothNaN && math.Float32bits(g) != math.Float32bits(w) {
				t.Errorf("%s: %#02x is %g, want %g", format, codes.Data[i], g, w)
			}
			if x := half.Float8(format)[codes.Data[i]]; math.Float32bits(x) != math.Float32bits(g) {
				t.Errorf("%s: %#02x is %g in the table, %g in a file", format, codes.Data[i], x, g)
			}
		}
		if _, err := half.Bytes(format, want); err == nil {
			t.Errorf("%s was written", format)
		}
	}
}
