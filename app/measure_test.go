//go:build !headless

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeWindow makes this test's own binary the program: the window over fakeEngine.
const fakeWindow = "LATENT_TEST_WINDOW"

// newFakeDesk is a desk whose program paints noise at once, with count in the form.
func newFakeDesk(t *testing.T, count, steps int) *desk {
	t.Helper()
	d := newDesk(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d.binary = self
	t.Setenv(fakeWindow, "1")
	form := d.path("state", "latent", "form.toml")
	if err := os.MkdirAll(filepath.Dir(form), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(form, fmt.Appendf(nil, "prompt = \"noise\"\nsteps = %d\ncount = \"× %d\"\n", steps, count), 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

// resident is the program's memory in bytes, as the system counts it.
func (d *desk) resident() int64 { d.t.Helper(); return d.memory("VmRSS:") }

// memory is one of the system's counts of the program's memory, in bytes.
func (d *desk) memory(which string) int64 {
	d.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.program.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), which)
	var kB int64
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		d.t.Fatal(err)
	}
	return kB << 10
}

// TestMemory has a thousand pictures made in the window.
func TestMemory(t *testing.T) {
	d := newFakeDesk(t, 100, 1)
	d.open()
	for range 10 {
		d.key("ctrl+Return")
	}
	var after50, most, now int64
	log := ""
	for _, n := range []int{50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000} {
		d.until(fmt.Sprintf("%d pictures are made", n), 5*time.Minute, func() bool { return len(d.pictures()) >= n })
		now = d.resident()
		if after50 == 0 {
			after50 = now
		}
		most = max(most, now)
		log += fmt.Sprintf(" %d: %d,", n, now>>20)
	}
	t.Logf("memory in MB after so many pictures:%s", log)
	const room = 50 << 20
	if most-after50 > room || after50-now > room {
		t.Error("that is not flat")
	}
}

// spent is the processor time of the program: of the threads that paint where there
// is no graphics card, and of all others.
func (d *desk) spent() (painting, others time.Duration) {
	d.t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", d.program.Process.Pid))
	for _, task := range tasks {
		name, err := os.ReadFile(task + "/comm")
		if err != nil {
			continue // it has ended
		}
		data, _ := os.ReadFile(task + "/schedstat")
		var ns int64
		fmt.Sscan(string(data), &ns)
		if strings.HasPrefix(string(name), "llvmpipe") {
			painting += time.Duration(ns)
		} else {
			others += time.Duration(ns)
		}
	}
	return painting, others
}

// TestPreviewCost measures what ten previews a second cost, of 512 pixels a side.
func TestPreviewCost(t *testing.T) {
	d := newFakeDesk(t, 1, 1000)
	d.open()
	const long = 15 * time.Second
	rate := func() (painting, others float64) {
		a, b := d.spent()
		time.Sleep(long)
		c, e := d.spent()
		return 100 * (c - a).Seconds() / long.Seconds(), 100 * (e - b).Seconds() / long.Seconds()
	}
	d.key("ctrl+1", "Tab") // no cursor blinks on a slider, and none on a choice
	time.Sleep(2 * time.Second)
	paint0, rest0 := rate()
	d.key("ctrl+Return")
	time.Sleep(2 * time.Second)
	paint1, rest1 := rate()
	t.Logf("of one core: %.1f %% at rest, %.1f %% with previews; painting without a graphics card %.1f %% and %.1f %%", rest0, rest1, paint0, paint1)
	if rest1-rest0 > 30 { // a slow machine may need more than the 10 that are aimed at
		t.Error("that is too much")
	}
}

// stalls tells how long the window's goroutine stood still at the most, and fails if
// it was so long by anything but painting.
func (d *desk) stalls() {
	d.t.Helper()
	data, err := os.ReadFile(d.path("stalls"))
	if err != nil {
		d.t.Log("the window never stood still")
		return
	}
	type still struct {
		total, painting, rest int // milliseconds
		stack                 string
	}
	var longest, ours still
	n, own := 0, 0
	for _, record := range strings.SplitAfter(string(data), "\tmain.main\n") {
		for line := range strings.Lines(record) {
			var at string
			var s still
			if k, _ := fmt.Sscan(line, &at, &s.total, &s.painting, &s.rest); k != 4 {
				continue
			}
			n++
			if s.stack = record; s.total > longest.total {
				longest = s
			}
			if s.rest > 20 {
				own++
			}
			if s.rest > ours.rest {
				ours = s
			}
		}
	}
	d.t.Logf("the window stood still %d times, at the most for %d ms, of which painting took %d; %d times for more than 20 ms by all else, at the most for %d ms:\n%s",
		n, longest.total, longest.painting, own, ours.rest, ours.stack)
	if ours.rest > 100 {
		d.t.Error("that is too long")
	}
}
