package trainer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latent/app/library"
	"latent/gpu"
	"latent/gpu/nn"
)

// opened is the model at path.
func opened(t *testing.T, path string) *library.Model {
	t.Helper()
	m, err := library.Open(path, open(t), gpu.Float32)
	if err != nil {
		t.Fatal(path, err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// The whole of a base of each family is trained: what was written opens, and both
// text encoders of SDXL have moved where they should.
func TestFineTuningEveryFamily(t *testing.T) {
	for _, name := range bases {
		for _, frozen := range []bool{false, true} {
			c := loraConfig(t, basePath(name))
			c.LoRA, c.Denoiser.FreezeText, c.Denoiser.TextLR, c.Denoiser.Steps = nil, frozen, 1e-3, 2
			if err := Train(context.Background(), open(t), c, false, nil); err != nil {
				t.Fatal(name, err)
			}
			was, now := opened(t, c.Base), opened(t, c.Result())
			if now.Scheduler.PredictionType != was.Scheduler.PredictionType {
				t.Errorf("%s: it predicts %s now", name, now.Scheduler.PredictionType)
			}
			for part, pair := range map[string][2]any{
				"U-Net": {was.UNet, now.UNet}, "VAE": {was.VAE, now.VAE},
				"text encoder": {was.Text, now.Text}, "second text encoder": {was.Text2, now.Text2},
			} {
				a, b := nn.Params(pair[0]), nn.Params(pair[1])
				moved := !slices.EqualFunc(a, b, func(a, b nn.Named) bool { return bytes.Equal(a.T.ReadBytes(), b.T.ReadBytes()) })
				want := len(a) > 0 && (part == "U-Net" || part != "VAE" && !frozen)
				if moved != want {
					t.Errorf("%s, text frozen %v: the %s moved %v", name, frozen, part, moved)
				}
			}
		}
	}
}

// A training that was stopped can be looked at: what Export writes after the last
// step is what the training itself would, and it does not touch the training.
func TestExport(t *testing.T) {
	for _, whole := range []bool{false, true} {
		c := loraConfig(t, basePath("sd1"))
		if whole {
			c.LoRA, c.Precision, c.Denoiser.EMA = nil, "bf16", 0.5
		}
		if _, err := Export(open(t), c); err == nil || strings.Contains(err.Error(), "\n") {
			t.Error("there is nothing to export:", err)
		}
		kept := filepath.Join(t.TempDir(), "kept")
		err := Train(context.Background(), open(t), c, false, func(p Progress) {
			if p.Stage == "denoiser" && p.Step == c.Denoiser.Steps {
				if err := os.CopyFS(filepath.Join(kept, State), os.DirFS(filepath.Join(c.Output, State))); err != nil {
					t.Error(err)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		read := func(path string) []byte {
			if whole {
				return weights(t, path)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		want := read(c.Result())
		last := c
		last.Output = kept
		out, err := Export(open(t), last)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(out), want) {
			t.Error("after the last step it writes something else than the training")
		}
		c.Output = filepath.Join(t.TempDir(), "ramp")
		if err := losses(t, c, false, "denoiser", c.Denoiser.Steps-2, map[key]float64{}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if out, err = Export(open(t), c); err != nil {
			t.Fatal(err)
		}
		early := read(out)
		if bytes.Equal(early, want) || len(early) < len(want)*9/10 {
			t.Errorf("%d bytes two steps before the end, %d at the end, the same: %v", len(early), len(want), bytes.Equal(early, want))
		}
		// Stopped when nothing is left to do but to write.
		if err := losses(t, c, true, "denoiser", c.Denoiser.Steps-1, map[key]float64{}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if err := losses(t, c, true, "", 0, map[key]float64{}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(c.Result()), want) {
			t.Error("a training that was looked at ends otherwise")
		}
	}
}

// What a training in bf16 leaves as it is, is written as the base has it.
func TestPartsAtRestAreNotRounded(t *testing.T) {
	for _, name := range bases {
		c := loraConfig(t, basePath(name))
		c.LoRA, c.Precision, c.Denoiser.FreezeText, c.Denoiser.Steps = nil, "bf16", true, 1
		if err := Train(context.Background(), open(t), c, false, nil); err != nil {
			t.Fatal(name, err)
		}
		was, now := opened(t, c.Base), opened(t, c.Result())
		for part, pair := range map[string][2]any{"VAE": {was.VAE, now.VAE}, "text": {was.Text, now.Text}, "second text": {was.Text2, now.Text2}} {
			b := nn.Params(pair[1])
			for i, p := range nn.Params(pair[0]) {
				if !bytes.Equal(p.T.ReadBytes(), b[i].T.ReadBytes()) {
					t.Errorf("%s: %s's %s was rounded", name, part, p.Key)
					break
				}
			}
		}
	}
}
