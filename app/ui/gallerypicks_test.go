//go:build !headless

package ui

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
)

const (
	shiftKey = fyne.KeyModifierShift
	ctrlKey  = fyne.KeyModifierShortcutDefault
)

// hold has modifiers down while do is done.
func (g *grid) hold(held fyne.KeyModifier, do func()) {
	g.held = func() fyne.KeyModifier { return held }
	do()
	g.held = func() fyne.KeyModifier { return 0 }
}

// picks are the places in the list of what is chosen together, and "@" the one
// with the ring: "0 1 @1".
func (p *galleryPage) picks() string {
	var out []string
	for i, g := range p.list {
		if p.picked[g.Path] {
			out = append(out, strconv.Itoa(i))
		}
	}
	return strings.Join(append(out, "@"+strconv.Itoa(p.grid.chosen)), " ")
}

func TestPicks(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	w.Resize(fyne.NewSize(1100, 700)) // more columns than pictures
	hang(t, w, "one", "two", "three", "four", "five", "six")
	p := w.gallery
	w.show(pageGallery)
	q.until(t, "the pictures are listed", func() bool { return len(p.list) == 6 })
	g := p.grid
	tap := func(i int) func() { return func() { g.tap(i) } }
	key := func(names ...fyne.KeyName) func() { return func() { press(g, names...) } }
	for _, c := range []struct {
		what string
		held fyne.KeyModifier
		do   func()
		want string
	}{
		{"tap", 0, tap(1), "@1"},
		{"Ctrl+tap adds", ctrlKey, tap(3), "1 3 @3"},
		{"and a third", ctrlKey, tap(5), "1 3 5 @5"},
		{"and takes away; the ring goes to the nearest", ctrlKey, tap(5), "1 3 @3"},
		{"one alone is no choice of several", ctrlKey, tap(1), "@3"},
		{"and stays chosen", ctrlKey, tap(3), "@3"},
		{"Shift+tap: a range from there", shiftKey, tap(0), "0 1 2 3 @0"},
		{"another range from there", shiftKey, tap(5), "3 4 5 @5"},
		{"Ctrl+tap begins another range", ctrlKey, tap(1), "1 3 4 5 @1"},
		{"beside it", ctrlKey | shiftKey, tap(2), "1 2 3 4 5 @2"},
		{"tap: it alone", 0, tap(2), "@2"},
		{"Shift+Right", shiftKey, key(fyne.KeyRight, fyne.KeyRight), "2 3 4 @4"},
		{"Shift+Left", shiftKey, key(fyne.KeyLeft, fyne.KeyLeft, fyne.KeyLeft), "1 2 @1"},
		{"Shift+End", shiftKey, key(fyne.KeyEnd), "2 3 4 5 @5"},
		{"not beyond", shiftKey, key(fyne.KeyRight), "2 3 4 5 @5"},
		{"an arrow: one alone", 0, key(fyne.KeyLeft), "@4"},
		{"Ctrl+A", 0, func() { g.TypedShortcut(&fyne.ShortcutSelectAll{}) }, "0 1 2 3 4 5 @4"},
		{"Esc", 0, key(fyne.KeyEscape), "@-1"},
		{"an arrow goes on from there", 0, key(fyne.KeyRight), "@4"},
		{"Esc", 0, key(fyne.KeyEscape), "@-1"},
		{"Ctrl+A from none", 0, func() { g.TypedShortcut(&fyne.ShortcutSelectAll{}) }, "0 1 2 3 4 5 @0"},
	} {
		if g.hold(c.held, c.do); p.picks() != c.want {
			t.Fatalf("%s: %q, want %q", c.what, p.picks(), c.want)
		}
		for path, tile := range p.tiles {
			if tile.picked != p.picked[path] {
				t.Errorf("%s: tile %s does not show it", c.what, filepath.Base(path))
			}
		}
	}
	if p.count.Text != "6 of 6 chosen" {
		t.Errorf("it says %q", p.count.Text)
	}
	q.until(t, "the details are shown", func() bool { return p.chosen != nil && !p.opening })
	p.search.SetText("five")
	q.until(t, "it is found", func() bool { return len(p.list) == 1 })
	if len(p.picked) != 0 || p.count.Text != "1 picture" {
		t.Errorf("what the search hides stays chosen: %q, it says %q", p.picks(), p.count.Text)
	}
	if press(g, fyne.KeyEscape); p.chosen != nil || p.details.Visible() {
		t.Error("Esc leaves the details")
	}
}

// A tile shows by a tick that it is chosen with others.
func TestTileShowsPick(t *testing.T) {
	themedApp(t)
	tl := newTile(gallerySide)
	test.NewTempWindow(t, tl)
	for _, on := range []bool{true, false} {
		tl.pick(on)
		r := test.WidgetRenderer(tl).(*tileRenderer)
		if r.tick.Visible() != on || r.badge.Visible() != on || (r.frame.FillColor != themed(colorStage)) != on {
			t.Errorf("picked %v, but tick %v, badge %v, frame %v", on, r.tick.Visible(), r.badge.Visible(), r.frame.FillColor)
		}
	}
}

func TestPicksToTrashAndBack(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	paths := hang(t, w, "one", "two", "three", "four", "five")
	slices.Reverse(paths) // as they are listed
	p := w.gallery
	w.show(pageGallery)
	q.until(t, "the pictures are listed", func() bool { return len(p.list) == 5 })
	there := func() (out []int) {
		for i, path := range paths {
			if _, err := os.Stat(path); err == nil {
				out = append(out, i)
			}
		}
		return out
	}
	p.grid.tap(1)
	p.grid.hold(ctrlKey, func() { p.grid.tap(3) })
	press(p.grid, fyne.KeyDelete, fyne.KeyDelete) // the second time has nothing to do
	q.until(t, "they are gone", func() bool { return len(p.list) == 3 && p.notice.action.Visible() })
	if got := there(); !slices.Equal(got, []int{0, 2, 4}) || p.picks() != "@1" {
		t.Errorf("left %v, chosen %s", got, p.picks())
	}
	if got := p.notice.message.Text; got != "2 pictures are in the trash." {
		t.Errorf("it says %q", got)
	}
	q.until(t, "the next is shown", func() bool { return p.chosen != nil && p.chosen.Path == paths[2] && !p.opening })
	test.Tap(p.notice.action)
	q.until(t, "all are back", func() bool { return len(p.list) == 5 })
	if got := there(); len(got) != 5 {
		t.Errorf("back are %v", got)
	}

	// What can be moved is, and can be undone; the rest stays, with the reason.
	p.pickAll()
	if err := os.Remove(paths[2]); err != nil {
		t.Fatal(err)
	}
	p.trash()
	q.until(t, "two are gone", func() bool { return !p.trashing && p.notice.action.Visible() })
	if got := p.notice.message.Text; !strings.HasPrefix(got, "2 pictures are in the trash; "+filepath.Base(paths[2])+" could not be moved") {
		t.Errorf("it says %q", got)
	}
	if got := there(); !slices.Equal(got, []int{3, 4}) {
		t.Errorf("left %v", got)
	}
	// One that cannot come back does not keep the others.
	write(t, paths[0], "another")
	test.Tap(p.notice.action)
	q.until(t, "one is back", func() bool {
		return len(there()) == 4 && strings.Contains(p.notice.message.Text, "could not be brought back")
	})
	if got := p.notice.message.Text; !strings.HasPrefix(got, filepath.Base(paths[0])+" ") {
		t.Errorf("it says %q", got)
	}
}

func TestPicksAreFavourites(t *testing.T) {
	w, q := open(t, &fakeEngine{})
	paths := hang(t, w, "one", "two", "three")
	p := w.gallery
	w.show(pageGallery)
	q.until(t, "the pictures are listed", func() bool { return len(p.list) == 3 })
	p.grid.tap(0)
	press(p.grid, fyne.KeyF)
	p.grid.hold(shiftKey, func() { p.grid.tap(1) })
	marked := func() []string { return slices.Sorted(maps.Keys(p.favourites)) }
	both := []string{filepath.Base(paths[1]), filepath.Base(paths[2])}
	for _, want := range [][]string{both, nil, both} { // one of two has a mark at first
		if press(p.grid, fyne.KeyF); !slices.Equal(marked(), want) {
			t.Errorf("favourites %v, want %v", marked(), want)
		}
	}
	w.keeper.flush()
	if got, err := readFavourites(w.settings.Output); err != nil || !maps.Equal(got, p.favourites) {
		t.Errorf("kept %v, %v", got, err)
	}
	// In full, a key is for what is seen.
	q.until(t, "one is shown", func() bool { return p.chosen != nil && p.chosen.Path == paths[1] && !p.opening })
	press(p.grid, fyne.KeyReturn)
	press(p.lightbox, fyne.KeyF)
	if got := marked(); !slices.Equal(got, both[1:]) {
		t.Errorf("in full: favourites %v, want %v", got, both[1:])
	}
}

// picksAreQuick chooses many of the 10,000 pictures, marks them all, and throws
// away and brings back as many as that.
func picksAreQuick(t *testing.T, p *galleryPage, q queue) {
	n, worst := len(p.list), time.Duration(0)
	timed := func(do func()) {
		began := time.Now()
		do()
		worst = max(worst, time.Since(began))
	}
	timed(func() { p.grid.walk(0) })
	timed(func() { p.grid.TypedShortcut(&fyne.ShortcutSelectAll{}) })
	if len(p.picked) != n {
		t.Fatalf("%d are chosen", len(p.picked))
	}
	timed(func() { press(p.grid, fyne.KeyF) })
	for range 20 {
		p.grid.hold(shiftKey, func() { timed(func() { press(p.grid, fyne.KeyEnd, fyne.KeyPageUp) }) })
		p.grid.hold(ctrlKey, func() { timed(func() { p.grid.tap(n / 2) }) })
	}
	timed(p.pickAll)
	began := time.Now()
	timed(p.trash)
	for len(p.list) > 0 {
		f := <-q
		timed(f)
	}
	trashed := time.Since(began)
	test.Tap(p.notice.action)
	for len(p.list) < n {
		f := <-q
		timed(f)
	}
	t.Logf("%d chosen, marked, thrown away in %v and brought back; the window waited %v at most", n, trashed, worst)
	if worst > time.Second {
		t.Error("too slow")
	}
}
