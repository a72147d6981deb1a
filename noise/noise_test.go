package noise

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// golden is a file made by testdata/make_goldens.py.
type golden struct {
	Cases []struct {
		Seed  uint64 `json:",string"`
		Draws []struct {
			N, Stride int
			Values    []float32
		}
	}
	Latent struct {
		Seed    uint64 `json:",string"`
		H, W, C int
		Values  []float32
	}
}

func readGolden(t *testing.T, path string) golden {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) == 0 {
		t.Fatalf("%s holds no cases", path)
	}
	return g
}

// TestDraws compares successive draws of one generator: the CPU generator with
// numbers drawn by torch.randn, the NV generator with an independent numpy
// implementation of the published algorithm (not with a GPU; see also
// TestPhilox and TestNVAsOnGPU).
func TestDraws(t *testing.T) {
	for _, tt := range []struct {
		rng, path string
		tolerance float64
	}{
		{"cpu", "testdata/torch.json", 1e-6}, // torch's logarithm and sine are approximate
		{"nv", "testdata/philox.json", 1e-7}, // both compute in float64: a rounding at most
	} {
		for _, c := range readGolden(t, tt.path).Cases {
			src, err := Open(tt.rng, c.Seed)
			if err != nil {
				t.Fatal(err)
			}
			worst := 0.0
			for i, draw := range c.Draws {
				got := make([]float32, draw.N)
				src.Normal(got)
				for j, want := range draw.Values {
					d := math.Abs(float64(got[j*draw.Stride] - want))
					worst = max(worst, d)
					if !(d <= tt.tolerance) {
						t.Fatalf("%s seed %d draw %d of %d: number %d is %v, want %v", tt.rng, c.Seed, i, draw.N, j*draw.Stride, got[j*draw.Stride], want)
					}
				}
			}
			t.Logf("%s seed %d: largest difference %.1e", tt.rng, c.Seed, worst)
		}
	}
}

// TestPhilox checks the bijection against the known answers that its authors
// publish with Random123 (kat_vectors, philox4x32 10).
func TestPhilox(t *testing.T) {
	const ones = 0xffffffff
	for _, tt := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{want: [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{ones, ones, ones, ones}, [2]uint32{ones, ones}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := philox(tt.counter, tt.key); got != tt.want {
			t.Errorf("philox(%x, %x) = %x, want %x", tt.counter, tt.key, got, tt.want)
		}
	}
}

// TestNVAsOnGPU checks the first numbers that torch.randn(3, 4, device="cuda")
// is known to print after torch.manual_seed(0).
func TestNVAsOnGPU(t *testing.T) {
	want := []float32{
		-0.9247, -0.4253, -2.6438, 0.1452,
		-0.1209, -0.5797, -0.6229, -0.3284,
		-1.0745, -0.3631, -1.6711, 2.2655,
	}
	got := make([]float32, len(want))
	NewNV(0).Normal(got)
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); d > 0.5001e-4 { // four decimals are known
			t.Errorf("number %d is %v, want %v", i, got[i], want[i])
		}
	}
}

// TestMT19937 checks the 10000th number of seed 5489, which the C++ standard
// fixes ([rand.predef]).
func TestMT19937(t *testing.T) {
	var m mt19937
	m.seed(5489)
	var got uint32
	for range 10000 {
		got = m.uint32()
	}
	if got != 4123659995 {
		t.Errorf("number 10000 is %d, want 4123659995", got)
	}
}

func TestLatent(t *testing.T) {
	want := readGolden(t, "testdata/torch.json").Latent
	got := make([]float32, want.H*want.W*want.C)
	Latent(NewCPU(want.Seed), got, want.H, want.W, want.C)
	for i := range got {
		if d := math.Abs(float64(got[i] - want.Values[i])); !(d <= 1e-6) {
			t.Fatalf("number %d is %v, want %v", i, got[i], want.Values[i])
		}
	}
}

func TestUnknownGenerator(t *testing.T) {
	if _, err := Open("gpu", 0); err == nil || !strings.Contains(err.Error(), "cpu, nv") {
		t.Errorf("error is %v, want one that names the choices", err)
	}
}

// sources makes one of each generator.
func sources(seed uint64) []Source {
	return []Source{NewCPU(seed), NewNV(seed), NewRand(seed)}
}

// TestState continues each generator from its state, at points where it holds
// a waiting number and where it does not.
func TestState(t *testing.T) {
	for i, src := range sources(3) {
		for _, n := range []int{0, 1, 2, 20, 623, 5} {
			src.Normal(make([]float32, n))
			other := sources(99)[i]
			if err := other.SetState(src.State()); err != nil {
				t.Fatalf("%T: %v", src, err)
			}
			for _, n := range []int{1, 4, 700} {
				got, want := make([]float32, n), make([]float32, n)
				other.Normal(got)
				src.Normal(want)
				if !slices.Equal(got, want) {
					t.Fatalf("%T: differs after SetState", src)
				}
			}
		}
	}
}

// FuzzSetState: a damaged checkpoint gives an error, never a crash, and a
// state that is refused changes nothing.
func FuzzSetState(f *testing.F) {
	for _, src := range sources(1) {
		f.Add(src.State())
		f.Add(src.State()[1:])
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		for i, src := range sources(1) {
			err := src.SetState(state)
			got, want := make([]float32, 5), make([]float32, 5)
			src.Normal(got)
			if err != nil {
				sources(1)[i].Normal(want)
				if !slices.Equal(got, want) {
					t.Errorf("%T: a refused state changed it", src)
				}
			} else if again := sources(2)[i]; again.SetState(state) != nil || !slices.Equal(again.State(), state) {
				t.Errorf("%T: State does not give back what SetState took", src)
			}
		}
	})
}

func BenchmarkNormal(b *testing.B) {
	dst := make([]float32, 4*64*64) // the latent of a 512×512 picture
	for i, src := range sources(1) {
		b.Run([]string{"CPU", "NV", "Rand"}[i], func(b *testing.B) {
			b.SetBytes(int64(4 * len(dst)))
			for b.Loop() {
				src.Normal(dst)
			}
		})
	}
}
