package optim

import (
	"fmt"
	"math"
)

// Schedule gives the learning rate of a step, counted from 0.
type Schedule func(step int) float64

// NewSchedule returns the named schedule: "constant", or "cosine" or "linear" that
// fall to zero at step total; all rise linearly over the first warmup steps.
func NewSchedule(name string, lr float64, warmup, total int) (Schedule, error) {
	rise := func(step int) float64 {
		if step < warmup {
			return float64(step+1) / float64(warmup)
		}
		return 1
	}
	switch name {
	case "", "constant":
		return func(step int) float64 { return lr * rise(step) }, nil
	case "cosine", "linear":
		return func(step int) float64 {
			if step < warmup {
				return lr * rise(step)
			}
			progress := min(float64(step-warmup)/float64(max(total-warmup, 1)), 1)
			if name == "linear" {
				return lr * (1 - progress)
			}
			return lr * 0.5 * (1 + math.Cos(math.Pi*progress))
		}, nil
	}
	return nil, fmt.Errorf("unknown learning-rate schedule %q: choose constant, cosine or linear", name)
}
