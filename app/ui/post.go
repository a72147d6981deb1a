//go:build !headless

package ui

import (
	"sync"

	"fyne.io/fyne/v2"
)

// poster hands a function to the window's goroutine, which runs them in order.
// Tests drain a queue of their own instead.
type poster func(func())

func postToWindow(f func()) { fyne.Do(f) }

// coalesce carries values from any goroutine to show on the window's. The
// window's queue has no bound, so values that come faster than they are shown
// are merged: at most one is on its way.
type coalesce[T any] struct {
	post  poster
	show  func(T)
	merge func(older, newer T) T // nil keeps the newer

	mu      sync.Mutex
	value   T
	waiting bool
}

func (c *coalesce[T]) put(v T) {
	c.mu.Lock()
	if c.waiting && c.merge != nil {
		v = c.merge(c.value, v)
	}
	first := !c.waiting
	c.value, c.waiting = v, true
	c.mu.Unlock()
	if first {
		c.post(c.take)
	}
}

func (c *coalesce[T]) take() {
	c.mu.Lock()
	v := c.value
	var none T
	c.value, c.waiting = none, false
	c.mu.Unlock()
	c.show(v)
}

// inBackground runs work away from the window and then done on it.
func inBackground[T any](post poster, work func() (T, error), done func(T, error)) {
	go func() {
		v, err := work()
		post(func() { done(v, err) })
	}()
}
