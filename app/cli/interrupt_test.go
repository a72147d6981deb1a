package cli

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// interrupt starts the program, sends it Ctrl-C once it has shown progress, and
// returns how it ended.
func interrupt(t *testing.T, args ...string) (code int, last string) {
	t.Helper()
	cmd := program(t, args...)
	var stderr lockedBuffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); !strings.Contains(stderr.String(), "left"); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			cmd.Process.Kill()
			t.Fatalf("no progress: %s", stderr.String())
		}
	}
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	return cmd.ProcessState.ExitCode(), lines[len(lines)-1]
}

type lockedBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.String()
}

func TestInterruptedGenerate(t *testing.T) {
	dir, parent := model(t), t.TempDir()
	for _, out := range []string{"x.png", "folder"} {
		code, last := interrupt(t, "generate", "--prompt", "red", "--model", dir, "--device", "reference",
			"--steps", "1000", "--size", "256x256", "--out", filepath.Join(parent, out))
		if code != 1 || last != "latent: stopped" {
			t.Errorf("exit %d: %s", code, last)
		}
	}
	if left := names(t, parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestInterruptedTraining(t *testing.T) {
	dir := t.TempDir()
	path := recipe(t, dir, 100000)
	code, last := interrupt(t, "train", path)
	if want := "latent train " + path + " --resume"; code != 1 || !strings.Contains(last, want) {
		t.Errorf("exit %d: %s; want it to name %q", code, last, want)
	}
	var step int
	if _, err := fmt.Sscanf(last, "latent: stopped after step %d of the denoiser", &step); err != nil || step < 1 {
		t.Fatalf("%q does not tell the step: %v", last, err)
	}
	code, _, stderr := latent(t, "train", path)
	if code != 1 || !strings.Contains(stderr, "--resume") {
		t.Errorf("training on top of a stopped one: exit %d: %s", code, stderr)
	}
	// Resumed, it goes on from there.
	code, last = interrupt(t, "train", path, "--resume")
	var later int
	if _, err := fmt.Sscanf(last, "latent: stopped after step %d of the denoiser", &later); err != nil || code != 1 || later <= step {
		t.Errorf("exit %d: %s; want a step beyond %d", code, last, step)
	}
	for _, name := range names(t, filepath.Join(dir, "model", ".train")) {
		if !strings.HasSuffix(name, ".safetensors") && name != "pictures.json" {
			t.Errorf("left behind: %s", name)
		}
	}
}
