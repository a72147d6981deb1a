package optim_test

import (
	"math"
	"strings"
	"testing"

	"latent/gpu/optim"
)

func TestSchedules(t *testing.T) {
	for _, c := range []struct {
		name          string
		warmup, total int
		want          []float64
	}{
		{"", 0, 4, []float64{1, 1, 1, 1, 1}},
		{"constant", 4, 6, []float64{0.25, 0.5, 0.75, 1, 1, 1, 1}},
		{"cosine", 0, 4, []float64{1, (1 + math.Sqrt2/2) / 2, 0.5, (1 - math.Sqrt2/2) / 2, 0, 0}},
		{"cosine", 2, 6, []float64{0.5, 1, 1, (1 + math.Sqrt2/2) / 2, 0.5, (1 - math.Sqrt2/2) / 2, 0}},
		{"linear", 0, 4, []float64{1, 0.75, 0.5, 0.25, 0, 0}},
		{"linear", 2, 4, []float64{0.5, 1, 1, 0.5, 0}},
		{"cosine", 3, 3, []float64{1. / 3, 2. / 3, 1, 1, 0}}, // all of it warm-up
	} {
		const lr = 2e-3
		rate, err := optim.NewSchedule(c.name, lr, c.warmup, c.total)
		if err != nil {
			t.Fatal(err)
		}
		for step, want := range c.want {
			if got := rate(step); math.Abs(got-lr*want) > 1e-15 {
				t.Errorf("%q with warm-up %d of %d: rate of step %d is %v, want %v", c.name, c.warmup, c.total, step, got, lr*want)
			}
		}
	}
	if _, err := optim.NewSchedule("triangle", 1, 0, 1); err == nil || !strings.Contains(err.Error(), "constant, cosine or linear") {
		t.Errorf("an unknown schedule: %v", err)
	}
}
