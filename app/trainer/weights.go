package trainer

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"latent/gpu"
	"latent/gpu/atomicfile"
	"latent/gpu/safetensors"
)

// Checkpoint is what a training has left on the disk.
type Checkpoint struct {
	Path   string // a LoRA's file or a model's folder; of one to go on from: the state
	Step   int
	Time   time.Time
	Size   int64 // bytes
	GoesOn bool  // it is the state that the training goes on from
	Result bool  // it is what the training was for
}

// Checkpoints lists what a training of a recipe has left, the newest step first:
// its result, the state that it goes on from, and the weights that were kept.
func Checkpoints(c Config) []Checkpoint {
	var out []Checkpoint
	add := func(k Checkpoint, file string) {
		info, err := os.Stat(file)
		if err != nil {
			return
		}
		k.Time = info.ModTime()
		k.Size = sizeOf(k.Path)
		out = append(out, k)
	}
	// A model's folder is there from the beginning, and whole once it says what it is.
	index := func(path string) string {
		if c.LoRA == nil {
			return filepath.Join(path, "model_index.json")
		}
		return path
	}
	add(Checkpoint{Path: c.Result(), Step: c.Denoiser.Steps, Result: true}, index(c.Result()))
	state := c.statePath(stateFile(denoiserStage))
	if f, err := safetensors.Open(state); err == nil {
		step, _, err := stepOf(f)
		f.Close()
		if err == nil && step > 0 {
			add(Checkpoint{Path: state, Step: step, GoesOn: true}, state)
		}
	}
	dir := filepath.Dir(c.Weights(0))
	entries, _ := os.ReadDir(dir) // none: nothing was kept
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		name := strings.TrimSuffix(e.Name(), ".safetensors")
		step, err := strconv.Atoi(name[strings.LastIndex(name, "-")+1:])
		if err == nil && path == c.Weights(step) {
			add(Checkpoint{Path: path, Step: step}, index(path))
		}
	}
	slices.SortStableFunc(out, func(a, b Checkpoint) int { return cmp.Compare(b.Step, a.Step) })
	return out
}

// sizeOf is how many bytes a file takes, or all in a folder but a training's state.
func sizeOf(path string) (size int64) {
	filepath.Walk(path, func(at string, info os.FileInfo, err error) error {
		switch {
		case err != nil:
		case info.IsDir() && at != path && info.Name() == State:
			return filepath.SkipDir
		case info.Mode().IsRegular():
			size += info.Size()
		}
		return nil
	})
	return size
}

// keepWeights writes what was learned in step steps, where the recipe or somebody
// wants it. A failure is told and does not end the training.
func (d *denoising) keepWeights(step int) (path string) {
	due := d.SaveEvery > 0 && step%d.SaveEvery == 0 && step < d.stage.Steps
	if !d.wanted.CompareAndSwap(true, false) && !due {
		return ""
	}
	path = d.Weights(step)
	err := func() (err error) {
		defer gpu.Catch(&err)
		return d.write(path, step, d.opt.Values(), d.lora, d.batches)
	}()
	if err != nil {
		d.note("the weights of step %d could not be written to %s: %v: the training goes on", step, filepath.Dir(path), atomicfile.Reason(err))
		return ""
	}
	return path
}
