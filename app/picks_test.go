//go:build !headless

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"latent/app/gallery"
)

// picksSeveral chooses several of at least three pictures in the gallery, with Shift
// and Ctrl, and sees by the stars which they are.
func (d *desk) picksSeveral() {
	d.t.Helper()
	list, err := gallery.List(d.path("Pictures", "Latent"))
	if err != nil || len(list) < 3 {
		d.t.Fatal(list, err)
	}
	d.key("ctrl+3", "ctrl+a", "BackSpace") // all are shown
	const left, top, across = 180, 180, 152
	click := func(i int) { d.click(left+i*across, top) }
	with := func(key string, i int) { d.held(key, left+i*across, top) }
	for _, c := range []struct {
		name  string
		do    func() // whatever was chosen before
		which []int
	}{
		{"Shift and an arrow", func() { click(0); d.key("shift+Right") }, []int{0, 1}},
		{"Ctrl on one of them and on another", func() { click(0); d.key("shift+Right"); with("ctrl", 0); with("ctrl", 2) }, []int{1, 2}},
		{"Shift and a click", func() { click(0); with("shift", 2) }, []int{0, 1, 2}},
		{"a click after all", func() { d.key("ctrl+a"); click(1) }, []int{1}},
	} {
		var want []string
		for _, i := range c.which {
			want = append(want, filepath.Base(list[i].Path))
		}
		slices.Sort(want)
		// As often as it takes until the list is there.
		d.until(fmt.Sprintf("%s chooses %v", c.name, c.which), time.Minute, func() bool {
			c.do()
			d.key("f")
			ok := soon(func() bool { return slices.Equal(d.favourites(), want) })
			d.key("f") // takes the stars away
			return soon(func() bool { return len(d.favourites()) == 0 }) && ok
		})
	}
}

// soon waits a little for what should come at once.
func soon(done func() bool) bool {
	for range 60 {
		if done() {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}
