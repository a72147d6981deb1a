//go:build !headless

package ui

import (
	"slices"
	"testing"
)

func TestCoalesce(t *testing.T) {
	q := make(queue, 10)
	var shown []int
	c := coalesce[int]{post: q.post, show: func(v int) { shown = append(shown, v) }}
	for i := range 5 {
		c.put(i)
	}
	(<-q)()
	c.put(9)
	(<-q)()
	if !slices.Equal(shown, []int{4, 9}) || len(q) != 0 {
		t.Errorf("shown %v with %d waiting, want the newest alone", shown, len(q))
	}
	c.merge = func(a, b int) int { return a + b }
	shown = nil
	c.put(1)
	c.put(2)
	c.put(3)
	(<-q)()
	if !slices.Equal(shown, []int{6}) {
		t.Errorf("shown %v, want all merged", shown)
	}
}
