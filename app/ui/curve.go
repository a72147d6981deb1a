package ui

import (
	"math"
	"slices"
)

// curve is the losses of a training so far.
type curve struct {
	first, last int // the steps of the ends of raw
	raw, smooth []float32
}

// window is over how many of the last of n losses the curve is smoothed: a
// twelfth of them, so that it neither lags behind a short training nor shakes in
// a long one.
func window(n int) int { return min(n, max(8, n/12), 500) }

// add takes the next step's loss. One that is no number is left out.
func (c *curve) add(l Loss) {
	if math.IsNaN(l.Value) || math.IsInf(l.Value, 0) {
		return
	}
	if len(c.raw) == 0 {
		c.first = l.Step
	}
	c.last = l.Step
	v := float32(l.Value)
	c.raw = append(c.raw, v)
	s := v
	if len(c.smooth) > 0 {
		s = c.smooth[len(c.smooth)-1]
	}
	c.smooth = append(c.smooth, s+(v-s)/float32(window(len(c.raw))))
}

// axis returns the ends of the vertical axis and the distance of its ticks, of which
// there are about as many as wanted. The highest hundredth of the losses may stand out: the first ones would flatten
// all others.
func (c *curve) axis(ticks float64) (low, high, tick float64) {
	v := thin(c.raw, 400)
	slices.Sort(v)
	low, high = float64(v[0]), float64(v[len(v)*99/100])
	high = max(high, float64(slices.Max(thin(c.smooth[len(c.smooth)/20:], 400))))
	if span := high - low; span < 1e-9 {
		high = low + max(math.Abs(low)*0.1, 1e-6)
	}
	tick = niceStep((high - low) / ticks)
	return math.Floor(low/tick) * tick, math.Ceil(high/tick) * tick, tick
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*p*(1+1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// thin returns at most n values that look like v: means of equal runs.
func thin(v []float32, n int) []float32 {
	if len(v) <= n || n < 1 {
		return slices.Clone(v)
	}
	out := make([]float32, n)
	for i := range out {
		run := v[i*len(v)/n : (i+1)*len(v)/n]
		sum := float32(0)
		for _, x := range run {
			sum += x
		}
		out[i] = sum / float32(len(run))
	}
	return out
}
