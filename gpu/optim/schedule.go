package optim

import (
	"fmt"
	"math"
)

// Schedule gives the learning rate of a step, counted from 0.
type Schedule func(step int) float64

// NewSchedule returns the named schedule: "constant", or "cosine" that falls
// to zero at step total; both rise linearly over the first warmup steps.
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
	case "cosine":
		return func(step int) float64 {
			if step < warmup {
				return lr * rise(step)
			}
			progress := float64(step-warmup) / float64(max(total-warmup, 1))
			return lr * 0.5 * (1 + math.Cos(math.Pi*min(progress, 1)))
		}, nil
	}
	return nil, fmt.Errorf("unknown learning-rate schedule %q: choose constant or cosine", name)
}
