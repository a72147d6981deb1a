//go:build !headless

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// times is a key so many times.
func times(n int, key string) []string { return strings.Fields(strings.Repeat(key+" ", n)) }

// TestKeys goes through the program with the keyboard alone.
func TestKeys(t *testing.T) {
	d := newDesk(t)
	d.open()
	d.replace("a boat on the sea") // the prompt has the keyboard at once
	d.key(times(4, "Tab")...)      // negative prompt, size, slider and field of the steps
	d.replace("4")
	d.until("the form is kept", 20*time.Second, func() bool { f := d.form(); return f.Prompt == "a boat on the sea" && f.Steps == 4 })
	// Guidance twice, seed, dice, lock, sampler, schedule, speed, how much larger, a picture
	// to begin from, the ControlNets' folder, Generate.
	on := 12
	if _, err := exec.LookPath("xclip"); err == nil {
		on++ // Paste
	}
	d.key(times(on, "Tab")...)
	d.key("space")
	d.until("Space on Generate makes a picture", 3*time.Minute, func() bool { return len(d.pictures()) == 1 && len(d.jobs()) == 0 })
	d.key(times(on, "shift+Tab")...)
	d.replace("1000")
	d.key("Return", "ctrl+Return")
	d.until("the job is kept", time.Minute, func() bool { return len(d.jobs()) == 1 })
	d.key("Escape")
	d.until("Esc cancels it", time.Minute, func() bool { return len(d.jobs()) == 0 })

	d.key("ctrl+3")
	d.write("boat")
	d.key("Return")
	d.opens("Right") // in a list of one, as often as it takes
	d.key("f")
	name := filepath.Base(d.pictures()[0])
	d.until("F marks what the arrow chose", 20*time.Second, func() bool {
		data, err := os.ReadFile(d.path("Pictures", "Latent", ".favourites"))
		return err == nil && string(data) == name+"\n"
	})

	d.key("ctrl+p", "ctrl+Return", "ctrl+Return")
	d.until("two jobs wait", time.Minute, func() bool { return len(d.jobs()) == 2 })
	first := d.jobs()[0]
	d.key("ctrl+2", "Down", "Delete")
	d.until("Delete removes the one that the arrow chose", time.Minute, func() bool { left := d.jobs(); return len(left) == 1 && left[0] == first })
}
