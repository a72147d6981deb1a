package noise

import (
	"math"
	"slices"
	"testing"
)

// TestRandIsFixed guards the numbers themselves: if they change, runs resumed
// from older checkpoints take another course.
func TestRandIsFixed(t *testing.T) {
	r := NewRand(1)
	got := []int{r.IntN(1000), r.IntN(1000), r.IntN(1000), r.IntN(1000)}
	if want := []int{780, 884, 938, 499}; !slices.Equal(got, want) {
		t.Errorf("integers are %v, want %v", got, want)
	}
	if got, want := r.Perm(8), []int{4, 7, 5, 1, 0, 6, 3, 2}; !slices.Equal(got, want) {
		t.Errorf("permutation is %v, want %v", got, want)
	}
}

// TestRandMoments compares means and variances with the distributions', within
// five standard errors.
func TestRandMoments(t *testing.T) {
	const n = 100_000
	r := NewRand(7)
	normals := make([]float32, n)
	r.Normal(normals)
	for _, tt := range []struct {
		name           string
		draw           func(i int) float64
		mean, variance float64
	}{
		{"Normal", func(i int) float64 { return float64(normals[i]) }, 0, 1},
		{"Float64", func(int) float64 { return r.Float64() }, 1. / 2, 1. / 12},
		{"IntN", func(int) float64 { return float64(r.IntN(10)) }, 4.5, 99. / 12},
		{"Perm", func(int) float64 { return float64(r.Perm(3)[0]) }, 1, 2. / 3},
	} {
		sum, squares := 0.0, 0.0
		for i := range n {
			d := tt.draw(i) - tt.mean
			sum += d
			squares += d * d
		}
		if se := math.Sqrt(tt.variance / n); math.Abs(sum/n) > 5*se {
			t.Errorf("%s: mean is off by %g, standard error %g", tt.name, sum/n, se)
		}
		// The fourth moment is at most 3 variance² for all four.
		if se := tt.variance * math.Sqrt(2./n); math.Abs(squares/n-tt.variance) > 5*se {
			t.Errorf("%s: variance is %g, want %g", tt.name, squares/n, tt.variance)
		}
	}
}

func TestPermIsAPermutation(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		p := NewRand(uint64(n)).Perm(n)
		slices.Sort(p)
		for i := range p {
			if p[i] != i {
				t.Fatalf("Perm(%d) lacks %d", n, i)
			}
		}
	}
}
