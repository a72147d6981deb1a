//go:build !headless

package main

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latent/app/gallery"
)

func square(side, i int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			img.SetNRGBA(x, y, color.NRGBA{uint8(40 * i), uint8(2 * x), uint8(2 * y), 255})
		}
	}
	return img
}

// TestPath goes a person's way through the program, with mouse and keys, against
// the built-in model.
func TestPath(t *testing.T) {
	d := newDesk(t)
	d.open()
	d.click(250, 170)
	d.replace("a large fox on a blue background")
	d.steps(6)
	d.key("ctrl+Return")
	looks := map[uint32]bool{}
	d.until("the first picture is kept", 3*time.Minute, func() bool {
		looks[d.look(540, 120, 990, 500)] = true
		return len(d.pictures()) == 1
	})
	if len(looks) < 3 {
		t.Errorf("the preview changed %d times", len(looks)-1)
	}
	d.until("the queue is empty", time.Minute, func() bool { return len(d.jobs()) == 0 })

	// Cancelled, a picture leaves nothing. As many steps as there can be: it must not
	// be done before the key is pressed.
	d.steps(1000)
	d.key("ctrl+Return")
	d.until("the job is kept", time.Minute, func() bool { return len(d.jobs()) == 1 })
	time.Sleep(time.Second)
	d.key("Escape")
	d.until("it is cancelled", time.Minute, func() bool { return len(d.jobs()) == 0 })

	d.prompt("a boat on the sea")
	d.steps(4)
	d.key("ctrl+Return")
	d.until("the second picture is kept", 3*time.Minute, func() bool { return len(d.pictures()) == 2 && len(d.jobs()) == 0 })

	d.key("ctrl+s")
	time.Sleep(time.Second)
	d.replace("saved.png")
	d.key("Return")
	d.until("it is saved", 20*time.Second, func() bool {
		r, err := gallery.Read(d.path("saved.png"))
		return err == nil && r.Prompt == "a boat on the sea"
	})

	// The fox is found by its words, and its settings are used again.
	d.key("ctrl+3")
	d.write("fox")
	time.Sleep(time.Second)
	d.key("Return", "Right")
	time.Sleep(time.Second)
	d.click(948, 587)
	time.Sleep(2 * time.Second)
	if f := d.form(); f.Prompt != "a large fox on a blue background" || f.Steps != 6 || !f.Locked {
		d.shot()
		t.Fatalf("after Use these settings the form is %+v", f)
	}
	d.prompt("something else")

	// So does the file that was saved.
	d.key("ctrl+o")
	time.Sleep(time.Second)
	d.click(220, 129) // Home
	time.Sleep(time.Second)
	files, err := os.ReadDir(d.home)
	if err != nil {
		t.Fatal(err)
	}
	column := 1               // after (Parent)
	for _, f := range files { // shown by name, whatever the case
		if name := strings.ToLower(f.Name()); f.IsDir() && name[0] != '.' && name < "saved.png" {
			column++
		}
	}
	d.click(347+84*(column%7), 195+107*(column/7))
	d.click(925, 610)
	d.until("the saved picture's settings are back", 20*time.Second, func() bool {
		f := d.form()
		return f.Prompt == "a boat on the sea" && f.Steps == 4
	})

	// A training of 20 steps on 8 pictures, and its result.
	d.key("ctrl+4")
	d.click(200, 85)
	d.replace(d.album(8))
	time.Sleep(time.Second)
	d.click(385, 287)
	d.replace("20")
	d.click(385, 332)
	d.replace("1")
	d.click(258, 659)
	d.until("the LoRA is trained", 6*time.Minute, func() bool {
		_, err := os.Stat(d.path("data", "latent", "loras", "my-model", "my-model.safetensors"))
		return err == nil
	})
	time.Sleep(3 * time.Second)
	d.click(1030, 180) // Try it now
	time.Sleep(2 * time.Second)
	if f := d.form(); len(f.LoRA) != 1 || f.LoRA[0].Name != "my-model" {
		d.shot()
		t.Fatalf("Try it now leaves the form at %+v", f)
	}
	d.steps(3)
	d.key("ctrl+Return")
	d.until("it has painted with the LoRA", 3*time.Minute, func() bool {
		if len(d.pictures()) != 3 {
			return false
		}
		list, err := gallery.List(d.path("Pictures", "Latent"))
		if err != nil {
			return false
		}
		r, err := gallery.Read(list[0].Path)
		return err == nil && strings.Contains(r.Prompt, "<lora:my-model:1>") && len(r.LoraHashes) == 1
	})

	d.picksSeveral()

	// Queue, form and settings come back as they were left.
	d.key("ctrl+p")
	d.prompt("waits for tomorrow")
	d.key("ctrl+Return")
	d.until("the job is kept", time.Minute, func() bool { return len(d.jobs()) == 1 })
	d.key("ctrl+q")
	select {
	case err := <-d.ended:
		if err != nil {
			t.Errorf("quitting: %v\n%s", err, d.stderr.String())
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not quit")
	}
	d.open()
	if f := d.form(); f.Prompt != "waits for tomorrow" || len(d.jobs()) != 1 {
		t.Errorf("after the restart: form %+v, %d jobs", f, len(d.jobs()))
	}
	d.key("ctrl+p")
	d.until("what waited is painted", 3*time.Minute, func() bool { return len(d.pictures()) == 4 && len(d.jobs()) == 0 })
	d.whole()
	d.stalls()
	if s := d.stderr.String(); strings.Contains(s, "panic") || strings.Contains(s, "locale") {
		t.Errorf("the program said: %s", s)
	}
}

// TestKill ends the program as a crash would, at moments all along the way.
func TestKill(t *testing.T) {
	d := newDesk(t)
	album := d.album(4)
	made := 0
	// Work is a job until it is a picture: how much is lost does not hang on how fast
	// the machine paints.
	work, before := func() int { return len(d.jobs()) + len(d.pictures()) }, 0
	for i, moment := range []struct {
		name string
		do   func()
		want func() bool // what must be there afterwards
	}{
		{"at once", func() {}, nil},
		{"after typing", func() { d.prompt("a castle at sunset"); time.Sleep(1500 * time.Millisecond) },
			func() bool { return d.form().Prompt == "a castle at sunset" }},
		{"as a job is added", func() { d.steps(30); d.key("ctrl+Return"); time.Sleep(200 * time.Millisecond) },
			func() bool { return work() >= 1 }},
		{"while the window starts", nil, func() bool { return work() >= 1 }},
		{"in the middle of a picture", func() { d.key("ctrl+p"); time.Sleep(7 * time.Second) },
			func() bool { return work() >= 1 }},
		{"as jobs are moved", func() {
			before = work()
			d.key("ctrl+1", "ctrl+Return", "ctrl+Return", "ctrl+2")
			d.click(1020, 134)
		}, func() bool { return work() >= before+2 }},
		{"as a picture is finished", func() {
			d.steps(1)
			n := len(d.pictures())
			d.key("ctrl+Return", "ctrl+p")
			for end := time.Now().Add(2 * time.Minute); len(d.pictures()) == n && time.Now().Before(end); {
				time.Sleep(5 * time.Millisecond)
			}
		}, func() bool { return len(d.pictures()) >= 1 }},
		{"as a setting changes", func() {
			d.key("ctrl+6")
			d.click(560, 135)
			d.key("Down", "Return")
			time.Sleep(300 * time.Millisecond)
		}, nil},
		{"as a caption is written", func() {
			d.key("ctrl+4")
			d.click(200, 85)
			d.replace(album)
			time.Sleep(time.Second)
			d.click(525, 170)
			d.click(800, 650)
			d.replace("a new caption")
			time.Sleep(1500 * time.Millisecond)
		}, func() bool {
			data, err := os.ReadFile(filepath.Join(album, "p0.txt"))
			return err == nil && string(data) == "a new caption\n"
		}},
		{"in the middle of a training", func() {
			d.key("ctrl+4")
			d.click(200, 85)
			d.replace(album)
			d.click(385, 332)
			d.replace("1")
			d.click(258, 659)
			time.Sleep(6 * time.Second)
		}, func() bool {
			data, err := os.ReadFile(filepath.Join(album, "p0.txt"))
			return err == nil && string(data) == "a new caption\n"
		}},
	} {
		jobs := len(d.jobs())
		if moment.do == nil {
			d.program = exec.Command(d.binary)
			d.program.Env = d.env()
			if err := d.program.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(120 * time.Millisecond)
			d.program.Process.Kill()
			d.program.Wait()
		} else {
			d.open()
			moment.do()
			d.kill()
		}
		d.whole()
		if moment.want != nil && !moment.want() {
			d.shot()
			t.Errorf("%d, killed %s: form %+v, %d jobs, %d pictures", i, moment.name, d.form(), len(d.jobs()), len(d.pictures()))
		}
		if n := len(d.pictures()); n < made {
			t.Errorf("killed %s: %d pictures of %d are left", moment.name, n, made)
		} else {
			made = n
		}
		t.Logf("killed %s: %d jobs before, %d after, %d pictures", moment.name, jobs, len(d.jobs()), made)
	}
	d.open() // and all is well once more
	if n := len(d.jobs()) + len(d.pictures()); n < 3 {
		t.Errorf("%d jobs and %d pictures are left", len(d.jobs()), len(d.pictures()))
	}
}

// TestStart measures how long the window takes with ten thousand pictures in the
// folder, and that a subcommand of this build says one line.
func TestStart(t *testing.T) {
	d := newDesk(t)
	dir := d.path("Pictures", "Latent")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := gallery.Encode(square(8, 1), gallery.Recipe{Prompt: "a fox", Steps: 1, Sampler: "DDIM", CFGScale: 1, Seed: 1, Width: 8, Height: 8})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d-1.png", i+1)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d.open() // once, so that Fyne's and the driver's own caches are there
	d.kill()
	best := time.Hour
	for range 3 {
		best = min(best, d.open())
		d.kill()
	}
	t.Logf("the window is up in %v with 10,000 pictures in its folder", best)
	if best > 3*time.Second {
		t.Error("that is too long")
	}
	for _, lang := range []string{"C", "C.UTF-8", "de_DE@euro", ""} {
		c := exec.Command(d.binary, "generate", "--bogus")
		c.Env = append(d.env(), "LANG="+lang)
		out, err := c.CombinedOutput()
		if err == nil || strings.Count(string(out), "\n") != 1 {
			t.Errorf("with LANG=%q a mistake on the command line gives %q, want one line", lang, out)
		}
	}
}
