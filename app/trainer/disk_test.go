package trainer

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fullable is a disk for an output that fill leaves without room until it is called
// again. For one who cannot mount disks, it is a state that cannot be written to.
func fullable(t *testing.T, output string) (fill func(full bool)) {
	t.Helper()
	if err := os.MkdirAll(output, 0o755); err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	if os.Getuid() != 0 {
		return func(full bool) {
			mode := os.FileMode(0o755)
			if full {
				mode = 0o555
			}
			for _, dir := range []string{output, filepath.Join(output, State)} {
				check(os.Chmod(dir, mode))
			}
		}
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "none", output).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a small disk: %s", out)
	}
	t.Cleanup(func() { exec.Command("umount", output).Run() })
	ballast := filepath.Join(output, "ballast")
	return func(full bool) {
		if !full {
			check(os.Remove(ballast))
			return
		}
		f, err := os.Create(ballast)
		check(err)
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		f.Close()
	}
}

// A full disk costs a checkpoint and not the training, which goes on and writes the
// next one; a file that is there stays whole.
func TestDiskFullForAWhile(t *testing.T) {
	c := loraConfig(t, basePath("sd1"))
	if _, err := heard(t, c, false, map[key]float64{}); err != nil {
		t.Fatal(err)
	}
	want := result(t, c)
	c.Output = filepath.Join(t.TempDir(), "ramp")
	fill := fullable(t, c.Output)
	c.SaveEvery = 1
	var notes []string
	var saved, weights []int
	err := Train(context.Background(), open(t), c, false, func(p Progress) {
		if p.Note != "" {
			notes = append(notes, p.Note)
		}
		if p.Checkpoint != "" {
			saved = append(saved, p.Step)
		}
		if p.Weights != "" {
			weights = append(weights, p.Step)
		}
		if p.Stage == "denoiser" && (p.Step == 2 || p.Step == 4) {
			fill(p.Step == 2)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	// Steps 3 and 4 find no room.
	all := strings.Join(notes, "\n")
	if len(notes) != 4 || !strings.Contains(all, "checkpoint of step 3 could not be written") || !strings.Contains(all, "with the checkpoint of step 2 on the disk") || !strings.Contains(all, "weights of step 4 could not be written") {
		t.Errorf("notes %q", notes)
	}
	if len(saved) != 4 || saved[2] != 5 || len(weights) != 3 || weights[2] != 5 {
		t.Errorf("checkpoints at %v, weights at %v", saved, weights)
	}
	if !bytes.Equal(result(t, c), want) {
		t.Error("another LoRA than with room on the disk")
	}
}

// A disk that stays full ends the training with one message, and its last checkpoint
// leads to the same end once there is room.
func TestDiskFullToTheEnd(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		c := loraConfig(t, basePath("sd1"))
		want := map[key]float64{}
		if _, err := heard(t, c, false, want); err != nil {
			t.Fatal(err)
		}
		file := result(t, c)
		c.Output = filepath.Join(t.TempDir(), "ramp")
		fill := fullable(t, c.Output)
		c.Denoiser.Checkpoint = 2
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		err := Train(ctx, open(t), c, false, func(p Progress) {
			if p.Stage == "denoiser" && p.Step == 3 {
				fill(true)
				if stopped {
					cancel()
				}
			}
		})
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), c.Output) || stopped && !strings.Contains(err.Error(), "since step 2 is lost") {
			t.Errorf("stopped %v: %v", stopped, err)
		}
		fill(false)
		entries, err := os.ReadDir(filepath.Join(c.Output, State))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".tmp") {
				t.Errorf("left behind: %s", e.Name())
			}
		}
		got := map[key]float64{}
		if _, err := heard(t, c, true, got); err != nil {
			t.Fatal(err)
		}
		if _, again := got[key{"denoiser", 2}]; again || got[key{"denoiser", 3}] != want[key{"denoiser", 3}] || !bytes.Equal(result(t, c), file) {
			t.Errorf("stopped %v: it did not go on from step 2 to the same end", stopped)
		}
	}
}

// A place that cannot be written to is told before anything is trained.
func TestReadOnlyOutput(t *testing.T) {
	c := loraConfig(t, basePath("sd1"))
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.MkdirAll(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "ro", "none", dir).CombinedOutput(); err != nil {
			t.Skipf("cannot mount a read-only disk: %s", out)
		}
		t.Cleanup(func() { exec.Command("umount", dir).Run() })
	}
	c.Output = filepath.Join(dir, "ramp")
	begun := false
	err := Train(context.Background(), open(t), c, false, func(Progress) { begun = true })
	if begun || err == nil || !strings.Contains(err.Error(), "output "+c.Output) || strings.Contains(err.Error(), "\n") {
		t.Errorf("begun %v: %v", begun, err)
	}
}

func TestOutputIsAFile(t *testing.T) {
	c := loraConfig(t, basePath("sd1"))
	c.Output = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(c.Output, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	begun := false
	err := Train(context.Background(), open(t), c, false, func(Progress) { begun = true })
	if begun || err == nil || !strings.Contains(err.Error(), "output "+c.Output+": it is a file") || strings.Contains(err.Error(), "\n") {
		t.Errorf("begun %v: %v", begun, err)
	}
}

// Weights are written as the recipe says and when somebody asks, between two steps,
// and that changes nothing of the training.
func TestWeights(t *testing.T) {
	for _, whole := range []bool{false, true} {
		c := loraConfig(t, basePath("sd1"))
		if whole {
			c.LoRA, c.Denoiser.EMA = nil, 0.5
		}
		read := func(path string) []byte {
			if whole {
				path = filepath.Join(path, "unet", "diffusion_pytorch_model.safetensors")
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		if list := Checkpoints(c); len(list) > 0 {
			t.Errorf("checkpoints before it has begun: %v", list)
		}
		if _, err := heard(t, c, false, map[key]float64{}); err != nil {
			t.Fatal(err)
		}
		want := read(c.Result())
		c.Output = filepath.Join(t.TempDir(), "ramp")
		c.SaveEvery = 4
		var paths []string
		var betweens int
		tr := &Training{Config: c}
		tr.Between = func() { betweens++ }
		tr.Progress = func(p Progress) {
			if p.Stage == "latents" && p.Step == 2 {
				tr.WriteWeights() // written after the first step
			}
			if p.Weights != "" {
				paths = append(paths, p.Weights)
			}
			if p.Stage == "denoiser" && p.Step == 5 {
				var steps []int
				for _, k := range Checkpoints(c) {
					if steps = append(steps, k.Step); k.Result || k.Size < 1000 || k.Time.IsZero() || k.GoesOn != (k.Step == 5) {
						t.Errorf("checkpoint %+v", k)
					}
				}
				if len(steps) != 3 || steps[0] != 5 || steps[1] != 4 || steps[2] != 1 {
					t.Errorf("checkpoints of steps %v", steps)
				}
			}
		}
		if err := tr.Run(context.Background(), open(t)); err != nil {
			t.Fatal(err)
		}
		if len(paths) != 2 || paths[0] != c.Weights(1) || paths[1] != c.Weights(4) || betweens < c.Denoiser.Steps {
			t.Errorf("weights %v, %d times between", paths, betweens)
		}
		if !bytes.Equal(read(c.Result()), want) {
			t.Error("a training whose weights were written on the way ends otherwise")
		}
		list := Checkpoints(c)
		if len(list) != 3 || !list[0].Result || list[0].Path != c.Result() || list[0].Step != 6 || list[2].Path != c.Weights(1) {
			t.Errorf("checkpoints %+v", list)
		}
		// Those of step 4 are those of a training that was stopped there.
		kept := read(c.Weights(4))
		c.Output = filepath.Join(t.TempDir(), "ramp")
		c.SaveEvery = 0
		_ = losses(t, c, false, "denoiser", 4, map[key]float64{})
		path, err := Export(open(t), c)
		if err != nil {
			t.Fatal(err)
		}
		if path != c.Weights(4) || !bytes.Equal(read(path), kept) {
			t.Errorf("%s is not what the training wrote after step 4", path)
		}
	}
}
