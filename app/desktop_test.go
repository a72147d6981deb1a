//go:build !headless

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"latent/app/gallery"
	"latent/app/pictures"
	"latent/app/ui/desktop"
)

// desk is a display with a window manager, and a person's home folder.
type desk struct {
	t       *testing.T
	display string
	frame   string // file of the screen's pixels
	home    string
	binary  string
	window  string // of the program that runs
	program *exec.Cmd
	stderr  bytes.Buffer
	ended   chan error
}

// program is built once, into a folder that TestMain removes.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "latent")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "latent")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return path, err
})

var built string

func TestMain(m *testing.M) {
	if os.Getenv(fakeWindow) != "" { // the program is this binary
		if err := desktop.Run(newFakeEngine(), nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// newDesk starts a display, or skips the test where there is none to be had.
func newDesk(t *testing.T) *desk {
	t.Helper()
	if testing.Short() {
		t.Skip("drives the program on a display")
	}
	for _, tool := range []string{"Xvfb", "xdotool", "openbox"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("not installed: " + tool)
		}
	}
	path, err := program()
	if err != nil {
		t.Skip("the window cannot be built here: ", err)
	}
	d := &desk{t: t, home: t.TempDir(), binary: path}
	frames := t.TempDir()
	d.frame = filepath.Join(frames, "Xvfb_screen0")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	x := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x800x24", "-fbdir", frames, "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{w}
	d.start(x)
	w.Close()
	var number int
	if _, err := fmt.Fscan(r, &number); err != nil {
		t.Fatal("Xvfb: ", err)
	}
	r.Close()
	d.display = fmt.Sprintf(":%d", number)
	d.start(exec.Command("openbox"))
	return d
}

func (d *desk) env() []string {
	env := append(os.Environ(), "DISPLAY="+d.display, "WAYLAND_DISPLAY=", "HOME="+d.home, "LANG=C.UTF-8", "LC_ALL=", "LANGUAGE=", "LATENT_WATCH="+d.path("stalls"))
	for name, dir := range map[string]string{"CONFIG": "config", "DATA": "data", "STATE": "state", "CACHE": "cache"} {
		env = append(env, "XDG_"+name+"_HOME="+filepath.Join(d.home, dir))
	}
	return env
}

// start runs a program until the test ends.
func (d *desk) start(c *exec.Cmd) {
	d.t.Helper()
	c.Env = d.env()
	if err := c.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { c.Process.Kill(); c.Wait() })
}

// open starts Latent and returns how long its window took.
func (d *desk) open() time.Duration {
	d.t.Helper()
	began := time.Now()
	d.program = exec.Command(d.binary)
	d.program.Env = d.env()
	d.program.Stderr = &d.stderr
	if err := d.program.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.ended = make(chan error, 1)
	go func(c *exec.Cmd, ended chan error) { ended <- c.Wait() }(d.program, d.ended)
	d.t.Cleanup(func() { d.program.Process.Kill() })
	d.until("the window is up", time.Minute, func() bool {
		out, err := d.tool("search", "--onlyvisible", "--name", "^Latent$")
		d.window, _, _ = strings.Cut(out, "\n")
		return err == nil && d.window != ""
	})
	took := time.Since(began)
	d.must("windowmove", d.window, "10", "30")
	d.must("windowfocus", "--sync", d.window)
	time.Sleep(700 * time.Millisecond)
	return took
}

// kill ends Latent as a crash would.
func (d *desk) kill() {
	d.program.Process.Signal(syscall.SIGKILL)
	<-d.ended
}

func (d *desk) tool(args ...string) (string, error) {
	c := exec.Command("xdotool", args...)
	c.Env = d.env()
	out, err := c.Output()
	return string(out), err
}

func (d *desk) must(args ...string) {
	d.t.Helper()
	if _, err := d.tool(args...); err != nil {
		d.t.Fatalf("xdotool %v: %v", args, err)
	}
}

func (d *desk) key(keys ...string) {
	d.t.Helper()
	for _, k := range keys {
		d.must("key", k)
		time.Sleep(150 * time.Millisecond)
	}
}

func (d *desk) write(text string) {
	d.t.Helper()
	d.must("type", "--delay", "15", text)
	time.Sleep(150 * time.Millisecond)
}

// replace puts text in place of what the focused field holds.
func (d *desk) replace(text string) { d.t.Helper(); d.key("ctrl+a"); d.write(text) }

func (d *desk) click(x, y int) {
	d.t.Helper()
	d.must("mousemove", "--window", d.window, fmt.Sprint(x), fmt.Sprint(y))
	time.Sleep(150 * time.Millisecond)
	d.must("click", "1")
	time.Sleep(150 * time.Millisecond)
}

// held clicks while a key is down.
func (d *desk) held(key string, x, y int) {
	d.t.Helper()
	d.must("keydown", key)
	d.click(x, y)
	d.must("keyup", key)
	time.Sleep(150 * time.Millisecond)
}

// favourites are the names of the pictures with a star, in order.
func (d *desk) favourites() []string {
	data, err := os.ReadFile(d.path("Pictures", "Latent", ".favourites"))
	if err != nil && !os.IsNotExist(err) {
		d.t.Error(err)
	}
	return strings.Fields(string(data))
}

func (d *desk) until(what string, limit time.Duration, done func() bool) {
	d.t.Helper()
	for end := time.Now().Add(limit); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			d.shot()
			d.t.Fatalf("waited in vain until %s; the program said: %s", what, d.stderr.String())
		}
		select {
		case err := <-d.ended:
			d.t.Fatalf("the program ended while waiting until %s: %v\n%s", what, err, d.stderr.String())
		default:
		}
	}
}

// shot keeps a picture of the screen where $LATENT_SHOTS says.
func (d *desk) shot() {
	dir := os.Getenv("LATENT_SHOTS")
	if data, err := os.ReadFile(d.frame); err == nil && dir != "" {
		os.WriteFile(filepath.Join(dir, strings.ReplaceAll(d.t.Name(), "/", "-")+".xwd"), data, 0o644)
	}
}

// opens presses keys until the details of a picture of the gallery are shown.
func (d *desk) opens(keys ...string) {
	d.t.Helper()
	const left, top, right, bottom = 820, 80, 1080, 560
	none := d.look(left, top, right, bottom)
	d.until(fmt.Sprintf("%v opens a picture", keys), time.Minute, func() bool {
		d.key(keys...)
		time.Sleep(100 * time.Millisecond)
		return d.look(left, top, right, bottom) != none
	})
}

// look is a checksum of a part of the window's pixels.
func (d *desk) look(x0, y0, x1, y1 int) uint32 {
	d.t.Helper()
	data, err := os.ReadFile(d.frame)
	if err != nil || len(data) < 100 {
		d.t.Fatal("the screen cannot be read: ", err)
	}
	// The file is an XWD: its header is a row of big-endian numbers.
	field := func(i int) int { return int(binary.BigEndian.Uint32(data[4*i:])) }
	pixels, line := data[field(0)+12*field(19):], field(12)
	sum := crc32.NewIEEE()
	for y := y0 + 30; y < y1+30; y++ { // the window's own place on the screen is 10, 30 and its frame
		sum.Write(pixels[y*line+4*(x0+10) : y*line+4*(x1+10)])
	}
	return sum.Sum32()
}

func (d *desk) path(parts ...string) string {
	return filepath.Join(append([]string{d.home}, parts...)...)
}

func (d *desk) pictures() []string {
	found, _ := filepath.Glob(d.path("Pictures", "Latent", "*.png"))
	return found
}

func (d *desk) jobs() []string {
	found, _ := filepath.Glob(d.path("state", "latent", "queue", "*.toml"))
	return found
}

// form is the Create page as it is kept.
func (d *desk) form() (f struct {
	Prompt string
	Steps  int
	Locked bool
	Model  string
	LoRA   []struct{ Name string }
}) {
	data, err := os.ReadFile(d.path("state", "latent", "form.toml"))
	if err == nil {
		_, err = toml.Decode(string(data), &f)
	}
	if err != nil && !os.IsNotExist(err) {
		d.t.Errorf("the form as it is kept: %v", err)
	}
	return f
}

// whole fails for each file that is not what it should be.
func (d *desk) whole() {
	d.t.Helper()
	for _, p := range d.pictures() {
		if _, err := pictures.Load(p); err != nil {
			d.t.Errorf("a broken picture is in the gallery: %v", err)
		}
		if r, err := gallery.Read(p); err != nil || r.Prompt == "" {
			d.t.Errorf("%s has lost its recipe: %+v, %v", p, r, err)
		}
	}
	for _, glob := range []string{"state/latent/queue/*.toml", "state/latent/*.toml", "config/latent/*.toml"} {
		found, _ := filepath.Glob(d.path(glob))
		for _, p := range found {
			var any map[string]any
			if _, err := toml.DecodeFile(p, &any); err != nil || strings.Contains(p, "broken") {
				d.t.Errorf("%s is broken: %v", p, err)
			}
		}
	}
}

// set makes the steps n.
func (d *desk) steps(n int) {
	d.t.Helper()
	d.key("ctrl+1", "Tab", "Tab", "Tab", "Tab") // from the prompt: where it lies hangs on the LoRAs
	d.replace(fmt.Sprint(n))
}

func (d *desk) prompt(text string) {
	d.t.Helper()
	d.key("ctrl+1") // gives the prompt the keyboard
	d.replace(text)
}

// album makes a folder of n pictures with captions.
func (d *desk) album(n int) string {
	d.t.Helper()
	dir := d.path("album")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		d.t.Fatal(err)
	}
	for i := range n {
		img := square(128, i)
		name := filepath.Join(dir, fmt.Sprintf("p%d", i))
		if err := gallery.Save(name+".png", img, gallery.Recipe{}); err != nil {
			d.t.Fatal(err)
		}
		if err := os.WriteFile(name+".txt", fmt.Appendf(nil, "square number %d", i), 0o644); err != nil {
			d.t.Fatal(err)
		}
	}
	return dir
}
