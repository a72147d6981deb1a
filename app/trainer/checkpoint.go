package trainer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"latent/gpu/atomicfile"
	"latent/gpu/safetensors"
)

// denoiserStage is the last stage of every training, and the only one of fine-tuning.
const denoiserStage = "denoiser"

// Files of the state, beside the stages' own.
const latentsFile, textFile = "latents.safetensors", "text.safetensors"

// stateFile is the name of a stage's checkpoint in the state.
func stateFile(stage string) string { return stage + ".safetensors" }

// save writes the stage's checkpoint after step steps; the file replaces the
// one before it whole.
func (l *loop) save(step int) (string, error) {
	l.losses.sync()
	path := l.statePath(stateFile(l.name))
	err := safetensors.Write(path, l.opt.State(""), map[string]string{
		"step": strconv.Itoa(step), "updates": strconv.Itoa(l.opt.Steps()), "recipe": l.fingerprint(),
	})
	if err != nil {
		return "", fmt.Errorf("the checkpoint of step %d could not be written to %s: %w", step, l.statePath(""), atomicfile.Reason(err))
	}
	l.kept = step
	return path, nil
}

// restore continues from the stage's checkpoint and returns the step to go on
// with, 0 if there is no checkpoint.
func (l *loop) restore() (int, error) {
	path := l.statePath(stateFile(l.name))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return 0, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	defer f.Close()
	step, updates, err := stepOf(f)
	if err != nil {
		return 0, fmt.Errorf("checkpoint %s %w", path, err)
	}
	if f.Metadata()["recipe"] != l.fingerprint() {
		return 0, fmt.Errorf("checkpoint %s was made by another recipe: restore the recipe, or remove %s to start again", path, l.statePath(""))
	}
	return step, l.opt.Restore(f, "", updates)
}

// stepOf reads how many steps a checkpoint has behind it, and how many of them moved
// the weights.
func stepOf(f *safetensors.File) (step, updates int, err error) {
	meta := f.Metadata()
	step, err1 := strconv.Atoi(meta["step"])
	updates, err2 := strconv.Atoi(meta["updates"])
	if err1 != nil || err2 != nil || step < 0 || updates < 0 {
		return 0, 0, errors.New("does not say its step")
	}
	return step, updates, nil
}

// fingerprint identifies the settings that a continued stage must share with
// its beginning. How often to save or to draw samples may change.
func (l *loop) fingerprint() string {
	s := l.stage
	s.Checkpoint, s.Checkpointed = 0, false
	parts := []any{l.name, l.Seed, l.dtype, l.Data, s}
	if l.LoRA != nil {
		parts = append(parts, *l.LoRA)
	}
	for _, p := range l.params {
		parts = append(parts, p.Key, p.Shape)
	}
	return digest(parts...)
}

// digest is a hash of what the values print.
func digest(parts ...any) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%+v ", p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
